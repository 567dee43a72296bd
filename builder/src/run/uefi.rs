//! UEFI firmware for a machine: OVMF, as Debian, Ubuntu and Fedora install it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::arch::Arch;
use crate::board::{Board, BootMethod};
use crate::exit_class::{Classified, ExitClass};

use super::machine::escaped;
use super::vm::{VmError, io_error};

/// Code and empty variable store, by distribution. Both must be of one size, so they are looked for together.
const PLACES: [(&str, &str); 3] = [
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
];

/// Why a machine has no UEFI.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum UefiError {
    /// The board starts in another way, or no firmware for QEMU is known here.
    #[error("the board {board} does not start by UEFI here: only amd64 boards with GRUB do")]
    Board {
        /// The board.
        board: String,
    },
    /// The firmware is not installed.
    #[error("there is no OVMF in /usr/share; on Debian: apt install ovmf")]
    Missing,
}

impl Classified for UefiError {
    fn class(&self) -> Option<ExitClass> {
        match self {
            Self::Board { .. } => Some(ExitClass::Usage),
            Self::Missing => None,
        }
    }
}

/// Gives the machine the firmware, and a variable store of its own in the directory `files`.
pub(super) fn plug_in(command: &mut Command, board: &Board, files: &Path) -> Result<(), VmError> {
    let (code, empty) = find(board, Path::new("/"))?;
    let variables = files.join("uefi-variables");
    fs::copy(&empty, &variables).map_err(io_error("copying UEFI's variable store"))?;
    for (file, access) in [(&code, ",readonly=on"), (&variables, "")] {
        let file = escaped(file);
        command.arg("-drive").arg(format!("if=pflash,format=raw{access},file={file}"));
    }
    Ok(())
}

/// Whether a machine for the board can start by UEFI on this computer.
///
/// # Errors
/// Where the board does not, or no firmware is installed.
pub fn check(board: &Board) -> Result<(), UefiError> {
    find(board, Path::new("/")).map(|_| ())
}

/// The board's firmware in the file system below `root`.
fn find(board: &Board, root: &Path) -> Result<(PathBuf, PathBuf), UefiError> {
    if (board.architecture, board.boot) != (Arch::X86_64, BootMethod::Grub) {
        return Err(UefiError::Board { board: board.name.clone() });
    }
    let below = |path: &str| root.join(path.trim_start_matches('/'));
    PLACES
        .iter()
        .map(|(code, variables)| (below(code), below(variables)))
        .find(|(code, variables)| code.is_file() && variables.is_file())
        .ok_or(UefiError::Missing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::Boards;

    #[test]
    fn code_and_variables_are_found_together_or_not_at_all() {
        let boards = Boards::load(None).unwrap();
        let (pc, root) = (boards.get("pc").unwrap(), tempfile::tempdir().unwrap());
        assert_eq!(find(pc, root.path()), Err(UefiError::Missing));
        let dir = root.path().join("usr/share/OVMF");
        fs::create_dir_all(&dir).unwrap();
        for file in ["OVMF_CODE_4M.fd", "OVMF_CODE.fd", "OVMF_VARS.fd"] {
            fs::write(dir.join(file), file).unwrap();
        }
        assert_eq!(find(pc, root.path()), Ok((dir.join("OVMF_CODE.fd"), dir.join("OVMF_VARS.fd"))));
    }

    #[test]
    fn a_board_that_starts_in_another_way_is_refused() {
        let boards = Boards::load(None).unwrap();
        for name in ["cm4", "pc-arm64"] {
            let error = find(boards.get(name).unwrap(), Path::new("/")).unwrap_err();
            assert!(
                error.to_string().contains(&format!("the board {name} does not start by UEFI")),
                "{error}"
            );
        }
    }
}
