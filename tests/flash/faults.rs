//! Disks that fail: errors as the kernel reports them, a disk that goes away, one that ends early, and a writer that is killed.
//!
//! The disk is a file that qemu-storage-daemon exports by FUSE, with its blkdebug driver before it, under a loop device: so errors
//! come through the kernel's block layer, as a card's do. Direct I/O of the loop device on it is no option: QEMU 7.2 mixes up requests
//! then, which reading back finds too.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use hcimage_testkit::external_tool::outcome;
use hcimage_testkit::hcimage::succeed;
use hcimage_testkit::tools::run;

use super::{Loop, is_root, random_image};

const MIB: u64 = 1 << 20;

/// The size of the image in bytes; all of it is used.
const IMAGE: u64 = 48 * MIB;

/// A file behind FUSE, and the loop device on it.
struct Faulty {
    daemon: Child,
    disk: Loop,
    /// What the daemon keeps.
    kept: PathBuf,
}

impl Faulty {
    /// `rules` are options of blkdebug.
    fn new(dir: &Path, rules: &str) -> Self {
        let (kept, file) = (dir.join("kept"), dir.join("exported"));
        File::create(&kept).unwrap().set_len(IMAGE + 32 * MIB).unwrap();
        File::create(&file).unwrap();
        let mut command = Command::new("qemu-storage-daemon");
        command.args(["--blockdev", &format!("driver=file,node-name=f,filename={}", kept.display())]);
        command.args(["--blockdev", &format!("driver=blkdebug,node-name=b,image=f{rules}")]);
        let export = format!("type=fuse,id=e,node-name=b,writable=on,mountpoint={}", file.display());
        let daemon = command.args(["--export", &export]).stdout(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while fs::metadata(&file).is_ok_and(|found| found.len() == 0) {
            assert!(Instant::now() < deadline, "qemu-storage-daemon did not export");
            sleep(Duration::from_millis(20));
        }
        let device = run(Command::new("losetup").args(["--find", "--show"]).arg(&file));
        Self { daemon, disk: Loop { device: device.trim().into(), file }, kept }
    }

    fn head(&self) -> Vec<u8> {
        let mut head = vec![0; 1 << 20];
        File::open(&self.kept).unwrap().read_exact(&mut head).unwrap();
        head
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        let _ = outcome(Command::new("losetup").arg("--detach").arg(&self.disk.device));
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        let _ = outcome(Command::new("umount").arg(&self.disk.file));
    }
}

/// A rule of blkdebug: each write of this sector fails with EIO.
fn fails(byte: u64) -> String {
    let sector = byte / 512;
    format!(
        ",inject-error.0.event=none,inject-error.0.iotype=write,inject-error.0.sector={sector},inject-error.0.errno=5,\
         inject-error.0.immediately=on"
    )
}

#[test]
fn an_error_of_the_disk_is_told_with_its_place_and_nothing_starts_from_it() {
    if !is_root() {
        return;
    }
    // An error of a read cannot be had so: the kernel has what was written to a FUSE file in its cache. The unit tests have it.
    for at in [20 * MIB, IMAGE + 31 * MIB] {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path();
        let image = random_image(dir, IMAGE);
        let faulty = Faulty::new(dir, &fails(at));
        let said = outcome(&mut faulty.disk.flash(dir, &image));
        assert_eq!(said.status.code(), Some(1), "{at}: {}", said.both());
        assert!(said.both().contains("nothing starts from it"), "{at}: {}", said.both());
        // FUSE may keep an error of a write to itself: then it is what was read back that shows it.
        let known = ["Input/output error", "does not have what was written"];
        let known = known.iter().any(|word| said.both().contains(word));
        assert!(known, "{at}: {}", said.both());
        assert!(faulty.head().iter().all(|byte| *byte == 0), "{at}: it may start");
    }
}

#[test]
fn a_disk_that_goes_away_leaves_nothing_that_starts() {
    if !is_root() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let image = random_image(dir, IMAGE);
    let mut faulty = Faulty::new(dir, "");
    let mut writer =
        faulty.disk.flash(dir, &image).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // As soon as a part of the image is there.
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut some = [0; 4096];
    while some.iter().all(|byte| *byte == 0) {
        assert!(Instant::now() < deadline && writer.try_wait().unwrap().is_none(), "nothing was written");
        File::open(&faulty.kept).unwrap().read_exact_at(&mut some, 20 * MIB).unwrap();
    }
    faulty.daemon.kill().unwrap();
    let said = writer.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert_eq!(said.status.code(), Some(1), "{text}");
    assert!(text.contains("nothing starts from it"), "{text}");
    assert!(faulty.head().iter().all(|byte| *byte == 0));
}

/// A sparse file on a file system that is too small for it: writes behind the real end fail.
#[test]
fn a_disk_that_ends_before_it_says_is_found_out() {
    if !is_root() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let image = random_image(dir, IMAGE);
    let small = dir.join("small");
    fs::create_dir(&small).unwrap();
    run(Command::new("mount").args(["-t", "tmpfs", "-o", "size=32m", "small"]).arg(&small));
    let file = small.join("disk");
    File::create(&file).unwrap().set_len(IMAGE + 32 * MIB).unwrap();
    let device = run(Command::new("losetup").args(["--find", "--show"]).arg(&file));
    let disk = Loop { device: device.trim().into(), file };
    let said = outcome(&mut disk.flash(dir, &image));
    let mut head = vec![0xFF; 1 << 20];
    File::open(&disk.file).unwrap().read_exact(&mut head).unwrap();
    drop(disk);
    run(Command::new("umount").arg(&small));
    assert_eq!(said.status.code(), Some(1), "{}", said.both());
    assert!(said.both().contains("nothing starts from it"), "{}", said.both());
    assert!(head.iter().all(|byte| *byte == 0));
}

/// The sectors that the kernel has read from a disk and written to it (Documentation/ABI/stable/sysfs-block, `stat`).
fn moved(disk: &Loop) -> u64 {
    let name = disk.device.file_name().unwrap().to_str().unwrap();
    let stat = fs::read_to_string(format!("/sys/block/{name}/stat")).unwrap();
    let fields: Vec<u64> = stat.split_ascii_whitespace().map(|field| field.parse().unwrap()).collect();
    fields[2] + fields[6]
}

/// Kills the writer at 50 random places of its run, each on a disk with something else on it; every second one is near its end, where
/// the image's head is written. A place is how much was moved, not how long it took: no two runs take equally long.
#[test]
fn a_writer_that_is_killed_leaves_nothing_that_starts_but_the_whole_image() {
    if !is_root() {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let dir = scratch.path();
    let path = random_image(dir, IMAGE);
    let image = fs::read(&path).unwrap();
    let disk = Loop::new(dir, IMAGE + 8 * MIB);
    let before = moved(&disk);
    succeed(&mut disk.flash(dir, &path));
    let whole = moved(&disk) - before;
    let old = vec![0xAA_u8; 1 << 20];
    let mut random = File::open("/dev/urandom").unwrap();
    let mut ends = [0; 3];
    for round in 0..50 {
        // An earlier system, which must not start with half of the new one either.
        let file = OpenOptions::new().write(true).open(&disk.device).unwrap();
        file.write_all_at(&old, 0).unwrap();
        file.sync_all().unwrap();
        drop(file);
        let mut bytes = [0; 2];
        random.read_exact(&mut bytes).unwrap();
        let part = if round % 2 == 0 { whole } else { 4 * MIB / 512 };
        let left = part * u64::from(u16::from_le_bytes(bytes)) / 65_536;
        let kill_at = moved(&disk) + whole - left;
        let mut command = disk.flash(dir, &path);
        let mut writer = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while moved(&disk) < kill_at && writer.try_wait().unwrap().is_none() {
            sleep(Duration::from_micros(100));
        }
        let _ = writer.kill();
        writer.wait().unwrap();
        run(Command::new("sync").arg(&disk.file));
        let mut there = vec![0; image.len()];
        File::open(&disk.file).unwrap().read_exact(&mut there).unwrap();
        if there[..512] == image[..512] {
            ends[2] += 1;
            assert!(there == image, "it starts, and is not the image");
        } else if there[..512] == old[..512] {
            ends[0] += 1;
        } else {
            ends[1] += 1;
            assert!(there[..512].iter().all(|byte| *byte == 0), "half a boot sector");
        }
    }
    println!(
        "killed before anything was written: {}, in between: {}, at the end: {}",
        ends[0], ends[1], ends[2]
    );
    assert!(ends[1] > 10, "the places did not meet the writing");
    succeed(disk.flash(dir, &path).arg("--delta"));
    let mut there = vec![0; image.len()];
    File::open(&disk.file).unwrap().read_exact(&mut there).unwrap();
    assert!(there == image);
}
