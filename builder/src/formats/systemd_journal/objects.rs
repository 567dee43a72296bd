//! Where things are in a journal file: the header, and objects by their offsets. Numbers are little-endian.

use std::collections::BTreeSet;

use super::JournalError;

const SIGNATURE: &[u8; 8] = b"LPKSHHRH";
/// The header of the first version; later ones are longer.
const SMALLEST_HEADER: u64 = 208;
/// Type, flags, six reserved bytes, size.
const OBJECT_HEADER: u64 = 16;

/// Types of objects.
const DATA: u8 = 1;
const ENTRY: u8 = 3;
const ENTRY_ARRAY: u8 = 6;

/// `incompatible_flags`: compression by XZ, LZ4 or zstd, keyed hashes, the compact form.
const KNOWN: u32 = 1 | 2 | 4 | 8 | COMPACT;
const COMPACT: u32 = 16;

/// Bytes before the items of an entry and of an array, and before the payload of data (`compact` has eight more).
const ENTRY_HEAD: u64 = 64;
const ARRAY_HEAD: u64 = 24;
const DATA_HEAD: u64 = 64;

/// The bytes of a file with a sound header.
#[derive(Debug)]
pub(super) struct Objects<'a> {
    bytes: &'a [u8],
    compact: bool,
    first: u64,
    first_array: u64,
}

/// An object that lies in the file.
struct Object<'a> {
    kind: u8,
    flags: u8,
    /// With its header.
    bytes: &'a [u8],
    end: u64,
}

/// An entry as it is stored.
pub(super) struct RawEntry {
    pub(super) realtime: u64,
    pub(super) boot: [u8; 16],
    /// Offsets of its data.
    pub(super) data: Vec<u64>,
}

/// The payload of a data object.
pub(super) struct Data<'a> {
    /// The object's flags: how it is compressed.
    pub(super) flags: u8,
    pub(super) payload: &'a [u8],
}

impl<'a> Objects<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, JournalError> {
        if !bytes.starts_with(SIGNATURE) {
            return Err(JournalError::NotAJournal);
        }
        let number = |at| u64_at(bytes, at).ok_or(JournalError::NotAJournal);
        let flags = u32_at(bytes, 12).ok_or(JournalError::NotAJournal)?;
        if flags & !KNOWN != 0 {
            return Err(JournalError::Unsupported(flags));
        }
        let first = number(88)?;
        if first < SMALLEST_HEADER || !first.is_multiple_of(8) || first > size_of(bytes) {
            return Err(JournalError::NotAJournal);
        }
        Ok(Self { bytes, compact: flags & COMPACT != 0, first, first_array: number(176)? })
    }

    /// Offsets of all entries, in the order in which they were written: from the arrays that list them, and from a walk
    /// over all objects.
    pub(super) fn entries(&self) -> BTreeSet<u64> {
        let mut found = BTreeSet::new();
        self.by_arrays(&mut found);
        self.by_walk(&mut found);
        found
    }

    /// Arrays are made one after the other, so each lies behind the one before; a chain that does not ends here. No byte of
    /// the file is read for two arrays.
    fn by_arrays(&self, found: &mut BTreeSet<u64>) {
        let (mut next, mut least) = (self.first_array, self.first);
        while next >= least {
            let Some(array) = self.object(next).filter(|object| object.kind == ENTRY_ARRAY) else { return };
            let items = self.items(&array, ARRAY_HEAD, 8);
            // What journald has not used yet is zero.
            found.extend(items.take_while(|offset| *offset != 0).filter(|offset| self.is_entry(*offset)));
            least = array.end;
            next = u64_at(array.bytes, 16).unwrap_or_default();
        }
    }

    fn by_walk(&self, found: &mut BTreeSet<u64>) {
        let mut next = self.first;
        while let Some(object) = self.object(next) {
            if object.kind == ENTRY {
                found.insert(next);
            }
            next = object.end;
        }
    }

    fn is_entry(&self, offset: u64) -> bool {
        self.object(offset).is_some_and(|object| object.kind == ENTRY)
    }

    pub(super) fn entry(&self, offset: u64) -> Option<RawEntry> {
        let object = self.object(offset).filter(|object| object.kind == ENTRY)?;
        let data = self.items(&object, ENTRY_HEAD, 16).take(super::MOST_FIELDS).collect();
        let realtime = u64_at(object.bytes, 24)?;
        let boot = object.bytes.get(40..56)?.first_chunk().copied()?;
        Some(RawEntry { realtime, boot, data })
    }

    pub(super) fn data(&self, offset: u64) -> Option<Data<'a>> {
        let object = self.object(offset).filter(|object| object.kind == DATA)?;
        let head = if self.compact { DATA_HEAD + 8 } else { DATA_HEAD };
        let payload = object.bytes.get(usize::try_from(head).ok()?..)?;
        Some(Data { flags: object.flags, payload })
    }

    /// The offsets in an object behind its head, each in `regular` bytes, or in four in the compact form.
    fn items(&self, object: &Object<'a>, head: u64, regular: usize) -> impl Iterator<Item = u64> + use<'a> {
        let compact = self.compact;
        let bytes = object.bytes.get(usize::try_from(head).unwrap_or(usize::MAX)..).unwrap_or_default();
        bytes.chunks_exact(if compact { 4 } else { regular }).map(move |item| {
            let number = if compact { u32_at(item, 0).map(u64::from) } else { u64_at(item, 0) };
            number.unwrap_or_default()
        })
    }

    /// The object at `offset`, where one can be.
    fn object(&self, offset: u64) -> Option<Object<'a>> {
        if offset < self.first || !offset.is_multiple_of(8) {
            return None;
        }
        let bytes = self.bytes.get(usize::try_from(offset).ok()?..)?;
        let size = u64_at(bytes, 8).filter(|size| *size >= OBJECT_HEADER)?;
        let end = offset.checked_add(size)?.checked_next_multiple_of(8)?;
        let [kind, flags] = *bytes.first_chunk()?;
        Some(Object { kind, flags, bytes: bytes.get(..usize::try_from(size).ok()?)?, end })
    }
}

fn size_of(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().copied().map(u64::from_le_bytes)
}
