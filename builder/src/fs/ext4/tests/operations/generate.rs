//! Lists of operations from a number.

use super::model::Model;
use super::profiles::Profile;
use super::{Operation, Outcome, TOP, XATTRS};

/// A sequence of numbers (SplitMix64).
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn one_of<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    /// Few names, so that they meet: short and long ones.
    fn name(&mut self) -> String {
        let names = ["a", "b", "c", "d", "é", "with space"].map(str::to_owned);
        match self.below(10) {
            0 => "long".repeat(50),
            1 => format!("name-{}", self.below(30)),
            _ => self.one_of(&names),
        }
    }

    fn fresh_path(&mut self, names: &[String]) -> String {
        let base = if names.is_empty() || self.below(3) == 0 { TOP.to_owned() } else { self.one_of(names) };
        if base.matches('/').count() > 5 { base } else { format!("{base}/{}", self.name()) }
    }

    fn path(&mut self, names: &[String]) -> String {
        if names.is_empty() || self.below(3) == 0 { self.fresh_path(names) } else { self.one_of(names) }
    }

    fn size(&mut self) -> usize {
        match self.below(10) {
            0 => 0,
            1..7 => self.below(6000),
            7 | 8 => self.below(40_000),
            _ => self.below(150_000),
        }
    }

    fn xattr_name(&mut self) -> String {
        self.one_of(&XATTRS).to_owned()
    }

    fn operation(&mut self, names: &[String], profile: &Profile) -> Operation {
        let with = self.below(1 << 20) as u32;
        let at = self.path(names);
        match self.below(46) {
            0..8 => Operation::Write { at: self.fresh_path(names), size: self.size(), with },
            8 => Operation::Write { at, size: self.size(), with },
            9 => Operation::WriteBroken { at, size: self.below(9000) + 1, less: self.below(2) == 0 },
            10..12 => Operation::Replace { at, size: self.size(), with },
            12..15 => Operation::Append { at, size: self.size() + 1, with },
            15..18 => {
                let length = self.one_of(&[1, 30, 50, 53, 54, 200, 900]);
                Operation::Symlink { at: self.path(names), target: format!("/none/{}", "t".repeat(length)) }
            }
            18..21 => Operation::HardLink { from: at, to: self.path(names) },
            21..27 => Operation::Rename { from: at, to: self.path(names) },
            27 | 28 => Operation::Remove { at },
            29 => Operation::RemoveDir { at },
            30 if self.below(3) == 0 => Operation::RemoveTree { at },
            30..36 => Operation::Dir { at: self.fresh_path(names) },
            36 => Operation::Mode { at, mode: self.one_of(&[0, 0o644, 0o4755, 0o2710, 0o1777, 0o6751]) },
            37 => Operation::Owner {
                at,
                uid: self.one_of(&[0, 1000, 65_536, 4_000_000_000]),
                gid: self.one_of(&[0, 65_535, 70_000]),
            },
            38 | 39 => Operation::Times { at, modified: self.stamp(profile) },
            40..43 => {
                let size = self.one_of(&[1, 2, 3, 17, 60, 100, 120, 9000]);
                Operation::SetXattr { at, name: self.xattr_name(), size }
            }
            43 | 44 => Operation::SetAcl {
                at,
                bits: std::array::from_fn(|_| self.below(8) as u16),
                user: self.one_of(&[1, 1000, 70_000]),
            },
            _ => Operation::RemoveXattr { at, name: self.xattr_name() },
        }
    }

    /// Inodes of 128 bytes have whole seconds, and not all of them.
    fn stamp(&mut self, profile: &Profile) -> (i64, u32) {
        if profile.inode == 128 {
            return (self.one_of(&[0, -5, 1_234_567_890, 2_147_483_647]), 0);
        }
        let seconds = self.one_of(&[0, -5, 1_234_567_890, 2_147_483_647, 2_147_483_648, 9_000_000_000]);
        (seconds, self.one_of(&[0, 1, 999_999_999, 123_456_789]))
    }
}

/// `count` operations with what each must come to, and the tree after them.
pub(super) fn list(
    seed: u64,
    count: usize,
    profile: &Profile,
    model: &mut Model,
) -> Vec<(Operation, Outcome)> {
    let mut random = Random::new(seed);
    let mut list = Vec::new();
    while list.len() < count {
        let names = model.names();
        // As many as the smallest of the file systems holds.
        let operation = match random.operation(&names, profile) {
            Operation::Write { at, .. } | Operation::Dir { at } if names.len() > 120 => {
                Operation::RemoveTree { at: at.split('/').take(3).collect::<Vec<_>>().join("/") }
            }
            operation => operation,
        };
        if matches!(&operation, Operation::Dir { at } if model.passes_link(at)) {
            continue;
        }
        let outcome = model.apply(&operation);
        list.push((operation, outcome));
    }
    list
}
