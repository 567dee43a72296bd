//! Reading a block, with an error that names it.

use fs_ext4::Filesystem;

use crate::fs::Result;
use crate::fs::ext4::error::convert;

pub(crate) fn read_block(fs: &Filesystem, block: u64) -> Result<Vec<u8>> {
    fs.read_block(block).map_err(|error| convert(error, &format!("reading block {block}")))
}
