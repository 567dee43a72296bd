//! The programs that go onto a node, compiled in by `build.rs`.

use crate::arch::Arch;

include!(concat!(env!("OUT_DIR"), "/card.rs"));

/// This hcimage was compiled without the program for an architecture.
#[derive(Debug, thiserror::Error)]
#[error(
    "this hcimage was compiled without the firstboot program for {arch}; build it with `make`, which compiles that first"
)]
pub struct NoProgram {
    arch: Arch,
}

/// The static firstboot program for an architecture.
pub fn firstboot(arch: Arch) -> Result<&'static [u8], NoProgram> {
    let program = match arch {
        Arch::Aarch64 => FIRSTBOOT_AARCH64,
        Arch::Armv7 => FIRSTBOOT_ARMV7,
        Arch::X86_64 => FIRSTBOOT_X86_64,
    };
    program.ok_or(NoProgram { arch })
}
