#!/usr/bin/env bash
# Makes DIR/wine, which runs a program for Windows, from Debian's packages: they are unpacked and not installed.
#
#   wine.sh DIR
set -euo pipefail

[ $# -eq 1 ] || {
    sed -n '2,${/^#/!q;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
    exit 2
}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=$(realpath -m "$1")
usr=$("$here/../bases/make.sh" --unpacked wine64 libwine libunwind8 libz-mingw-w64)/usr
libraries=$usr/lib/x86_64-linux-gnu
mkdir -p "$dir/libraries"

# The one that is installed looks for /usr/lib/wine/wineserver64; this is what that script starts.
ln -sf wineserver64 "$usr/lib/wine/wineserver"
# Where Debian's packages have it, Wine finds it only as installed.
ln -sf "$usr/x86_64-w64-mingw32/lib/zlib1.dll" "$libraries/wine/x86_64-windows/zlib1.dll"
cp "$usr/x86_64-w64-mingw32/lib/zlib1.dll" "$dir/libraries/"
x86_64-w64-mingw32-gcc -shared -O1 -o "$dir/libraries/bcryptprimitives.dll" "$here/bcryptprimitives.c" -ladvapi32

cat >"$dir/wine" <<SCRIPT
#!/bin/sh
export LD_LIBRARY_PATH='$libraries' WINEPREFIX='$dir/prefix' WINEPATH='Z:$dir/libraries'
# No words of Wine's own on stderr, and no questions for its browser and its .NET.
export WINEDEBUG=-all WINEDLLOVERRIDES=mscoree,mshtml=
exec '$usr/lib/wine/wine64' "\$@"
SCRIPT
chmod +x "$dir/wine"
# The first start makes its drive C: ten seconds, and some words on stderr.
"$dir/wine" cmd /c exit >/dev/null 2>&1 || {
    echo "wine.sh: Wine does not run; try: $dir/wine cmd" >&2
    exit 1
}
