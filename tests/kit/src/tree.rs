//! Whole trees as other people's readers see them: ext4-view for the root, mtools for the FAT partition.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use ext4_view::{Ext4, Ext4Read, FileType, PathBuf as Ext4PathBuf};
use sha2::{Digest, Sha256};

use crate::tools::{Range, extract, partitions, run};

/// What a path holds, as far as a build could change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub kind: String,
    /// Digest of a file, target of a link.
    pub content: String,
    pub mode: u16,
    pub uid: u32,
    pub gid: u32,
}

/// Every path of the root file system.
pub fn root_tree(image: &Path) -> BTreeMap<String, Node> {
    let (root, _) = partitions(image);
    let ext4 =
        Ext4::load(Box::new(Part { file: File::open(image).expect("opening the image"), range: root }))
            .expect("ext4-view reads the root");
    let mut tree = BTreeMap::new();
    walk(&ext4, &Ext4PathBuf::new("/"), &mut tree);
    tree
}

/// Every file of the FAT partition with its digest.
pub fn boot_tree(image: &Path, scratch: &Path) -> BTreeMap<String, String> {
    let (_, boot) = partitions(image);
    let (fat, out) = (scratch.join("boot.fat"), scratch.join("boot"));
    extract(image, boot, &fat);
    fs::create_dir(&out).expect("making a directory for the FAT's files");
    run(Command::new("mcopy").args(["-s", "-n", "-i"]).arg(&fat).arg("::*").arg(&out));
    let mut files = BTreeMap::new();
    digest_dir(&out, &out, &mut files);
    fs::remove_dir_all(&out).expect("removing the FAT's files");
    fs::remove_file(&fat).expect("removing the FAT");
    files
}

fn digest_dir(top: &Path, dir: &Path, files: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(dir).expect("reading the FAT's files") {
        let path = entry.expect("reading the FAT's files").path();
        if path.is_dir() {
            digest_dir(top, &path, files);
        } else {
            let name = path.strip_prefix(top).expect("below the top").to_string_lossy().into_owned();
            files.insert(name, hex(&fs::read(&path).expect("reading a file of the FAT")));
        }
    }
}

/// SHA-256 in hex.
pub fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn walk(ext4: &Ext4, dir: &Ext4PathBuf, tree: &mut BTreeMap<String, Node>) {
    for entry in ext4.read_dir(dir).expect("ext4-view lists a directory") {
        let entry = entry.expect("ext4-view reads an entry");
        let name = entry.file_name();
        if name.as_ref() == b"." || name.as_ref() == b".." {
            continue;
        }
        let path = entry.path();
        let data = entry.metadata().expect("ext4-view stats an entry");
        let content = match data.file_type() {
            FileType::Regular => hex(&ext4.read(&path).expect("ext4-view reads a file")),
            FileType::Symlink => ext4.read_link(&path).expect("ext4-view reads a link").display().to_string(),
            _ => String::new(),
        };
        let node = Node {
            kind: format!("{:?}", data.file_type()),
            content,
            mode: data.mode() & 0o7777,
            uid: data.uid(),
            gid: data.gid(),
        };
        tree.insert(path.display().to_string(), node);
        if data.is_dir() {
            walk(ext4, &path, tree);
        }
    }
}

struct Part {
    file: File,
    range: Range,
}

impl Ext4Read for Part {
    fn read(&mut self, start: u64, into: &mut [u8]) -> Result<(), Box<dyn Error + Send + Sync + 'static>> {
        if start + into.len() as u64 > self.range.size {
            return Err("reading beyond the partition".into());
        }
        let place = self.range.start + start;
        Ok(self.file.read_exact_at(into, place)?)
    }
}
