//! Journal files of journald, of which a pulled card may have half.

use hcimage::formats::systemd_journal::Journal;

/// What is asked for.
const MOST: usize = 64;

/// See the module.
pub fn run(input: &[u8]) {
    // What a power cut left of the file is read as well.
    for end in [input.len(), input.len() / 2] {
        let Ok(journal) = Journal::parse(&input[..end]) else { continue };
        let tail = journal.tail(MOST);
        assert!(tail.entries.len() <= MOST);
        for entry in &tail.entries {
            // A byte that is no UTF-8 becomes three.
            assert!(entry.message.len() <= 3 * (4 << 10), "a message without end");
            assert!(entry.priority.is_none_or(|priority| priority <= 7));
        }
        assert_eq!(journal.tail(MOST), tail, "the same bytes are read the same way");
    }
}
