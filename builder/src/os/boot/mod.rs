//! How an image boots: all that its boot loader, its kernel's arguments and its fstab name, followed to partitions and
//! files of this very image.
//!
//! Pure over [`Facts`]: which of the named files exist was asked when the image was probed. The modules are the links of
//! the chain in its order: `firmware` (of a Raspberry Pi) or `grub`, `arguments` (of the kernel), `mounts`. `device` says
//! which partition a name leads to, and `waits` what would keep the system waiting.

mod arguments;
mod device;
mod firmware;
mod grub;
mod hardware;
mod mounts;
mod waits;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::fs::{FsError, ImagePath};

use super::facts::{Bootloader, Facts};
use super::image::PartitionRole;
use super::tree::Tree;

pub(in crate::os) use firmware::all_settings;
pub(in crate::os) use grub::STUBS;
pub use hardware::{Hardware, Medium};
pub(in crate::os) use waits::OVERLAYROOT_PATHS;
pub use waits::{Wait, waits};

/// A partition, and every name by which Linux finds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionNames {
    /// Its number in the table.
    pub number: u32,
    /// What the system uses it for; none for a partition that hcimage does not use.
    pub role: Option<PartitionRole>,
    /// The type of its file system, as in fstab: `ext4`, `vfat`, `swap`.
    pub fstype: Option<String>,
    /// The UUID of its file system: `ABCD-1234` on FAT.
    pub uuid: Option<String>,
    /// The label of its file system.
    pub label: Option<String>,
    /// `1234abcd-02` on MBR, a GUID on GPT.
    pub partuuid: Option<String>,
    /// Its name in a GPT.
    pub partlabel: Option<String>,
}

/// A link of the chain: what a text names, and where that leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootStep {
    /// What it is for: `kernel`, `root`.
    pub what: &'static str,
    /// The file, with the line where there are several.
    pub place: String,
    /// What it says there.
    pub says: String,
    /// Where that leads.
    pub leads: Leads,
}

/// Where a link of the chain leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leads {
    /// To this.
    To(String),
    /// It depends on what is not known, such as the medium.
    Unsure(Fault),
    /// To nothing that could become a node.
    Nowhere(Fault),
}

/// What is wrong, and what helps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The cause, without a full stop.
    pub cause: String,
    /// The fix, likewise.
    pub hint: String,
}

impl Leads {
    fn nowhere(cause: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Nowhere(Fault { cause: cause.into(), hint: hint.into() })
    }

    fn unsure(cause: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Unsure(Fault { cause: cause.into(), hint: hint.into() })
    }

    /// What is certainly wrong is only possibly so where the line itself may not count.
    fn if_certain(self, certain: bool) -> Self {
        match self {
            Self::Nowhere(fault) if !certain => Self::Unsure(fault),
            other => other,
        }
    }
}

impl fmt::Display for BootStep {
    /// The place, what it says and what is wrong, for an error or a warning.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ", printable(&self.place), self.quoted())?;
        match &self.leads {
            Leads::To(target) => write!(f, "leads to {}", printable(target)),
            Leads::Unsure(fault) | Leads::Nowhere(fault) => fault.fmt(f),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", printable(&self.cause), printable(&self.hint))
    }
}

/// A command line may have two thousand characters; what is meant is known by its beginning.
const LONGEST: usize = 100;

impl BootStep {
    /// What the file says, in quotes and as far as it can be shown.
    pub fn quoted(&self) -> String {
        let end = self.says.char_indices().nth(LONGEST).map(|(end, _)| end);
        match end.and_then(|end| self.says.get(..end)) {
            Some(beginning) => format!("{:?}", format!("{beginning}...")),
            None => format!("{:?}", self.says),
        }
    }
}

/// Texts of an image may hold what a terminal would obey.
fn printable(text: &str) -> String {
    let show = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(show).collect()
}

/// The chain on a board; without one, for all boards that could have the image.
pub fn boot_chain(facts: &Facts, board: Option<Hardware<'_>>) -> Vec<BootStep> {
    Chain { facts, board, exists: &|path| facts.boot_files.contains(path) }.steps()
}

/// Which of the files that the chain names exist, whatever the board.
pub(super) fn named_files(tree: &Tree, facts: &Facts) -> Result<BTreeSet<ImagePath>, FsError> {
    let (found, failed) = (RefCell::new(BTreeSet::new()), RefCell::new(None));
    let exists = |path: &ImagePath| {
        let exists = tree.exists(path).unwrap_or_else(|error| {
            // A link that leads out of the image leads to no file.
            if !matches!(error, FsError::BadPath { .. }) {
                failed.borrow_mut().get_or_insert(error);
            }
            false
        });
        if exists {
            found.borrow_mut().insert(path.clone());
        }
        exists
    };
    Chain { facts, board: None, exists: &exists }.steps();
    failed.into_inner().map_or_else(|| Ok(found.into_inner()), Err)
}

/// What the chain is followed with.
struct Chain<'a> {
    facts: &'a Facts,
    board: Option<Hardware<'a>>,
    exists: &'a dyn Fn(&ImagePath) -> bool,
}

/// Whether the kernel gets an initramfs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Initramfs {
    Present,
    Absent,
}

impl Chain<'_> {
    fn steps(&self) -> Vec<BootStep> {
        let mut steps = match &self.facts.bootloader {
            Bootloader::PiFirmware { .. } => self.firmware(),
            Bootloader::Grub { config } => self.grub(config),
        };
        steps.extend(self.overlay());
        steps.extend(self.mounts());
        steps
    }

    fn text(&self, path: &ImagePath) -> &str {
        self.facts.files.text(path).ok().flatten().unwrap_or_default()
    }

    /// A path that a text names exists; one that is no path does not.
    fn is_there(&self, path: &str) -> bool {
        ImagePath::parse(path).is_ok_and(|path| (self.exists)(&path))
    }

    fn partition(&self, role: PartitionRole) -> Option<&PartitionNames> {
        self.facts.partitions.iter().find(|partition| partition.role == Some(role))
    }
}
