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

/// How far an overlay was proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverlayLevel {
    /// What it renders passes the schemas of Kubernetes.
    Schemas,
    /// Real programs ran with the settings or scripts that it renders.
    Programs,
    /// A node or cluster with it booted in QEMU, and firstboot saw its promises kept by the stand-in for k3s.
    Booted,
    /// Its objects were applied to a real control plane, and removed again.
    ControlPlane,
    /// Its charts took its values.
    Charts,
    /// Its pods ran on a real kubelet and containerd.
    Node,
}

impl OverlayLevel {
    fn name(self) -> &'static str {
        match self {
            Self::Schemas => "schemas",
            Self::Programs => "programs",
            Self::Booted => "booted",
            Self::ControlPlane => "control-plane",
            Self::Charts => "charts",
            Self::Node => "node",
        }
    }
}

impl Proof {
    /// As [`Proof::begin`], for an overlay.
    pub fn of_overlay(level: OverlayLevel, overlay: &str) -> Self {
        let path = root().join("target/proofs/overlays").join(level.name()).join(overlay);
        // It is not there at the first run.
        let _ = fs::remove_file(&path);
        Self(path)
    }
}
