//! An input of the image targets: which fixture, what is changed in it, what is done with it.

use std::fmt;

use crate::change::Change;
use crate::fixture::{Fixture, Image, pick};
use crate::operation::Operation;
use crate::reader::Reader;
use crate::seal::seal;
use crate::sparse::Sparse;

/// Changes and operations at most: more only makes a run slower.
const MOST: usize = 32;

/// A decoded input.
pub(crate) struct Script {
    pub(crate) image: &'static Image,
    /// Bits for the target's own use.
    pub(crate) flags: u8,
    changes: Vec<Change>,
    pub(crate) operations: Vec<Operation>,
}

impl Script {
    /// Every input is a script; one that ends in the middle of something ends before it.
    pub(crate) fn read(fixtures: &'static [Fixture], input: &mut Reader<'_>) -> Option<Self> {
        let (image, flags) = (pick(fixtures, input.u8()?), input.u8()?);
        let mut script = Self { image, flags, changes: Vec::new(), operations: Vec::new() };
        while let Some(()) = script.step(input) {}
        Some(script)
    }

    /// The low half of a byte says what comes, the high half is a detail of it.
    fn step(&mut self, input: &mut Reader<'_>) -> Option<()> {
        let byte = input.u8()?;
        let (kind, detail) = (byte & 15, byte >> 4);
        match kind.checked_sub(Change::KINDS) {
            None => self.changes.push(Change::read(kind, detail, input)?),
            Some(kind) => self.operations.push(Operation::read(kind, detail, input)?),
        }
        (self.changes.len() < MOST && self.operations.len() < MOST).then_some(())
    }

    /// The fixture with its changes; checksums are not made right.
    pub(crate) fn content(&self) -> Sparse {
        let mut content = self.image.content.clone();
        for change in &self.changes {
            change.apply(self.image, &mut content);
        }
        content.normal()
    }
}

impl Script {
    /// As [`Script::content`] for ext4: with checksums made right where `flag` is set.
    pub(crate) fn sealed(&self, flag: u8) -> Sparse {
        let mut content = self.content();
        if self.flags & flag != 0 {
            seal(&mut content, self.image.len);
            content = content.cut(self.image.len);
        }
        content
    }
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "fixture {}, flags {:#x}", self.image.name, self.flags)?;
        self.changes.iter().try_for_each(|change| writeln!(f, "{}", change.text(self.image)))?;
        self.operations.iter().try_for_each(|operation| writeln!(f, "{operation:?}"))
    }
}
