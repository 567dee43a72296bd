//! `make bench`: editing an ext4 image with our layer, with debugfs, and copying the same bytes plainly.
//!
//! All do the same work in the same run: 300 small files in 40 directories, ten replacements, 20 links, 2,000 files in one
//! directory, and files of 75 and 250 MB, in an image of 2 GB. Ours includes the checks before the first and after the
//! last write, which the others do not make. The plain copy is `cp -r` of the same files; as the least that there
//! can be, their bytes are also written into one file. Each way is taken several times in turns, ours in a process
//! of its own, and the medians are compared. Then the check before the first write beside `e2fsck -fn`, in file systems with
//! up to a million inodes in use, and an edit of one of them. Prints; asserts only that e2fsck finds every image clean.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a program for measuring")]
#![expect(clippy::print_stdout, reason = "it prints what it measures")]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hcimage::disk::{ByteOffset, ByteSize, Window};
use hcimage::fs::ext4::{Ext4, Ext4Options};
use hcimage::fs::{Attributes, FileSystem, ImagePath, Source};

/// Bytes of the image.
const IMAGE: u64 = 2 << 30;
/// How often each way is taken.
const RUNS: usize = 5;
/// Numbers of files in one directory that the curve shows.
const CURVE: [u32; 6] = [100, 1_000, 5_000, 10_000, 20_000, 50_000];
/// Numbers of inodes in use that the check is measured with.
const INODES: [u32; 3] = [10_000, 100_000, 1_000_000];
const FILE: Attributes = Attributes { mode: 0o644, uid: 0, gid: 0, mtime: 1_600_000_000 };
const DIR: Attributes = Attributes { mode: 0o755, ..FILE };

/// One change to the image.
enum Step {
    Dir(String),
    /// A new file with the content of a file of this machine.
    File(String, PathBuf),
    /// As [`Step::File`], for a name that is taken.
    Replace(String, PathBuf),
    Link(String, String),
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [_, "--child", "ours", image, source] => child(|| edit(Path::new(image), &steps(Path::new(source)))),
        [_, "--child", "many", image, count] => {
            let count = count.parse().unwrap();
            child(|| many(Path::new(image), count));
        }
        [_, "--child", "check", image] => child(|| drop(open(Path::new(image)))),
        [_, "--child", "touch", image] => {
            let fs = open(Path::new(image));
            child(|| touch(fs));
        }
        _ => compare(),
    }
}

/// Runs `work` and tells the process that started this one how long it took and what memory it needed.
fn child(work: impl FnOnce()) {
    let start = Instant::now();
    work();
    let seconds = start.elapsed().as_secs_f64();
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    println!("{seconds} {}", peak.trim().trim_end_matches(" kB"));
}

/// What a child said: time and peak memory in KiB.
fn run_child(arguments: &[&str]) -> (Duration, u64) {
    let output =
        Command::new(std::env::current_exe().unwrap()).arg("--child").args(arguments).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let (seconds, kib) = said.trim().split_once(' ').unwrap();
    (Duration::from_secs_f64(seconds.parse().unwrap()), kib.parse().unwrap())
}

fn compare() {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("source");
    make_source(&source);
    let base = dir.path().join("base");
    make_base(&base, &source);
    let (mut ours, mut debugfs, mut plain, mut tree) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut peak = 0;
    for _ in 0..RUNS {
        let image = fresh(&base);
        let (time, kib) = run_child(&["ours", image.to_str().unwrap(), source.to_str().unwrap()]);
        ours.push(time);
        peak = peak.max(kib);
        check(&image);
        let image = fresh(&base);
        debugfs.push(by_debugfs(&image, dir.path(), &steps(&source)));
        check(&image);
        fs::remove_file(&image).unwrap();
        plain.push(plain_copy(&dir.path().join("copy"), &steps(&source)));
        tree.push(copy_tree(dir.path(), &source));
    }
    let [ours, debugfs, plain, tree] = [ours, debugfs, plain, tree].map(median);
    let ratio = |of: Duration| ours.as_secs_f64() / of.as_secs_f64();
    println!("ext4, 2 GB image, 2,310 files and 20 links with 325 MB, medians of {RUNS} runs");
    let peak = mib(peak);
    println!(
        "  ours, checked before and after  {:6.3} s, {peak:.1} MiB of memory (goal 32)",
        ours.as_secs_f64()
    );
    for (name, time, goal) in [
        ("debugfs -w -f, unchecked", debugfs, " (goal 0.60)"),
        ("cp -r of the same files", tree, " (goal 1.30)"),
        ("the same bytes into one file", plain, ""),
    ] {
        println!("  {name:31} {:6.3} s, ours is {:.2} of it{goal}", time.as_secs_f64(), ratio(time));
    }
    println!("ext4, empty files in one directory");
    for count in CURVE {
        let image = fresh(&base);
        let (time, kib) = run_child(&["many", image.to_str().unwrap(), &count.to_string()]);
        check(&image);
        let each = time.as_secs_f64() * 1e6 / f64::from(count);
        println!("  {count:6}: {:7.3} s, {each:6.1} µs each, {:.1} MiB", time.as_secs_f64(), mib(kib));
    }
    drop(dir);
    compare_checks();
}

/// The check of file systems with many inodes beside that of e2fsck, and an edit with the check behind it.
fn compare_checks() {
    println!(
        "ext4, the check before the first write beside e2fsck -fn, and 20 files written and checked; medians of {RUNS}"
    );
    for count in INODES {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("image");
        let room = u64::from(count) * 512 + (256 << 20);
        File::create(&image).unwrap().set_len(room.next_multiple_of(1 << 20)).unwrap();
        let inodes = (count + count / 8 + 2000).to_string();
        tool("mke2fs", &["-q", "-F", "-t", "ext4", "-N", &inodes, image.to_str().unwrap()]);
        // Made by us, a hundred names in a directory as in a usual system, and judged by e2fsck.
        fill(&image, count);
        let (mut ours, mut e2fsck, mut edits) = (Vec::new(), Vec::new(), Vec::new());
        let mut peak = 0;
        for _ in 0..RUNS {
            let start = Instant::now();
            check(&image);
            e2fsck.push(start.elapsed());
            let (time, kib) = run_child(&["check", image.to_str().unwrap()]);
            ours.push(time);
            peak = peak.max(kib);
            edits.push(run_child(&["touch", image.to_str().unwrap()]).0);
        }
        let [ours, e2fsck, edits] = [ours, e2fsck, edits].map(|times| median(times).as_secs_f64());
        println!(
            "  {count:7} inodes: ours {ours:6.3} s, e2fsck {e2fsck:6.3} s, ours is {:.2} of it (goal 1.00); the edit {edits:.3} s; \
             {:.1} MiB (goal 64)",
            ours / e2fsck,
            mib(peak)
        );
    }
}

/// Files of a few bytes, a hundred in a directory, until so many inodes are in use.
fn fill(image: &Path, count: u32) {
    let fs = open(image);
    let path = |text: &str| ImagePath::parse(text).unwrap();
    let mut made = 0;
    for dir in 0.. {
        let at = format!("/a/{}/{dir}", dir / 100);
        fs.create_dirs(&path(&at), DIR).unwrap();
        for number in 0..100 {
            if made >= count {
                Box::new(fs).finish().unwrap();
                return;
            }
            made += 1;
            let content: &[u8] = if number % 4 == 0 { b"a few bytes" } else { b"" };
            fs.write(&path(&format!("{at}/file-{number}")), &mut &*content, FILE).unwrap();
        }
    }
}

/// A small edit and the check behind it.
fn touch(fs: Ext4) {
    let path = |text: &str| ImagePath::parse(text).unwrap();
    fs.create_dirs(&path("/etc/new"), DIR).unwrap();
    for number in 0..20 {
        fs.write(&path(&format!("/etc/new/{number}")), &mut &[7_u8; 5000][..], FILE).unwrap();
    }
    Box::new(fs).finish().unwrap();
}

fn mib(kib: u64) -> f64 {
    f64::from(u32::try_from(kib).unwrap()) / 1024.0
}

fn steps(source: &Path) -> Vec<Step> {
    let mut steps: Vec<Step> = (0..40).map(|n| Step::Dir(format!("/opt/directory-{n}"))).collect();
    let small = |n: u32| source.join(format!("small-{n}"));
    steps.extend((0..300).map(|n| Step::File(format!("/opt/directory-{}/small-{n}", n % 40), small(n))));
    steps.extend((0..10).map(|n| Step::Replace(format!("/etc/small-{n}"), small(n + 20))));
    steps.extend(
        (0..20).map(|n| Step::Link(format!("/opt/link-{n}"), format!("/opt/directory-{n}/small-{n}"))),
    );
    steps.push(Step::Dir("/opt/many".into()));
    steps.extend(
        (0..2000).map(|n| Step::File(format!("/opt/many/a-name-of-usual-length-{n}"), source.join("tiny"))),
    );
    steps.extend(
        ["75", "250"].map(|mb| Step::File(format!("/opt/large-{mb}"), source.join(format!("large-{mb}")))),
    );
    steps
}

fn make_source(source: &Path) {
    fs::create_dir(source).unwrap();
    for n in 0..300_usize {
        fs::write(source.join(format!("small-{n}")), noise(300 + n * 37 % 9000)).unwrap();
    }
    fs::write(source.join("tiny"), b"apiVersion: v1\n").unwrap();
    for megabytes in [75, 250] {
        fs::write(source.join(format!("large-{megabytes}")), noise(megabytes * 1_000_000)).unwrap();
    }
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_u32;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next).take(len.div_ceil(4)).flatten().take(len).collect()
}

fn make_base(base: &Path, source: &Path) {
    let tree = tempfile::tempdir().unwrap();
    for dir in ["etc", "opt"] {
        fs::create_dir(tree.path().join(dir)).unwrap();
    }
    for n in 0..10 {
        fs::copy(source.join(format!("small-{n}")), tree.path().join(format!("etc/small-{n}"))).unwrap();
    }
    File::create(base).unwrap().set_len(IMAGE).unwrap();
    tool("mke2fs", &["-q", "-F", "-t", "ext4", "-d", tree.path().to_str().unwrap(), base.to_str().unwrap()]);
}

/// A copy of the base.
fn fresh(base: &Path) -> PathBuf {
    let image = base.with_extension("image");
    tool("cp", &["--sparse=always", base.to_str().unwrap(), image.to_str().unwrap()]);
    image
}

fn open(image: &Path) -> Ext4 {
    let file = File::options().read(true).write(true).open(image).unwrap();
    let len = file.metadata().unwrap().len();
    let window = Window::new(Arc::new(file), ByteOffset(0), ByteSize(len)).unwrap();
    Ext4::open(window, Ext4Options { now: FILE.mtime, writable: true, replay: false }).unwrap()
}

fn edit(image: &Path, steps: &[Step]) {
    let fs = open(image);
    let path = |text: &str| ImagePath::parse(text).unwrap();
    for step in steps {
        match step {
            Step::Dir(at) => fs.create_dirs(&path(at), DIR).unwrap(),
            Step::File(at, from) | Step::Replace(at, from) => {
                fs.write(&path(at), &mut Source::streamed(&mut File::open(from).unwrap()), FILE)
                    .map(drop)
                    .unwrap();
            }
            Step::Link(at, target) => fs.symlink(&path(at), target, FILE).unwrap(),
        }
    }
    Box::new(fs).finish().unwrap();
}

fn many(image: &Path, count: u32) {
    let fs = open(image);
    for n in 0..count {
        let at = ImagePath::parse(&format!("/opt/a-name-of-usual-length-{n}")).unwrap();
        fs.write(&at, &mut Source::sized(&mut std::io::empty(), 0), FILE).unwrap();
    }
    Box::new(fs).finish().unwrap();
}

fn by_debugfs(image: &Path, dir: &Path, steps: &[Step]) -> Duration {
    let script: String = steps.iter().map(debugfs_line).collect();
    let file = dir.join("script");
    fs::write(&file, script).unwrap();
    let start = Instant::now();
    tool("debugfs", &["-w", "-f", file.to_str().unwrap(), image.to_str().unwrap()]);
    start.elapsed()
}

fn debugfs_line(step: &Step) -> String {
    match step {
        Step::Dir(at) => format!("mkdir {at}\n"),
        Step::File(at, from) => format!("write {} {at}\n", from.display()),
        Step::Replace(at, from) => format!("rm {at}\nwrite {} {at}\n", from.display()),
        Step::Link(at, target) => format!("symlink {at} {target}\n"),
    }
}

/// Reads what the steps read, and writes it into one new file.
fn plain_copy(to: &Path, steps: &[Step]) -> Duration {
    let start = Instant::now();
    let mut out = File::create(to).unwrap();
    let mut buffer = vec![0; 1 << 20];
    for step in steps {
        if let Step::File(_, from) | Step::Replace(_, from) = step {
            let mut from = File::open(from).unwrap();
            loop {
                let count = from.read(&mut buffer).unwrap();
                if count == 0 {
                    break;
                }
                out.write_all(&buffer[..count]).unwrap();
            }
        }
    }
    drop(out);
    let time = start.elapsed();
    fs::remove_file(to).unwrap();
    time
}

fn copy_tree(dir: &Path, source: &Path) -> Duration {
    let to = dir.join("tree");
    let start = Instant::now();
    tool("cp", &["-r", "--reflink=never", source.to_str().unwrap(), to.to_str().unwrap()]);
    let time = start.elapsed();
    fs::remove_dir_all(&to).unwrap();
    time
}

fn check(image: &Path) {
    tool("e2fsck", &["-fn", image.to_str().unwrap()]);
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[track_caller]
fn tool(name: &str, arguments: &[&str]) {
    let path = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin";
    let output = Command::new(name).args(arguments).env("PATH", path).output();
    let output = output.unwrap_or_else(|error| panic!("{name}: {error}; install the package e2fsprogs"));
    assert!(output.status.success(), "{name} {arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
}
