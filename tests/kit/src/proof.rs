//! What a test has proved of a base on a board, kept for the table in the README: `make support-table` reads it.

use std::fs;
use std::path::PathBuf;

use crate::base::root;

/// What was proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Its image was built, and judged by the checkers and by the programs that read its files.
    Edited,
    /// Its image booted in QEMU, and its node became Ready at its configured address.
    Booted,
    /// It was refused, with the reason.
    Refused,
}

/// A proof that is being attempted. Dropped before it [holds](Proof::holds), as by a test that fails, it leaves nothing,
/// not even what an earlier run proved.
#[derive(Debug)]
pub struct Proof(PathBuf);

impl Proof {
    pub fn begin(level: Level, base: &str, board: &str) -> Self {
        let path = |level: &str| root().join("target/proofs").join(level).join(base).join(board);
        let (here, against) = match level {
            Level::Edited => ("edited", "refused"),
            Level::Booted => ("booted", "refused"),
            Level::Refused => ("refused", "edited"),
        };
        // They are not there at the first run.
        let _ = fs::remove_file(path(here));
        let _ = fs::remove_file(path(against));
        Self(path(here))
    }

    pub fn holds(self) {
        fs::create_dir_all(self.0.parent().expect("a directory above"))
            .expect("making a directory for the proof");
        fs::write(&self.0, "").expect("keeping the proof");
    }
}
