//! A list of extended attributes: entries from the front, values from the back, in an inode or a block.
//!
//! [Extended attributes](https://docs.kernel.org/filesystems/ext4/attributes.html). The crate reads and writes them; here is
//! whether a list is sound, by what the kernel checks (`ext4_xattr_check_entries`) and e2fsck: that no two values overlap.

use super::bytes::Field;

/// Bytes of an entry before its name.
const HEAD: usize = 16;
const NAME_LEN: Field<HEAD, 1> = Field::at(0);
const VALUE_AT: Field<HEAD, 2> = Field::at(2);
const VALUE_INODE: Field<HEAD, 4> = Field::at(4);
const VALUE_LEN: Field<HEAD, 4> = Field::at(8);
/// Entries and values begin at multiples of this.
const ALIGNMENT: usize = 4;

/// Whether entries are sound that begin at byte `first` of `bytes`, and whose values have their places counted from byte
/// `base`. A list ends with four zeros.
pub(crate) fn are_sound(bytes: &[u8], first: usize, base: usize) -> bool {
    let mut at = first;
    let mut values = Vec::new();
    loop {
        match bytes.get(at..).and_then(<[u8]>::first_chunk::<4>) {
            None => return false,
            Some([0, 0, 0, 0]) => break,
            Some(_) => {}
        }
        let Some(head) = bytes.get(at..).and_then(<[u8]>::first_chunk::<HEAD>) else { return false };
        let name = at.saturating_add(HEAD);
        let end = name.saturating_add(NAME_LEN.get(head).into());
        if VALUE_INODE.get(head) != 0 || bytes.get(name..end).is_none_or(|name| name.contains(&0)) {
            return false;
        }
        let len = usize::try_from(VALUE_LEN.get(head)).unwrap_or(usize::MAX);
        if len > 0 {
            let start = base.saturating_add(VALUE_AT.get(head).into());
            values.push((
                start,
                len.checked_next_multiple_of(ALIGNMENT).and_then(|len| start.checked_add(len)),
            ));
        }
        at = end.next_multiple_of(ALIGNMENT);
    }
    // The names and the zeros behind them.
    let mut free_from = at.saturating_add(4);
    values.sort_unstable();
    for (start, end) in values {
        match end {
            Some(end) if start >= free_from && end <= bytes.len() => free_from = end,
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An entry with a name of one byte.
    fn entry(value_at: u16, value_len: u32) -> Vec<u8> {
        let mut entry = vec![1, 1, 0, 0];
        entry[2..].copy_from_slice(&value_at.to_le_bytes());
        entry.extend([0; 4]);
        entry.extend(value_len.to_le_bytes());
        entry.extend([0; 4]);
        entry.extend(b"n\0\0\0");
        entry
    }

    fn list(entries: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = entries.concat();
        bytes.resize(100, 0);
        bytes
    }

    #[test]
    fn names_and_values_keep_apart_and_inside() {
        let sound = |entries: &[Vec<u8>]| are_sound(&list(entries), 0, 0);
        assert!(sound(&[]) && sound(&[entry(96, 4)]) && sound(&[entry(96, 4), entry(88, 5)]));
        assert!(sound(&[entry(24, 1), entry(60, 0)].map(|entry| entry)[..1]), "right behind the names");
        assert!(!sound(&[entry(96, 4), entry(96, 4)]), "one value for two");
        assert!(
            !sound(&[entry(96, 4), entry(92, 5)]),
            "they overlap with what follows the value up to four bytes"
        );
        assert!(!sound(&[entry(20, 4)]), "over the end of the names");
        assert!(
            !sound(&[entry(96, 5)]) && !sound(&[entry(96, u32::MAX)]) && !sound(&[entry(200, 1)]),
            "outside"
        );
        let mut wrong = list(&[entry(96, 4)]);
        wrong[4] = 1;
        assert!(!are_sound(&wrong, 0, 0), "in another inode");
        let mut wrong = list(&[entry(96, 4)]);
        wrong[16] = 0;
        assert!(!are_sound(&wrong, 0, 0), "a NUL in the name");
        assert!(!are_sound(&[1; 100], 0, 0) && !are_sound(&[0; 3], 0, 0) && !are_sound(&[], 0, 0), "no end");
    }
}
