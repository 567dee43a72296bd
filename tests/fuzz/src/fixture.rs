//! The file systems and tables that inputs change, made by `fixtures/make.sh`.

use std::sync::OnceLock;

use crate::sparse::Sparse;

/// Bytes of a piece that a change can name: an inode, a few entries of a directory.
pub(crate) const PIECE: usize = 256;

/// An image as its recipe made it.
pub(crate) struct Fixture {
    name: &'static str,
    packed: &'static [u8],
    unpacked: OnceLock<Image>,
}

/// An unpacked image.
pub(crate) struct Image {
    pub(crate) name: &'static str,
    pub(crate) content: Sparse,
    pub(crate) len: u64,
    /// Places of the pieces that hold metadata.
    pub(crate) pieces: Vec<u64>,
}

impl Fixture {
    const fn new(name: &'static str, packed: &'static [u8]) -> Self {
        Self { name, packed, unpacked: OnceLock::new() }
    }

    pub(crate) fn image(&self) -> &Image {
        self.unpacked.get_or_init(|| {
            let bytes = zstd::stream::decode_all(self.packed).expect("a fixture is zstd");
            let content = Sparse::of_bytes(&bytes);
            let pieces = content.structured(PIECE);
            Image { name: self.name, content, len: bytes.len() as u64, pieces }
        })
    }
}

/// The fixture that a byte of an input names; every byte names one.
pub(crate) fn pick(fixtures: &'static [Fixture], byte: u8) -> &'static Image {
    fixtures[usize::from(byte) % fixtures.len()].image()
}

macro_rules! fixtures {
    ($(#[$doc:meta])* $list:ident: $($name:literal)*) => {
        $(#[$doc])*
        pub(crate) static $list: [Fixture; [$($name),*].len()] =
            [$(Fixture::new($name, include_bytes!(concat!("../fixtures/", $name, ".zst")))),*];
    };
}

// The order is part of the corpus: new ones go to the end.
fixtures! {
    /// With and without checksums; inputs get past the missing ones.
    EXT4: "ext4-plain" "ext4-csum" "ext4-journal" "ext4-old" "ext4-groups" "ext4-orphan" "ext4-4k" "ext4-full" "ext4-dirty"
}
fixtures! {
    /// One for each width.
    FAT: "fat12" "fat16" "fat32"
}
fixtures! {
    /// One of each kind.
    TABLES: "mbr" "gpt" "hybrid"
}
