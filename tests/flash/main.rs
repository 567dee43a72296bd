//! `hcimage flash` on disks of the kernel's: loop devices, which need root. What is on them afterwards is judged by e2fsck, fsck.fat,
//! sfdisk and sgdisk, and their contents by debugfs.
//!
//! A loop device does not mind memory or offsets that are not aligned; the unit tests of the writer assert these.

#![cfg(test)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod controller_double;
mod faults;
mod other_writers;
mod turing_pi;

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use hcimage_testkit::external_tool::outcome;
use hcimage_testkit::guest::one_server;
use hcimage_testkit::hcimage::{fail, hcimage, succeed};
use hcimage_testkit::tools::{check, partitions, run};
use hcimage_testkit::unpacked::{libraries, packages};

/// Whether there can be loop devices; said where there cannot.
fn is_root() -> bool {
    let is_root = run(Command::new("id").arg("-u")).trim() == "0";
    if !is_root {
        println!("SKIPPED: needs root, for loop devices");
    }
    is_root
}

/// A partition in the image, so that it is one of a disk.
fn partition(image: &Path) {
    run(Command::new("sh").args(["-c", "echo '2048,4096' | sfdisk --quiet \"$0\""]).arg(image));
}

/// `image.img` of so many bytes, without a file system, so that all of it is written.
fn random_image(dir: &Path, size: u64) -> PathBuf {
    let path = dir.join("image.img");
    run(Command::new("sh")
        .args(["-c", "head -c \"$1\" /dev/urandom >\"$0\""])
        .arg(&path)
        .arg(size.to_string()));
    partition(&path);
    path
}

/// `image.img` of 8 MiB of zeros.
fn blank_image(dir: &Path) -> PathBuf {
    let path = dir.join("image.img");
    File::create(&path).unwrap().set_len(8 << 20).unwrap();
    partition(&path);
    path
}

/// A disk of the kernel's before a file.
struct Loop {
    device: PathBuf,
    file: PathBuf,
}

impl Loop {
    fn new(dir: &Path, size: u64) -> Self {
        let file = dir.join(format!("disk-{size}"));
        // What an earlier owner has left on it.
        let old = vec![0xAA; 1 << 20];
        let disk = File::create(&file).unwrap();
        for at in (0..size).step_by(old.len()) {
            disk.write_all_at(&old[..old.len().min(usize::try_from(size - at).unwrap())], at).unwrap();
        }
        let mut command = Command::new("losetup");
        let device = run(command.args(["--find", "--show", "--partscan"]).arg(&file));
        Self { device: device.trim().into(), file }
    }

    fn flash(&self, dir: &Path, image: &Path) -> Command {
        let mut command = hcimage(dir);
        command.arg("flash").arg(image).arg(&self.device).arg("--fixed").arg("--yes").arg(&self.device);
        command
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = outcome(Command::new("losetup").arg("--detach").arg(&self.device));
    }
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

/// The disk as far as the image goes: the backup of a GPT is at the image's end until the node's first boot moves it.
fn cut(disk: &Loop, image: &Path, dir: &Path) -> PathBuf {
    let path = dir.join("cut.img");
    run(Command::new("cp").args(["--sparse=never"]).arg(&disk.file).arg(&path));
    OpenOptions::new().write(true).open(&path).unwrap().set_len(size(image)).unwrap();
    path
}

/// The files of the root file system, each with its contents' digest, as debugfs reads them.
fn contents(image: &Path, dir: &Path) -> String {
    let (root, _) = partitions(image);
    let out = dir.join("contents");
    let _ = fs::remove_dir_all(&out);
    fs::create_dir(&out).unwrap();
    let place = format!("{}?offset={}", image.display(), root.start);
    // It succeeds whatever happens, and says its version on stderr.
    let dumped =
        outcome(Command::new("debugfs").args(["-R", &format!("rdump / {}", out.display())]).arg(place));
    assert_eq!(dumped.stderr.lines().count(), 1, "{}", dumped.stderr);
    let digests = "find . -type f -print0 | sort -z | xargs -0 sha256sum";
    run(Command::new("sh").args(["-c", digests]).current_dir(&out))
}

#[test]
fn a_built_image_is_on_the_disk_whole_though_only_what_is_used_was_written() {
    if !is_root() {
        return;
    }
    let dir = one_server("");
    let image = dir.path().join("out/lab-1.img");
    let disk = Loop::new(dir.path(), size(&image) + (64 << 20));
    let said = succeed(&mut disk.flash(dir.path(), &image));
    assert!(said.contains("It can be taken out"), "{said}");
    let there = cut(&disk, &image, dir.path());
    check(&there, dir.path());
    assert_eq!(contents(&there, dir.path()), contents(&image, dir.path()));
    // Free blocks have what they had.
    let still_old = run(Command::new("sh").args(["-c", "tr -d -c '\\252' <\"$0\" | wc -c"]).arg(&disk.file));
    assert!(still_old.trim().parse::<u64>().unwrap() > 100 << 20, "{still_old}");

    // The node is changed: only that is written.
    fs::write(dir.path().join("cluster.toml"), {
        let text = fs::read_to_string(dir.path().join("cluster.toml")).unwrap();
        text.replace("board = \"pc\"\n", "board = \"pc\"\nlabels = { place = \"shelf\" }\n")
    })
    .unwrap();
    let mut build = hcimage(dir.path());
    let release = hcimage_testkit::base::k3s_release().join(hcimage_testkit::base::K3S_VERSION);
    succeed(build.args(["build", "--overwrite", "--k3s"]).arg(release));
    let said = succeed(disk.flash(dir.path(), &image).arg("--delta"));
    println!("{said}");
    let there = cut(&disk, &image, dir.path());
    check(&there, dir.path());
}

#[test]
fn what_must_not_be_overwritten_is_refused_and_stays_as_it_is() {
    if !is_root() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let image = blank_image(dir);
    let disk = Loop::new(dir, 16 << 20);
    let before = fs::read(&disk.file).unwrap();
    let device = disk.device.to_str().unwrap().to_owned();
    let flash = |arguments: &[&str]| {
        let mut command = hcimage(dir);
        command.arg("flash").arg(&image).args(arguments);
        command
    };
    fail(&mut flash(&[&device, "--yes", &device]), 1, &["built into this machine", "--fixed"]);
    fail(
        &mut flash(&[&device, "--fixed", "--yes", "other"]),
        2,
        &["--yes other", &format!("expected --yes {device}")],
    );
    fail(&mut flash(&[&device, "--fixed"]), 2, &["--yes"]);
    fail(&mut flash(&[image.to_str().unwrap(), "--fixed", "--yes", "a"]), 2, &["is no disk"]);
    fail(&mut flash(&["/dev/hcimage-none", "--fixed", "--yes", "a"]), 1, &["/dev/hcimage-none"]);

    // What is no image: a packed one.
    let packed = dir.join("image.img.xz");
    run(Command::new("sh").args(["-c", "xz -c \"$0\" >\"$1\""]).arg(&image).arg(&packed));
    let mut command = hcimage(dir);
    command.arg("flash").arg(&packed).args([&device, "--fixed", "--yes", &device]);
    fail(&mut command, 3, &["not a disk image", "xz -dk"]);

    // Another writer.
    let exclusive = OpenOptions::new().read(true).write(true).custom_flags(0o200).open(&disk.device).unwrap();
    fail(&mut flash(&[&device, "--fixed", "--yes", &device]), 1, &["another program uses it"]);
    drop(exclusive);

    let small = Loop::new(dir, 4 << 20);
    let path = small.device.to_str().unwrap();
    fail(&mut flash(&[path, "--fixed", "--yes", path]), 1, &["take a larger one"]);
    assert_eq!(fs::read(&disk.file).unwrap(), before);

    // A file system on it, mounted.
    run(Command::new("mkfs.ext4").args(["-q", "-F"]).arg(&disk.device));
    let mount = dir.join("mount");
    fs::create_dir(&mount).unwrap();
    run(Command::new("mount").arg(&disk.device).arg(&mount));
    let said = outcome(&mut flash(&[&device, "--fixed", "--yes", &device]));
    run(Command::new("umount").arg(&mount));
    assert!(!said.status.success() && said.stderr.contains("it is mounted"), "{}", said.both());

    // Swap.
    run(Command::new("mkswap").arg("-q").arg(&disk.device));
    if outcome(Command::new("swapon").arg(&disk.device)).status.success() {
        let said = outcome(&mut flash(&[&device, "--fixed", "--yes", &device]));
        run(Command::new("swapoff").arg(&disk.device));
        assert!(!said.status.success() && said.stderr.contains("swap is on it"), "{}", said.both());
    }
    // A partition.
    run(Command::new("sh")
        .args(["-c", "echo '2048,4096' | sfdisk --quiet --force \"$0\""])
        .arg(&disk.device));
    let part = PathBuf::from(format!("{device}p1"));
    if part.exists() {
        fail(&mut flash(&[part.to_str().unwrap(), "--fixed", "--yes", "a"]), 1, &["is a partition"]);
    }
}

/// Debian's own UDisks2 and polkit, beside which a user who may not open disks writes to one; a rule stands in for the password.
#[test]
fn a_desktop_opens_the_disk_for_a_user_who_may_not() {
    if !is_root() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let image = blank_image(dir);
    let program = dir.join("hcimage");
    fs::copy(hcimage(dir).get_program(), &program).unwrap();
    let disk = Loop::new(dir, 16 << 20);
    let before = fs::read(&disk.file).unwrap();
    let files = packages(&["udisks2", "polkitd", "dbus-daemon"]);
    let flash = |answer: &str| {
        let script = hcimage_testkit::base::root().join("tests/flash/udisks.sh");
        let mut command = Command::new("sh");
        command.env("LD_LIBRARY_PATH", libraries(&files)).env("HOME", dir);
        command.arg(script).arg(&files).arg(&disk.device).arg(answer).arg(dir).arg(&program).arg("flash");
        command.arg(&image).arg(&disk.device).arg("--fixed").arg("--yes").arg(&disk.device);
        outcome(&mut command)
    };
    let said = flash("NO");
    assert!(!said.status.success(), "{}", said.both());
    assert!(said.both().contains("UDisks2: ") && said.both().contains("NotAuthorized"), "{}", said.both());
    assert_eq!(fs::read(&disk.file).unwrap(), before);
    let said = flash("YES").succeeded();
    assert!(said.both().contains("It can be taken out"), "{}", said.both());
    let there = fs::read(&disk.file).unwrap();
    assert_eq!(there[..8 << 20], fs::read(&image).unwrap());
}
