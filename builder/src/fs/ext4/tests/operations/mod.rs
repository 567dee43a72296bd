//! Random lists of operations, done by a model in memory, by us and by the kernel, and the trees compared.
//!
//! A list follows from a number; a test that fails prints it. To run that one alone, and with a debugger:
//!
//! ```text
//! HCIMAGE_EXT4_SEED=17 cargo test -p hcimage --lib fs::ext4::tests::operations
//! ```

mod against_kernel;
mod against_model;
mod by_debugfs;
mod by_kernel;
mod by_us;
mod generate;
mod model;
mod profiles;

use std::collections::BTreeMap;

pub(super) use self::by_kernel::Mounted;
use super::image::noise;

/// Everything happens below this directory.
const TOP: &str = "/srv";

/// Seconds and nanoseconds.
type Stamp = (i64, u32);

/// One operation. Sizes are in bytes; content follows from its size and a number.
#[derive(Debug, Clone)]
enum Operation {
    Write {
        at: String,
        size: usize,
        with: u32,
    },
    /// The reader gives one byte less or more than it has announced.
    WriteBroken {
        at: String,
        size: usize,
        less: bool,
    },
    Replace {
        at: String,
        size: usize,
        with: u32,
    },
    Append {
        at: String,
        size: usize,
        with: u32,
    },
    Symlink {
        at: String,
        target: String,
    },
    HardLink {
        from: String,
        to: String,
    },
    Rename {
        from: String,
        to: String,
    },
    Remove {
        at: String,
    },
    RemoveDir {
        at: String,
    },
    RemoveTree {
        at: String,
    },
    Dir {
        at: String,
    },
    Mode {
        at: String,
        mode: u16,
    },
    Owner {
        at: String,
        uid: u32,
        gid: u32,
    },
    Times {
        at: String,
        modified: Stamp,
    },
    SetXattr {
        at: String,
        name: String,
        size: usize,
    },
    SetAcl {
        at: String,
        bits: [u16; 5],
        user: u32,
    },
    RemoveXattr {
        at: String,
        name: String,
    },
}

/// What an operation comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Done,
    NotFound,
    Refused,
}

/// What is under one name, seen by any of them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    what: What,
    mode: u16,
    uid: u32,
    gid: u32,
    links: u64,
    modified: Stamp,
    xattrs: BTreeMap<String, Vec<u8>>,
    /// The first of the names that this file has.
    first_name: String,
}

#[derive(Clone, PartialEq, Eq)]
enum What {
    Dir,
    File(Vec<u8>),
    Link(String),
}

impl std::fmt::Debug for What {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Dir => f.write_str("folder"),
            Self::File(bytes) => write!(f, "file of {} bytes", bytes.len()),
            Self::Link(target) => write!(f, "link to {target:?}"),
        }
    }
}

/// All names below [`TOP`], and itself.
type Sight = BTreeMap<String, Seen>;

/// A tree as it was read, with inodes, before the hard links are put together.
#[derive(Default)]
struct Gathered {
    sight: Sight,
    first: BTreeMap<u64, String>,
}

impl Gathered {
    /// Names must come in their order.
    fn add(&mut self, name: String, inode: u64, mut seen: Seen) {
        seen.first_name = self.first.entry(inode).or_insert_with(|| name.clone()).clone();
        self.sight.insert(name, seen);
    }

    fn sorted(names: BTreeMap<String, (u64, Seen)>) -> Sight {
        let mut gathered = Self::default();
        names.into_iter().for_each(|(name, (inode, seen))| gathered.add(name, inode, seen));
        gathered.sight
    }
}

#[track_caller]
fn assert_same(got: &Sight, want: &Sight, who: &str) {
    let names = |sight: &Sight| sight.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(got), names(want), "{who}: names");
    for (name, want) in want {
        assert_eq!(&got[name], want, "{who}: {name}");
    }
}

/// The value of an attribute: never text, so that debugfs prints it in full.
fn xattr_value(name: &str, size: usize) -> Vec<u8> {
    let mut value = noise(size, name.len() as u32 + size as u32);
    value[0] = 1;
    value
}

/// An access control list in the form of programs: owner, one user, group, mask, others.
fn acl_value(bits: [u16; 5], user: u32) -> Vec<u8> {
    let mut value = vec![2, 0, 0, 0];
    for ((tag, id), bits) in
        [(1_u16, u32::MAX), (2, user), (4, u32::MAX), (16, u32::MAX), (32, u32::MAX)].into_iter().zip(bits)
    {
        value.extend(tag.to_le_bytes());
        value.extend(bits.to_le_bytes());
        value.extend(id.to_le_bytes());
    }
    value
}

/// Attributes that are set.
const XATTRS: [&str; 5] = ["user.a", "user.zz", "user.longer-name", "trusted.t", "security.hc"];
const ACL: &str = "system.posix_acl_access";

/// Prints what must be known to run the same again, if the test fails.
struct Tell(String);

impl Drop for Tell {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to run this again: {}", self.0);
        }
    }
}
