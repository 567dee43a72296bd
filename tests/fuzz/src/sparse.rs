//! The content of an image without its zeros, so that copying and comparing 33 MiB of FAT costs what is in use.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use rustix::fs::{SeekFrom, seek};

const PAGE: usize = 4096;
const PAGE_U64: u64 = PAGE as u64;

/// Bytes from 0 on; pages that hold only zeros are left out, so equal content means equal values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Sparse(BTreeMap<u64, Box<[u8; PAGE]>>);

impl Sparse {
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        let mut sparse = Self::default();
        for (at, page) in (0..).step_by(PAGE).zip(bytes.chunks(PAGE)) {
            if page.iter().any(|byte| *byte != 0) {
                sparse.write(at, page);
            }
        }
        sparse
    }

    /// What `len` bytes of `file` from `start` on hold. Holes are not read. `start` is a multiple of the page.
    pub(crate) fn of_file(file: &File, start: u64, len: u64) -> Self {
        let mut sparse = Self::default();
        let end = start + len;
        let mut at = start;
        while let Ok(data) = seek(file, SeekFrom::Data(at)) {
            if data >= end {
                break;
            }
            let hole = seek(file, SeekFrom::Hole(data)).expect("there is a hole behind data").min(end);
            let first = data - data % PAGE_U64;
            for page in (first..hole).step_by(PAGE) {
                let mut bytes = Box::new([0; PAGE]);
                let count = usize::try_from((end - page).min(PAGE_U64)).expect("a page");
                file.read_exact_at(&mut bytes[..count], page).expect("reading the scratch disk");
                sparse.0.insert((page - start) / PAGE_U64, bytes);
            }
            at = hole;
        }
        sparse.normal()
    }

    /// Without what lies behind `len`, and without pages that became zeros.
    pub(crate) fn cut(mut self, len: u64) -> Self {
        self.0.split_off(&len.div_ceil(PAGE_U64));
        if let Some(page) = self.0.get_mut(&(len / PAGE_U64)) {
            page[usize::try_from(len % PAGE_U64).expect("below a page")..].fill(0);
        }
        self.normal()
    }

    /// Without pages that became zeros.
    pub(crate) fn normal(mut self) -> Self {
        self.0.retain(|_, page| **page != [0; PAGE]);
        self
    }

    /// The first `len` bytes.
    pub(crate) fn dense(&self, len: u64) -> Vec<u8> {
        self.read(0, usize::try_from(len).expect("a small image"))
    }

    pub(crate) fn write(&mut self, at: u64, bytes: &[u8]) {
        let (mut place, mut bytes) = (at, bytes);
        while !bytes.is_empty() {
            let within = usize::try_from(place % PAGE_U64).expect("below a page");
            let (piece, rest) = bytes.split_at(bytes.len().min(PAGE - within));
            let page = self.0.entry(place / PAGE_U64).or_insert_with(|| Box::new([0; PAGE]));
            page[within..within + piece.len()].copy_from_slice(piece);
            place += piece.len() as u64;
            bytes = rest;
        }
    }

    pub(crate) fn read(&self, at: u64, len: usize) -> Vec<u8> {
        let byte = |place: u64| {
            let page = self.0.get(&(place / PAGE_U64));
            page.map_or(0, |page| page[usize::try_from(place % PAGE_U64).expect("below a page")])
        };
        (at..).take(len).map(byte).collect()
    }

    /// Puts the content into a part of a file that holds zeros.
    pub(crate) fn put(&self, file: &File, start: u64, len: u64) {
        for (number, page) in &self.0 {
            let at = number * PAGE_U64;
            let count = usize::try_from(len.saturating_sub(at).min(PAGE_U64)).expect("a page");
            file.write_all_at(&page[..count], start + at).expect("writing the scratch disk");
        }
    }

    /// Places of the pieces of `size` bytes that are not one value all through: the metadata.
    pub(crate) fn structured(&self, size: usize) -> Vec<u64> {
        let pieces = self.0.iter().flat_map(|(number, page)| {
            let at = number * PAGE_U64;
            (at..).step_by(size).zip(page.chunks(size))
        });
        pieces.filter(|(_, piece)| piece.iter().any(|byte| *byte != piece[0])).map(|(at, _)| at).collect()
    }
}
