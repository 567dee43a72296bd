//! MBR and GPT: reading them, and growing the last partition.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crc::{CRC_32_ISO_HDLC, Crc};
use hcimage::disk::{ByteSize, DiskError, PartitionTable, SECTOR, Window, grow_last, order_for_firmware};

use crate::fixture::TABLES;
use crate::reader::Reader;
use crate::script::Script;
use crate::sparse::Sparse;

const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);

/// See the module.
pub fn run(input: &[u8]) {
    let mut reader = Reader::new(input);
    let Some((number, size)) = reader.u8().zip(reader.u32()) else { return };
    let Some(script) = Script::read(&TABLES, &mut reader) else { return };
    let mut content = script.content();
    if script.flags & 1 != 0 {
        seal(&mut content, script.image.len);
    }
    let file = Arc::new(tempfile::tempfile().expect("making a scratch file"));
    file.set_len(script.image.len).expect("sizing the scratch file");
    content.put(&file, 0, script.image.len);
    let before = read(&file);
    assert!(Sparse::of_file(&file, 0, script.image.len) == content, "reading changed the image");
    // Up to 2 TiB and beyond, where the numbers of MBR end; or near the size that is there.
    let size = match script.flags >> 1 & 3 {
        0 => u64::from(size),
        1 => u64::from(size) * SECTOR,
        2 => u64::from(size) << 20,
        _ => script.image.len + u64::from(size % 1024) * SECTOR,
    };
    let number = u32::from(number % 18);
    let grown = grow_last(&file, number, ByteSize(size));
    check_growth(&file, &script, &content, before, number, size, grown);
    check_order(&file);
}

/// Whatever a hybrid MBR holds, Linux sees the same partitions once it is in order, and there is nothing more to do.
fn check_order(file: &Arc<File>) {
    let before = read(file);
    let mut sectors = [[0; 512]; 2];
    let mut read_first = |which: usize| file.read_exact_at(&mut sectors[which], 0);
    read_first(0).expect("reading the scratch file");
    let ordered = order_for_firmware(file);
    read_first(1).expect("reading the scratch file");
    match ordered {
        Ok(true) => {
            assert_eq!(read(file), before);
            assert!(!order_for_firmware(file).expect("it is in order"), "it was put in order twice");
        }
        Ok(false) | Err(_) => assert_eq!(sectors[0], sectors[1]),
    }
}

/// Reads the table and holds it to its promises.
fn read(file: &Arc<File>) -> Option<PartitionTable> {
    let image = Window::whole(Arc::clone(file)).expect("a window");
    let table = PartitionTable::read(&image).ok()?;
    for partition in &table.partitions {
        assert!(partition.size.0 > 0 && partition.start.0 > 0 && partition.end().0 <= image.len());
        assert_eq!(partition.window(&image).expect("it lies inside").len(), partition.size.0);
        let _ = table.partuuid(partition.number);
        for other in table.partitions.iter().filter(|other| *other != partition) {
            assert!(other.end() <= partition.start || partition.end() <= other.start, "{table:?}");
        }
    }
    Some(table)
}

fn check_growth(
    file: &Arc<File>,
    script: &Script,
    content: &Sparse,
    before: Option<PartitionTable>,
    number: u32,
    size: u64,
    grown: Result<ByteSize, DiskError>,
) {
    let len = file.metadata().expect("asking for the size").len();
    let grown = match grown {
        Ok(grown) => grown,
        Err(DiskError::Io { .. }) => return,
        Err(error) => {
            let same = len == script.image.len && Sparse::of_file(file, 0, len) == *content;
            assert!(same, "a refusal changed the image: {error}");
            return;
        }
    };
    assert_eq!(len, size);
    let before = before.expect("only a table that can be read can be grown");
    let after = read(file).expect("a grown table can be read");
    assert_eq!(before.kind, after.kind);
    assert_eq!(before.partitions.len(), after.partitions.len());
    for (old, new) in before.partitions.iter().zip(&after.partitions) {
        if new.number == number {
            assert_eq!(new.size, grown);
            assert!(new.size >= old.size, "{old:?} became {new:?}");
        }
        let size = if new.number == number { grown } else { old.size };
        let mut want = old.clone();
        want.size = size;
        assert_eq!(*new, want);
    }
    // Boot code, and the partitions' bytes.
    for old in &before.partitions {
        let mut now = vec![0; usize::try_from(old.size.0).expect("a small fixture")];
        file.read_exact_at(&mut now, old.start.0).expect("reading the scratch file");
        assert!(now == content.read(old.start.0, now.len()), "growing changed partition {}", old.number);
    }
}

/// Makes the checksums of a GPT right, where its sizes make any sense: damage has to get past them.
fn seal(content: &mut Sparse, len: u64) {
    for header in [SECTOR, len - SECTOR] {
        let mut bytes = content.read(header, 512);
        let number = |at: usize, width: usize| {
            let mut number = [0; 8];
            number[..width].copy_from_slice(&bytes[at..at + width]);
            u64::from_le_bytes(number)
        };
        let (entries, count, size) = (number(72, 8), number(80, 4), number(84, 4));
        let array = count.checked_mul(size).filter(|array| *array <= len);
        let place = entries.checked_mul(SECTOR).filter(|place| *place <= len);
        if let Some((place, array)) = place.zip(array) {
            let array = content.read(place, usize::try_from(array).expect("within the fixture"));
            bytes[88..92].copy_from_slice(&CRC.checksum(&array).to_le_bytes());
        }
        bytes[16..20].fill(0);
        let sum = CRC.checksum(&bytes[..92]);
        bytes[16..20].copy_from_slice(&sum.to_le_bytes());
        content.write(header, &bytes);
    }
}
