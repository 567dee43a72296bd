//! Images that are damaged, foreign or too full are refused, and nothing is left behind.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use hcimage_testkit::base::{K3S_VERSION, base, k3s_release, make_release};
use hcimage_testkit::hcimage::{build, fail, hcimage, names};
use hcimage_testkit::tools::{Range, partitions, run};

/// A writable copy of a base, in a directory of its own.
pub(crate) struct Copy {
    pub(crate) dir: TempDir,
    pub(crate) image: PathBuf,
}

pub(crate) fn copy(name: &str) -> Copy {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("base.img");
    run(Command::new("cp").arg("--sparse=always").arg(base(name)).arg(&image));
    Copy { dir, image }
}

impl Copy {
    /// Refused with this code and these words, and nothing but the base and the cache is there afterwards.
    fn refused(&self, board: &str, code: i32, words: &[&str]) {
        fail(&mut build(self.dir.path(), board, &self.image), code, words);
        nothing_left(self.dir.path());
    }

    fn root(&self) -> Range {
        partitions(&self.image).0
    }

    fn file(&self) -> File {
        OpenOptions::new().read(true).write(true).open(&self.image).unwrap()
    }

    /// Overwrites bytes of the root file system.
    fn poke(&self, offset: u64, bytes: &[u8]) {
        self.file().write_all_at(bytes, self.root().start + offset).unwrap();
    }

    fn peek(&self, offset: u64) -> u8 {
        let mut byte = [0];
        self.file().read_exact_at(&mut byte, self.root().start + offset).unwrap();
        byte[0]
    }

    /// Commands of debugfs, carried out on the image.
    fn debugfs(&self, commands: &[&str]) {
        for command in commands {
            let place = format!("{}?offset={}", self.image.display(), self.root().start);
            run(Command::new("debugfs").args(["-w", "-R", command]).arg(place));
        }
    }
}

fn nothing_left(dir: &Path) {
    let left: Vec<String> =
        names(dir).into_iter().filter(|name| !["base.img", "cache"].contains(&name.as_str())).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

fn file(content: &[u8]) -> Copy {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("base.img");
    fs::write(&image, content).unwrap();
    Copy { dir, image }
}

#[test]
fn what_is_no_image_is_refused() {
    file(&[b'x'; 4096]).refused("cm4", 3, &["not a disk image"]);
    file(b"").refused("cm4", 3, &["empty file"]);
    file(b"PK\x03\x04 and so on, longer than a sector needs to be").refused(
        "cm4",
        4,
        &["base.img", "unpacking"],
    );
    // Packed, but not with what it says.
    file(b"\xfd7zXZ\0 and then nothing that xz would know").refused("cm4", 4, &["base.img", "unpacking"]);
}

#[test]
fn a_truncated_image_is_refused() {
    let copy = copy("pi-os-bookworm-like");
    let size = copy.image.metadata().unwrap().len();
    copy.file().set_len(size / 2).unwrap();
    copy.refused("cm4", 4, &["truncated", "partition 2"]);
}

#[test]
fn an_unknown_partition_layout_is_refused() {
    let copy = copy("pi-os-bookworm-like");
    run(Command::new("sfdisk").args(["--part-type"]).arg(&copy.image).args(["1", "7"]));
    copy.refused("cm4", 3, &["unknown partition layout", "FAT"]);
}

#[test]
fn an_unknown_system_is_refused() {
    let copy = copy("pi-os-bookworm-like");
    let release = copy.dir.path().join("cache");
    fs::write(&release, "ID=ubuntu\nVERSION_CODENAME=noble\nPRETTY_NAME=\"Ubuntu 24.04.3 LTS\"\n").unwrap();
    copy.debugfs(&["rm /usr/lib/os-release", &format!("write {} /usr/lib/os-release", release.display())]);
    fs::remove_file(release).unwrap();
    copy.refused(
        "cm4",
        3,
        &["unsupported system", "Ubuntu 24.04.3 LTS", "Raspberry Pi OS bullseye, bookworm"],
    );
}

#[test]
fn an_image_for_another_processor_is_refused() {
    copy("pi-os-bookworm-like").refused("pc", 3, &["board pc", "amd64", "arm64"]);
    copy("debian-pc-amd64").refused("cm4", 3, &["board cm4", "arm64", "amd64"]);
}

/// By what its programs are, since a kernel of 64 bits may run all of these.
#[test]
fn an_image_of_other_32_bits_is_refused_by_name() {
    const MACHINE: u64 = 18;
    const FLAGS: u64 = 36;
    let copy = copy("pi-os-bookworm-armhf-like");
    copy.refused("cm4", 3, &["board cm4", "arm64", "armhf", "take"]);
    let scratch = tempfile::tempdir().unwrap();
    let program = scratch.path().join("dpkg");
    copy.debugfs(&[&format!("dump /usr/bin/dpkg {}", program.display())]);
    let mut bytes = fs::read(&program).unwrap();
    let mut refused_with = |at: u64, number: u8, word: &str| {
        bytes[usize::try_from(at).unwrap()] = number;
        fs::write(&program, &bytes).unwrap();
        copy.debugfs(&["rm /usr/bin/dpkg", &format!("write {} /usr/bin/dpkg", program.display())]);
        copy.refused("pi2", 3, &[word, "take an image for arm64, armhf or amd64"]);
    };
    // EF_ARM_ABI_FLOAT_HARD is bit 2 of the second byte of the flags.
    refused_with(FLAGS + 1, 2, "armel");
    refused_with(MACHINE, 3, "i386");
}

#[test]
fn a_dirty_file_system_is_refused() {
    let copy = copy("pi-os-bookworm-like");
    // The flag that a mounted file system has: needs_recovery.
    copy.debugfs(&["feature needs_recovery"]);
    copy.refused("cm4", 4, &["root partition", "not cleanly unmounted", "e2fsck"]);
}

#[test]
fn a_flipped_bit_is_noticed() {
    let copy = copy("pi-os-bookworm-like");
    // The volume's name in the superblock, which its checksum covers.
    let place = 1024 + 0x78;
    copy.poke(place, &[copy.peek(place) ^ 1]);
    copy.refused("cm4", 4, &["root partition", "superblock", "checksum"]);
}

#[test]
fn a_full_image_that_cannot_grow_is_refused() {
    let copy = copy("pi-os-bookworm-like");
    // A third partition behind the root: there is nowhere to grow to.
    let size = copy.image.metadata().unwrap().len();
    copy.file().set_len(size + (8 << 20)).unwrap();
    let mut append = Command::new("sh");
    append.args(["-c", "echo \"start=$1, type=da\" | sfdisk --append \"$0\""]).arg(&copy.image);
    run(append.arg((size / 512).to_string()));
    let release = make_release(&["aarch64"], &["--pad-images", "700000000"]);
    let mut command = hcimage(copy.dir.path());
    command.args(["build", "--board", "cm4", "--base"]).arg(&copy.image);
    command.arg("--k3s").arg(release.path().join(K3S_VERSION));
    fail(&mut command, 3, &["cannot be grown", "MiB", "partition 3"]);
    nothing_left(copy.dir.path());
}

#[test]
fn a_k3s_release_that_lacks_a_file_is_refused() {
    let copy = copy("pi-os-bookworm-like");
    let release = copied_release(&copy);
    fs::remove_file(release.join("k3s-arm64")).unwrap();
    fail_with_release(&copy, &release, 1, &["k3s-arm64", "not found"]);
}

#[test]
fn a_k3s_with_another_digest_is_refused() {
    let copy = copy("pi-os-bookworm-like");
    let release = copied_release(&copy);
    let binary = OpenOptions::new().write(true).open(release.join("k3s-arm64")).unwrap();
    binary.write_all_at(b"x", 5000).unwrap();
    fail_with_release(&copy, &release, 4, &["k3s-arm64", "SHA-256", "sha256sum-arm64.txt"]);
}

fn copied_release(copy: &Copy) -> PathBuf {
    let release = copy.dir.path().join("cache").join(K3S_VERSION);
    fs::create_dir(copy.dir.path().join("cache")).unwrap();
    run(Command::new("cp").arg("-r").arg(k3s_release().join(K3S_VERSION)).arg(&release));
    release
}

fn fail_with_release(copy: &Copy, release: &Path, code: i32, words: &[&str]) {
    let mut command = hcimage(copy.dir.path());
    command.args(["build", "--board", "cm4", "--base"]).arg(&copy.image).arg("--k3s").arg(release);
    fail(&mut command, code, words);
    nothing_left(copy.dir.path());
}
