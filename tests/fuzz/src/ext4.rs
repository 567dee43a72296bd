//! ext4: open, resolve, list, read, and edits, on damaged file systems.

use hcimage::fs::FileSystem;
use hcimage::fs::ext4::{Content, Ext4, Ext4Options, Planned};

use crate::disk::Disk;
use crate::fixture::EXT4;
use crate::operation::Operation;
use crate::reader::Reader;
use crate::script::Script;
use crate::sparse::Sparse;
use crate::tree::Tree;

/// The flag of inputs whose checksums are made right after the damage.
const SEALED: u8 = 1;
/// The flag of inputs whose journal is replayed.
const REPLAY: u8 = 2;
const NOW: i64 = 1_700_000_000;

/// See the module.
pub fn run(input: &[u8]) {
    let _ = edited(input);
}

/// An image before and after edits that were reported as done.
pub struct Edited {
    len: u64,
    before: Sparse,
    after: Sparse,
}

impl Edited {
    /// The changed fixture.
    pub fn before(&self) -> Vec<u8> {
        self.before.dense(self.len)
    }

    /// The same when all was finished.
    pub fn after(&self) -> Vec<u8> {
        self.after.dense(self.len)
    }
}

/// Runs an input; the answer is for whoever wants another judge to see the images.
pub fn edited(input: &[u8]) -> Option<Edited> {
    let script = Script::read(&EXT4, &mut Reader::new(input))?;
    let (before, len) = (script.sealed(SEALED), script.image.len);
    let disk = Disk::new(&before, len);
    read_only(&disk, &before);
    let fs = open_to_edit(&disk, &before, script.flags & REPLAY != 0)?;
    let after = edit(&disk, fs, &script.operations);
    Some(Edited { len, before, after })
}

/// What an input says, for a person, and the damaged image.
pub fn show(input: &[u8]) -> Option<(String, Vec<u8>)> {
    let script = Script::read(&EXT4, &mut Reader::new(input))?;
    Some((script.to_string(), script.sealed(SEALED).dense(script.image.len)))
}

/// Opens and reads everything; no byte changes.
fn read_only(disk: &Disk, before: &Sparse) {
    if let Ok(fs) = open(disk, false, false) {
        Tree::of(&fs).explore(&fs);
    }
    assert!(disk.content() == *before, "reading changed the image");
}

/// Opens for writing; a refusal changes nothing.
fn open_to_edit(disk: &Disk, before: &Sparse, replay: bool) -> Option<Ext4> {
    let opened = open(disk, true, replay);
    if opened.is_err() {
        assert!(disk.content() == *before, "a refused file system changed");
    }
    opened.ok()
}

/// Edits, and finishes; tells the content then.
fn edit(disk: &Disk, fs: Ext4, operations: &[Operation]) -> Sparse {
    let tree = Tree::of(&fs);
    let _ = fs.need(operations.iter().filter_map(planned));
    let mut touched = Vec::new();
    for operation in operations {
        let _ = operation.apply(&fs, Some(&fs), &mut touched);
    }
    let edited = Tree::of(&fs);
    tree.assert_kept(&edited, &touched);
    let finished = Box::new(fs).finish();
    let after = disk.content();
    finished.expect("a file system that was sound is sound after edits");
    let fs = open(disk, true, false).expect("a finished file system can be opened again");
    assert!(Tree::of(&fs) == edited, "what was read before finishing differs from what is read after it");
    after
}

fn open(disk: &Disk, writable: bool, replay: bool) -> hcimage::fs::Result<Ext4> {
    Ext4::open(disk.window(), Ext4Options { now: NOW, writable, replay })
}

fn planned(operation: &Operation) -> Option<Planned> {
    let (path, content) = match operation {
        Operation::Write(path, bytes, _) => (path, Content::File { size: bytes.len() as u64 }),
        Operation::Symlink(path, target, _) => (path, Content::Symlink { target: target.len() as u64 }),
        Operation::Dirs(path, _) => (path, Content::Dir),
        _ => return None,
    };
    Some(Planned { path: path.clone(), content })
}
