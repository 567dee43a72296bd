//! Growth of damaged ext4 file systems.

use hcimage::disk::ByteSize;
use hcimage::fs::ext4::resize::{grow, limit, size_for};
use hcimage::fs::ext4::{Ext4, Ext4Options};
use hcimage::fs::{FileSystem, FsError, Space};

use crate::disk::Disk;
use crate::fixture::EXT4;
use crate::reader::Reader;
use crate::script::Script;
use crate::tree::Tree;

/// How far a partition grows at most, in bytes: enough for several groups of every fixture.
const MOST: u64 = 24 << 20;
/// What an earlier life of the partition has left behind its file system.
const LEFT_OVER: [u8; 4096] = [0x5a; 4096];

/// Flags: something is left behind the file system, room is asked for, checksums are made right after the damage.
const LEFT_OVERS: u8 = 1;
const ROOM: u8 = 2;
const SEALED: u8 = 4;

/// See the module.
pub fn run(input: &[u8]) {
    let mut reader = Reader::new(input);
    let Some((first, second)) = reader.u16().zip(reader.u16()) else { return };
    let Some(script) = Script::read(&EXT4, &mut reader) else { return };
    let (mut content, old) = (script.sealed(SEALED), script.image.len);
    let sizes = [first, second].map(|size| old + u64::from(size) * (MOST / u64::from(u16::MAX)));
    let len = sizes[0].max(sizes[1]);
    if script.flags & LEFT_OVERS != 0 {
        (old..len).step_by(LEFT_OVER.len() * 16).for_each(|at| content.write(at, &LEFT_OVER));
    }
    let disk = Disk::new(&content, len);
    if script.flags & ROOM != 0 {
        room(&Disk::new(&content, len), u64::from(first) * 512);
    }
    for to in sizes {
        step(&disk, ByteSize(to));
    }
    // What was grown can be edited.
    if let Ok(fs) = open(&disk) {
        for operation in &script.operations {
            let _ = operation.apply(&fs, Some(&fs), &mut Vec::new());
        }
        let _ = Box::new(fs).finish();
    }
    disk.content();
}

/// Grows once. A refusal changes nothing; growth keeps what is there, and what was sound stays so.
fn step(disk: &Disk, to: ByteSize) {
    let before = disk.content();
    let sound = open(disk).ok().map(|fs| (Tree::of(&fs), fs.space().expect("a sound one has space")));
    assert!(disk.content() == before, "looking changed the image");
    let limit = limit(&disk.window());
    match grow(&disk.window(), to) {
        Ok(grown) => {
            let size = grown.new_blocks * u64::from(grown.block_size);
            assert!(size <= to.0, "{grown:?} is larger than {to}");
            assert!(size <= limit.expect("what can be grown has a limit").0, "{grown:?} is beyond the limit");
            if let Some((tree, space)) = sound {
                let fs = open(disk).expect("what was sound before growing is sound after");
                assert_eq!(fs.size_bytes(), size);
                tree.assert_kept(&Tree::of(&fs), &[]);
                let now = fs.space().expect("a sound one has space");
                assert!(now.bytes >= space.bytes && now.inodes >= space.inodes, "{space:?} became {now:?}");
            }
        }
        Err(FsError::Io { .. }) => {}
        Err(error) => assert!(disk.content() == before, "a refusal changed the image: {error}"),
    }
}

/// The size for some room has that room.
fn room(disk: &Disk, bytes: u64) {
    let wanted = Space { bytes, inodes: bytes / 4096 };
    let window = disk.window();
    let Ok(size) = size_for(&window, wanted) else { return };
    if size.0 > window.len() || open(disk).is_err() || grow(&window, size).is_err() {
        return;
    }
    let space = open(disk).and_then(|fs| fs.space()).expect("what was sound before growing is sound after");
    assert!(
        space.bytes >= wanted.bytes && space.inodes >= wanted.inodes,
        "{wanted:?} was asked for, {size} has {space:?}"
    );
}

fn open(disk: &Disk) -> hcimage::fs::Result<Ext4> {
    Ext4::open(disk.window(), Ext4Options { now: 1_700_000_000, writable: true, replay: false })
}
