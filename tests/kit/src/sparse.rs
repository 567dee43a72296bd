//! Images are mostly holes: these look only at the rest.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rustix::fs::{SeekFrom, seek};

const PIECE: u64 = 1 << 20;

/// What of the bytes from `start` to `end` is not in a hole, in pieces of 1 MiB at most.
pub(crate) fn data(file: &File, start: u64, end: u64) -> impl Iterator<Item = Range<u64>> + use<'_> {
    let mut at = start;
    // Behind the last data there is no more: the seek fails.
    let extents = std::iter::from_fn(move || {
        let data = seek(file, SeekFrom::Data(at)).ok().filter(|data| *data < end)?;
        let hole = seek(file, SeekFrom::Hole(data)).expect("there is a hole behind data").min(end);
        at = hole;
        Some(data..hole)
    });
    extents.flat_map(|extent| {
        let pieces = extent.clone().step_by(1 << 20);
        pieces.map(move |from| from..extent.end.min(from + PIECE))
    })
}

/// The bytes of a piece.
pub(crate) fn read<'a>(file: &File, piece: &Range<u64>, buffer: &'a mut [u8]) -> &'a [u8] {
    let count = usize::try_from(piece.end - piece.start).expect("a piece of 1 MiB");
    file.read_exact_at(&mut buffer[..count], piece.start).expect("reading an image");
    &buffer[..count]
}
