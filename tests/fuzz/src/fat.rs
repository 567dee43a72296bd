//! FAT: open, list, read, and edits, on damaged volumes.

use hcimage::fs::FileSystem;
use hcimage::fs::fat::{FatFs, FatOptions};

use crate::disk::Disk;
use crate::fixture::FAT;
use crate::operation::Operation;
use crate::reader::Reader;
use crate::script::Script;
use crate::tree::Tree;

/// See the module.
pub fn run(input: &[u8]) {
    let Some(script) = Script::read(&FAT, &mut Reader::new(input)) else { return };
    let before = script.content();
    let disk = Disk::new(&before, script.image.len);
    let fs = open(&disk);
    assert!(disk.content() == before, "opening changed the image");
    let Ok(fs) = fs else { return };
    let tree = Tree::of(&fs);
    tree.explore(&fs);
    let mut touched = Vec::new();
    // Each operation reads the table and the directories anew, and FAT32 has 65,525 clusters at least.
    let most = if script.image.len > 16 << 20 { 4 } else { usize::MAX };
    let affordable = |operation: &&Operation| !matches!(operation, Operation::Fill(_, 17..));
    for operation in script.operations.iter().filter(affordable).take(most) {
        let _ = operation.apply(&fs, None, &mut touched);
    }
    let edited = Tree::of(&fs);
    tree.assert_kept(&edited, &touched);
    Box::new(fs).finish().expect("a volume that was sound is sound after edits");
    let fs = open(&disk).expect("a finished volume can be opened again");
    assert!(Tree::of(&fs) == edited, "what was read before finishing differs from what is read after it");
    disk.content();
}

fn open(disk: &Disk) -> hcimage::fs::Result<FatFs> {
    FatFs::open(disk.window(), FatOptions { mtime: 1_700_000_000 })
}
