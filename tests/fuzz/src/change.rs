//! What an input does to an image before anybody opens it.

use crate::fixture::{Image, PIECE};
use crate::reader::Reader;
use crate::sparse::Sparse;

/// One change. Places are pieces of the fixture that hold metadata, by number, and a byte in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Other bytes.
    Set {
        /// Number of the piece.
        piece: u16,
        /// Byte in it.
        at: u8,
        /// What is put there.
        bytes: Vec<u8>,
    },
    /// A little-endian number a little larger or smaller: what points to a block points to its neighbour.
    Add {
        /// Number of the piece.
        piece: u16,
        /// Byte in it.
        at: u8,
        /// Bytes of the number: 1, 2, 4 or 8.
        width: usize,
        /// What is added.
        delta: i8,
    },
    /// A piece over another one: two of a kind.
    Copy {
        /// Number of the piece that is copied.
        from: u16,
        /// Number of the piece that is lost.
        to: u16,
        /// Bytes.
        len: usize,
    },
    /// Other bytes in any place.
    Anywhere {
        /// Byte of the image, modulo its length.
        at: u32,
        /// What is put there.
        bytes: [u8; 4],
    },
}

impl Change {
    /// Kinds of changes, for whoever tells them from other things in an input.
    pub(crate) const KINDS: u8 = 7;

    /// Reads a change of a `kind` below [`Change::KINDS`]; `detail` has 4 bits.
    pub(crate) fn read(kind: u8, detail: u8, input: &mut Reader<'_>) -> Option<Self> {
        Some(match kind {
            0..4 => Self::Set {
                piece: input.u16()?,
                at: input.u8()?,
                bytes: input.bytes(usize::from(detail % 8) + 1)?.to_vec(),
            },
            4 => Self::Add {
                piece: input.u16()?,
                at: input.u8()?,
                width: 1 << (detail % 4),
                delta: i8::from_le_bytes([input.u8()?]),
            },
            5 => Self::Copy {
                from: input.u16()?,
                to: input.u16()?,
                len: (usize::from(detail) + 1) * (PIECE / 16),
            },
            _ => Self::Anywhere { at: input.u32()?, bytes: input.bytes(4)?.try_into().ok()? },
        })
    }

    /// With places as bytes of the image.
    pub(crate) fn text(&self, image: &Image) -> String {
        let place = |piece: u16| image.pieces[usize::from(piece) % image.pieces.len()];
        match self {
            Self::Set { piece, at, .. } | Self::Add { piece, at, .. } => {
                format!("at byte {:#x}: {self:?}", place(*piece) + u64::from(*at))
            }
            Self::Copy { from, to, .. } => format!("{:#x} to {:#x}: {self:?}", place(*from), place(*to)),
            Self::Anywhere { .. } => format!("{self:?}"),
        }
    }

    /// Carries the change out.
    pub(crate) fn apply(&self, image: &Image, content: &mut Sparse) {
        let piece = |number: u16| image.pieces[usize::from(number) % image.pieces.len()];
        match self {
            Self::Set { piece: number, at, bytes } => {
                put(image, content, piece(*number) + u64::from(*at), bytes);
            }
            Self::Add { piece: number, at, width, delta } => {
                let at = piece(*number) + u64::from(*at);
                let mut number = [0; 8];
                number[..*width].copy_from_slice(&content.read(at, *width));
                let number = u64::from_le_bytes(number).wrapping_add_signed(i64::from(*delta));
                put(image, content, at, &number.to_le_bytes()[..*width]);
            }
            Self::Copy { from, to, len } => {
                let bytes = content.read(piece(*from), *len);
                put(image, content, piece(*to), &bytes);
            }
            Self::Anywhere { at, bytes } => put(image, content, u64::from(*at) % image.len, bytes),
        }
    }
}

/// Writes what lies inside the image.
fn put(image: &Image, content: &mut Sparse, at: u64, bytes: &[u8]) {
    let room = usize::try_from(image.len - at).unwrap_or(usize::MAX).min(bytes.len());
    content.write(at, &bytes[..room]);
}
