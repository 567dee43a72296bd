//! Fields at constant places in structures of constant size. All numbers are little-endian.
//!
//! They are read for every inode and every name, so they must be inlined: a third of a check was spent in calls.

/// A field of `N` bytes in a structure of `LEN` bytes. [`Field::at`] makes none outside of the structure, so that its
/// bytes can be indexed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<const LEN: usize, const N: usize>(usize);

impl<const LEN: usize, const N: usize> Field<LEN, N> {
    /// The field that begins at byte `at`. Only for constants: it stops the compiler where the field ends outside of
    /// the structure.
    pub(crate) const fn at(at: usize) -> Self {
        assert!(N <= LEN && at <= LEN - N, "a field outside of its structure");
        Self(at)
    }

    #[inline]
    pub(crate) fn bytes(self, structure: &[u8; LEN]) -> [u8; N] {
        let mut value = [0; N];
        value.copy_from_slice(&structure[self.0..self.0 + N]);
        value
    }

    #[inline]
    pub(crate) fn set_bytes(self, structure: &mut [u8; LEN], value: &[u8; N]) {
        structure[self.0..self.0 + N].copy_from_slice(value);
    }
}

impl<const LEN: usize> Field<LEN, 1> {
    #[inline]
    pub(crate) fn get(self, structure: &[u8; LEN]) -> u8 {
        u8::from_le_bytes(self.bytes(structure))
    }
}

impl<const LEN: usize> Field<LEN, 2> {
    #[inline]
    pub(crate) fn get(self, structure: &[u8; LEN]) -> u16 {
        u16::from_le_bytes(self.bytes(structure))
    }

    #[inline]
    pub(crate) fn put(self, structure: &mut [u8; LEN], value: u16) {
        self.set_bytes(structure, &value.to_le_bytes());
    }
}

impl<const LEN: usize> Field<LEN, 4> {
    #[inline]
    pub(crate) fn get(self, structure: &[u8; LEN]) -> u32 {
        u32::from_le_bytes(self.bytes(structure))
    }

    #[inline]
    pub(crate) fn put(self, structure: &mut [u8; LEN], value: u32) {
        self.set_bytes(structure, &value.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_written_in_place() {
        const HIGH: Field<6, 2> = Field::at(4);
        const LOW: Field<6, 4> = Field::at(0);
        let mut bytes = [0; 6];
        HIGH.put(&mut bytes, 0x0605);
        LOW.put(&mut bytes, 0x0403_0201);
        assert_eq!(bytes, [1, 2, 3, 4, 5, 6]);
        assert_eq!((HIGH.get(&bytes), LOW.get(&bytes)), (0x0605, 0x0403_0201));
    }

    #[test]
    #[should_panic(expected = "a field outside of its structure")]
    fn a_field_outside_of_its_structure_cannot_be_made() {
        let _ = Field::<6, 4>::at(3);
    }
}
