//! Which architecture an ELF program is for.
//!
//! Fields and numbers are those of the System V ABI's "ELF Header" and of "ELF for the Arm Architecture".

use crate::arch::Arch;

/// Why a program runs on none of our boards.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum UnsupportedElf {
    /// It is no little-endian ELF program.
    NotElf,
    /// It is one for something else, which is named here.
    Other(String),
}

const CLASS_32: u8 = 1;
const CLASS_64: u8 = 2;
const LITTLE_ENDIAN: u8 = 1;

const EM_386: u16 = 3;
const EM_ARM: u16 = 40;
const EM_X86_64: u16 = 62;
const EM_AARCH64: u16 = 183;

/// `EF_ARM_ABI_FLOAT_HARD`: armhf has it, armel has not.
const HARD_FLOAT: u32 = 0x400;

/// The architecture of a program, of which the first bytes are enough.
pub(super) fn architecture(program: &[u8]) -> Result<Arch, UnsupportedElf> {
    let Some([0x7f, b'E', b'L', b'F', class, LITTLE_ENDIAN, .., low, high]) = program.get(..20) else {
        return Err(UnsupportedElf::NotElf);
    };
    match (*class, u16::from_le_bytes([*low, *high])) {
        (CLASS_64, EM_AARCH64) => Ok(Arch::Aarch64),
        (CLASS_64, EM_X86_64) => Ok(Arch::X86_64),
        (CLASS_32, EM_ARM) if flags_of_32_bit(program) & HARD_FLOAT != 0 => Ok(Arch::Armv7),
        (CLASS_32, EM_ARM) => {
            Err(UnsupportedElf::Other("a 32-bit Arm system without hard float (armel)".to_owned()))
        }
        (CLASS_32, EM_386) => Err(UnsupportedElf::Other("a 32-bit x86 system (i386)".to_owned())),
        (_, machine) => Err(UnsupportedElf::Other(format!("a system for ELF machine {machine}"))),
    }
}

/// `e_flags`, which lies elsewhere in the header of a 64-bit program.
fn flags_of_32_bit(program: &[u8]) -> u32 {
    program.get(36..40).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(class: u8, machine: u16, flags: u32) -> Vec<u8> {
        let mut header = vec![0; 64];
        header[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', class, 1]);
        header[18..20].copy_from_slice(&machine.to_le_bytes());
        header[36..40].copy_from_slice(&flags.to_le_bytes());
        header
    }

    #[test]
    fn class_machine_and_float_decide() {
        for (class, machine, flags, want) in [
            (2, 183, 0, Arch::Aarch64),
            (2, 62, 0, Arch::X86_64),
            // As readelf shows them: Debian's armhf, and an ARMv7 program of Rust.
            (1, 40, 0x0500_0400, Arch::Armv7),
        ] {
            assert_eq!(architecture(&program(class, machine, flags)), Ok(want));
        }
    }

    #[test]
    fn everything_else_is_refused_by_name() {
        for (class, machine, flags, word) in [
            (1, 40, 0x0500_0200, "armel"),
            (1, 40, 0, "armel"),
            (1, 3, 0, "i386"),
            // x32 and a 64-bit Arm program with pointers of 32 bits.
            (1, 62, 0, "machine 62"),
            (1, 183, 0, "machine 183"),
            (2, 40, 0x400, "machine 40"),
            (2, 243, 0, "machine 243"),
        ] {
            let Err(UnsupportedElf::Other(what)) = architecture(&program(class, machine, flags)) else {
                panic!("{machine} is accepted")
            };
            assert!(what.contains(word), "{what}");
        }
        let whole = program(1, 40, 0x0500_0400);
        assert_eq!(architecture(&whole[..19]), Err(UnsupportedElf::NotElf));
        assert!(
            matches!(architecture(&whole[..39]), Err(UnsupportedElf::Other(_))),
            "no flags, no hard float"
        );
        let mut big_endian = whole;
        big_endian[5] = 2;
        assert_eq!(architecture(&big_endian), Err(UnsupportedElf::NotElf));
        assert_eq!(architecture(b"#!/bin/sh\nexec /bin/true\n"), Err(UnsupportedElf::NotElf));
    }
}
