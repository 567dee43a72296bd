/* A stand-in for a library of Windows that Debian 12's Wine (8.0) lacks: the one function that Rust's standard library takes
 * from it. Nothing of it is in hcimage.exe. */
#include <windows.h>

/* RtlGenRandom of advapi32, under its real name. */
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length)
{
    return SystemFunction036(data, (ULONG)length);
}
