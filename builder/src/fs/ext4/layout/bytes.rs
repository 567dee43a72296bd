//! Little-endian numbers in structures on the disk, see
//! <https://docs.kernel.org/filesystems/ext4/about.html#terminology>.
//!
//! - [`Field`]: a constant place in a structure of constant size. It cannot lie outside: as a constant it would not
//!   compile.
//! - [`get_u16`] and the others: a place that was computed, or a buffer whose size comes from the image. A place
//!   outside of the buffer is an error.

use fs_ext4::error::{Error, Result};

pub(crate) use crate::fs::field::Field;

/// `N` bytes from byte `at` on; an error where they end outside of the buffer.
pub(crate) fn get_array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N]> {
    bytes.get(at..).and_then(|tail| tail.first_chunk()).copied().ok_or(OUTSIDE)
}

pub(crate) fn get_u16(bytes: &[u8], at: usize) -> Result<u16> {
    Ok(u16::from_le_bytes(get_array(bytes, at)?))
}

pub(crate) fn get_u32(bytes: &[u8], at: usize) -> Result<u32> {
    Ok(u32::from_le_bytes(get_array(bytes, at)?))
}

/// Writes a number at byte `at`; an error, and nothing written, where it would end outside of the buffer.
pub(crate) fn put_u32(bytes: &mut [u8], at: usize, value: u32) -> Result<()> {
    *bytes.get_mut(at..).and_then(|tail| tail.first_chunk_mut()).ok_or(OUTSIDE)? = value.to_le_bytes();
    Ok(())
}

const OUTSIDE: Error = Error::Corrupt("a field outside of its structure");

/// The low and the high half.
pub(crate) fn halves32(value: u32) -> (u16, u16) {
    let [a, b, c, d] = value.to_le_bytes();
    (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]))
}

/// The low and the high half.
pub(crate) fn halves64(value: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
}

/// A number from its halves.
pub(crate) fn joined32(low: u16, high: u16) -> u32 {
    u32::from(high) << 16 | u32::from(low)
}

/// A number from its halves.
pub(crate) fn joined64(low: u32, high: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// The low half.
pub(crate) fn low16(value: u32) -> u16 {
    halves32(value).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_outside_of_the_buffer_is_an_error() {
        let mut bytes = [1, 2, 3, 4, 5, 6];
        assert_eq!(get_u16(&bytes, 4).unwrap(), 0x0605);
        assert_eq!(get_u32(&bytes, 2).unwrap(), 0x0605_0403);
        for at in [3, 5, 6, 7, usize::MAX] {
            assert!(get_u32(&bytes, at).is_err(), "reading at {at}");
            assert!(put_u32(&mut bytes, at, u32::MAX).is_err(), "writing at {at}");
        }
        assert!(get_u16(&bytes, 5).is_err());
        assert!(get_array::<7>(&bytes, 0).is_err());
        assert_eq!(bytes, [1, 2, 3, 4, 5, 6], "nothing is written in part");
    }

    #[test]
    fn halves_join_to_the_whole() {
        assert_eq!(halves64(0x0123_4567_89ab_cdef), (0x89ab_cdef, 0x0123_4567));
        assert_eq!(joined64(0x89ab_cdef, 0x0123_4567), 0x0123_4567_89ab_cdef);
        let (low, high) = halves32(0x0123_4567);
        assert_eq!(joined32(low, high), 0x0123_4567);
        assert_eq!(low16(0x0123_4567), 0x4567);
    }
}
