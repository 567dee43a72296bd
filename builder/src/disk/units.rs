//! Units of place and size, so that a sector number cannot be used as a byte offset.

use std::fmt;

/// Bytes in a sector. Images of SD cards, eMMC and cloud disks all use 512, whatever the medium does inside.
pub const SECTOR: u64 = 512;

/// A place in an image, in bytes from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteOffset(pub u64);

/// A size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

impl ByteOffset {
    /// The place of a sector; none where it lies beyond what 64 bits can name.
    pub fn of_sector(sector: u64) -> Option<Self> {
        sector.checked_mul(SECTOR).map(Self)
    }
}

impl ByteSize {
    /// The size of so many sectors; none where 64 bits cannot hold it.
    pub fn of_sectors(sectors: u64) -> Option<Self> {
        sectors.checked_mul(SECTOR).map(Self)
    }
}

impl fmt::Display for ByteOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}", self.0)
    }
}

impl fmt::Display for ByteSize {
    /// Binary units with one decimal, exact bytes below 1 KiB.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u64); 4] =
            [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        for (name, unit) in UNITS {
            if self.0 >= unit {
                let tenths = u128::from(self.0) * 10 / u128::from(unit);
                return write!(f, "{}.{} {name}", tenths / 10, tenths % 10);
            }
        }
        write!(f, "{} bytes", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        for (bytes, want) in
            [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (3 << 30, "3.0 GiB")]
        {
            assert_eq!(ByteSize(bytes).to_string(), want);
        }
        assert_eq!(ByteSize(u64::MAX).to_string(), "16777215.9 TiB");
    }

    #[test]
    fn sectors_beyond_64_bits_are_refused() {
        assert_eq!(ByteOffset::of_sector(2), Some(ByteOffset(1024)));
        assert_eq!(ByteOffset::of_sector(u64::MAX / 2), None);
        assert_eq!(ByteSize::of_sectors(u64::MAX), None);
    }
}
