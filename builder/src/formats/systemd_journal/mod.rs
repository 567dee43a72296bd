//! Journal files of systemd-journald, read without journald: the last entries of a file that may be torn.
//!
//! [Format](https://systemd.io/JOURNAL_FILE_FORMAT/): a header, then objects one behind the other, each with its type and
//! size. An entry names data objects, `FIELD=value` each. journald writes through a memory map and syncs seldom, so after a
//! power cut parts of the file are zeros or old. Hash tables and the counts of the header are therefore not used: entries
//! are found by the arrays that list them, and by walking over all objects; a place that is not what it should be ends
//! only what began there.
//!
//! Offsets and sizes are hostile: nothing is read twice that was not found twice, and what one call unpacks is bounded.

mod objects;
mod payload;

use objects::Objects;
use payload::Unpacker;

/// Most fields of an entry that are looked at; journald's own have about thirty.
const MOST_FIELDS: usize = 256;

/// journald takes no longer name of a field, with the `=` behind it.
const LONGEST_NAME: usize = 65;

/// Most bytes of a message; the rest of a longer one is left out.
const MESSAGE_BYTES: usize = 4 << 10;

/// Why a file is not read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// It does not begin like a journal.
    #[error("it is not a journal of systemd-journald")]
    NotAJournal,
    /// It uses something that this reader does not know.
    #[error("it is of a newer systemd-journald (incompatible flags {0:#x})")]
    Unsupported(u32),
}

/// An entry, with what a person reads of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// When it came in, in microseconds since 1970 by the node's clock.
    pub realtime: u64,
    /// The boot that it is of.
    pub boot: [u8; 16],
    /// The text; bytes that are not UTF-8 are shown as U+FFFD.
    pub message: String,
    /// The program, as in a syslog line.
    pub identifier: String,
    /// The unit of the process that wrote it.
    pub unit: String,
    /// 0 (emergency) to 7 (debug).
    pub priority: Option<u8>,
    /// Whether it is of the kernel.
    pub is_kernel: bool,
}

/// The end of a journal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tail {
    /// In the order in which they were written.
    pub entries: Vec<Entry>,
    /// Entries, or fields of entries, that are torn or compressed in a way that is not read.
    pub unreadable: usize,
}

/// A journal file in memory.
#[derive(Debug)]
pub struct Journal<'a>(Objects<'a>);

impl<'a> Journal<'a> {
    /// Checks the header.
    ///
    /// # Errors
    /// Where it is no journal, or one that cannot be understood.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, JournalError> {
        Ok(Self(Objects::parse(bytes)?))
    }

    /// The last `most` entries.
    pub fn tail(&self, most: usize) -> Tail {
        let offsets = self.0.entries();
        let mut tail = Tail::default();
        let mut unpacker = Unpacker::default();
        let skipped = offsets.len().saturating_sub(most);
        for offset in offsets.into_iter().skip(skipped) {
            match self.entry(offset, &mut unpacker, &mut tail.unreadable) {
                Some(entry) => tail.entries.push(entry),
                None => tail.unreadable = tail.unreadable.saturating_add(1),
            }
        }
        tail
    }

    fn entry(&self, offset: u64, unpacker: &mut Unpacker, unreadable: &mut usize) -> Option<Entry> {
        let raw = self.0.entry(offset)?;
        let mut entry = Entry { realtime: raw.realtime, boot: raw.boot, ..Entry::default() };
        for data in raw.data.into_iter().take(MOST_FIELDS) {
            match self.0.data(data).and_then(|data| unpacker.unpack(data)) {
                Some(field) => entry.set(&field),
                None => *unreadable = unreadable.saturating_add(1),
            }
        }
        Some(entry)
    }
}

impl Entry {
    fn set(&mut self, field: &[u8]) {
        let Some(at) = field.iter().take(LONGEST_NAME).position(|byte| *byte == b'=') else { return };
        let (name, value) = field.split_at(at);
        let value = value.get(1..).unwrap_or_default();
        let text = || String::from_utf8_lossy(value.get(..MESSAGE_BYTES).unwrap_or(value)).into_owned();
        match name {
            b"MESSAGE" => self.message = text(),
            b"SYSLOG_IDENTIFIER" => self.identifier = text(),
            b"_SYSTEMD_UNIT" => self.unit = text(),
            b"PRIORITY" => self.priority = text().parse().ok().filter(|priority| *priority <= 7),
            b"_TRANSPORT" => self.is_kernel = value == b"kernel",
            _ => {}
        }
    }
}
