//! Little-endian numbers at fixed places of a structure, see
//! <https://docs.kernel.org/filesystems/ext4/about.html#terminology>.
//!
//! Every caller holds a buffer of the structure's full size and names a constant place in it. A place outside
//! would be a mistake of ours: debug builds stop, release builds read zero and write nothing.

pub(in crate::fs::ext4) fn get_array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let found = bytes.get(at..).and_then(|tail| tail.first_chunk()).copied();
    debug_assert!(found.is_some(), "{N} bytes at {at} of {}", bytes.len());
    found.unwrap_or([0; N])
}

fn write(bytes: &mut [u8], at: usize, value: &[u8]) {
    let place = bytes.get_mut(at..).and_then(|tail| tail.get_mut(..value.len()));
    debug_assert!(place.is_some(), "{} bytes at {at}", value.len());
    if let Some(place) = place {
        place.copy_from_slice(value);
    }
}

pub(in crate::fs::ext4) fn get_u8(bytes: &[u8], at: usize) -> u8 {
    u8::from_le_bytes(get_array(bytes, at))
}

pub(in crate::fs::ext4) fn get_u16(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(get_array(bytes, at))
}

pub(in crate::fs::ext4) fn get_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(get_array(bytes, at))
}

/// A 64-bit number whose halves lie apart.
pub(in crate::fs::ext4) fn get_u64_split(bytes: &[u8], low: usize, high: usize) -> u64 {
    u64::from(get_u32(bytes, high)) << 32 | u64::from(get_u32(bytes, low))
}

/// A 32-bit number whose halves lie apart.
pub(in crate::fs::ext4) fn get_u32_split(bytes: &[u8], low: usize, high: usize) -> u32 {
    u32::from(get_u16(bytes, high)) << 16 | u32::from(get_u16(bytes, low))
}

pub(in crate::fs::ext4) fn put_u16(bytes: &mut [u8], at: usize, value: u16) {
    write(bytes, at, &value.to_le_bytes());
}

pub(in crate::fs::ext4) fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    write(bytes, at, &value.to_le_bytes());
}

/// Writes the low half of a 64-bit number, and the high half where the structure has a place for it.
pub(in crate::fs::ext4) fn put_u64_split(bytes: &mut [u8], low: usize, high: Option<usize>, value: u64) {
    let halves = value.to_le_bytes();
    let (low_half, high_half) = halves.split_at(4);
    write(bytes, low, low_half);
    if let Some(high) = high {
        write(bytes, high, high_half);
    }
}

/// Writes the low half of a 32-bit number, and the high half where the structure has a place for it.
pub(in crate::fs::ext4) fn put_u32_split(bytes: &mut [u8], low: usize, high: Option<usize>, value: u32) {
    let halves = value.to_le_bytes();
    let (low_half, high_half) = halves.split_at(2);
    write(bytes, low, low_half);
    if let Some(high) = high {
        write(bytes, high, high_half);
    }
}

/// The low half.
pub(in crate::fs::ext4) fn low16(value: u32) -> u16 {
    let [a, b, ..] = value.to_le_bytes();
    u16::from_le_bytes([a, b])
}
