//! What the kernel has noted of errors in the superblock, where it outlives every log.
//!
//! [Superblock](https://docs.kernel.org/filesystems/ext4/super.html), from `s_error_count` (0x194) on.

use super::bytes::Field;
use super::superblock::{RawSuperblock, SIZE};

type U8 = Field<SIZE, 1>;
type U32 = Field<SIZE, 4>;

const COUNT: U32 = Field::at(0x194);

/// The places of one record.
struct Places {
    time: (U32, U8),
    inode: U32,
    block: (U32, U32),
    function: Field<SIZE, 32>,
    line: U32,
}

const FIRST: Places = Places {
    time: (Field::at(0x198), Field::at(0x278)),
    inode: Field::at(0x19c),
    block: (Field::at(0x1a0), Field::at(0x1a4)),
    function: Field::at(0x1a8),
    line: Field::at(0x1c8),
};
const LAST: Places = Places {
    time: (Field::at(0x1cc), Field::at(0x279)),
    inode: Field::at(0x1d0),
    line: Field::at(0x1d4),
    block: (Field::at(0x1d8), Field::at(0x1dc)),
    function: Field::at(0x1e0),
};

/// Errors since the last e2fsck.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct ErrorRecord {
    /// How many.
    pub count: u32,
    /// The first of them.
    pub first: Option<RecordedError>,
    /// The last of them.
    pub last: Option<RecordedError>,
}

/// Where and when the kernel found an error.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct RecordedError {
    /// Seconds since 1970 by the node's clock.
    pub time: u64,
    /// The kernel's function.
    pub function: String,
    /// The line in its source.
    pub line: u32,
    /// The inode, or 0.
    pub inode: u32,
    /// The block, or 0.
    pub block: u64,
}

impl RawSuperblock {
    pub(crate) fn errors(&self) -> ErrorRecord {
        let of = |places: &Places| {
            let (low, [high]) = (places.time.0.get(&self.0), places.time.1.bytes(&self.0));
            let function = places.function.bytes(&self.0);
            let name = function.split(|byte| *byte == 0).next().unwrap_or_default();
            let block = (places.block.0.get(&self.0), places.block.1.get(&self.0));
            Some(RecordedError {
                time: u64::from(high) << 32 | u64::from(low),
                function: String::from_utf8_lossy(name).into_owned(),
                line: places.line.get(&self.0),
                inode: places.inode.get(&self.0),
                block: super::bytes::joined64(block.0, block.1),
            })
            .filter(|error| error.time != 0)
        };
        ErrorRecord { count: COUNT.get(&self.0), first: of(&FIRST), last: of(&LAST) }
    }
}
