//! Archives that unpack to more than anything can hold, and files that never end.

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use hcimage_testkit::base::{K3S_VERSION, base, k3s_release};
use hcimage_testkit::hcimage::hcimage;
use hcimage_testkit::tools::run;

use super::limits::{put, refuses, succeeds};

/// A header of a tar archive (pax(1), "ustar Interchange Format").
fn tar_header(name: &str, kind: u8, size: u64) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    header[148..156].fill(b' ');
    header[156] = kind;
    header[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

fn shell(dir: &Path, script: &str) {
    run(Command::new("sh").current_dir(dir).arg("-ec").arg(script));
}

fn inspect(dir: &Path, file: &str) -> Command {
    let mut command = hcimage(dir);
    command.args(["inspect", file]);
    command
}

fn nothing_unpacked(dir: &Path) {
    let left: Vec<_> = fs::read_dir(dir.join("cache/images"))
        .map(|entries| entries.map(|entry| entry.unwrap().file_name()).collect())
        .unwrap_or_default();
    assert!(left.is_empty(), "{left:?}");
}

/// GNU's long names and links, and extended headers of pax for one file and for all.
#[test]
fn a_tar_archive_with_endless_headers() {
    let dir = tempfile::tempdir().unwrap();
    let size: u64 = 3 << 30;
    for kind in [b'L', b'K', b'x', b'g'] {
        put(dir.path(), "header", tar_header("././@LongLink", kind, size));
        shell(
            dir.path(),
            &format!(
                "(cat header; head -c {size} /dev/zero; head -c 1024 /dev/zero) | zstd -1 -q -f -o a.tar.zst"
            ),
        );
        let said = refuses(&inspect(dir.path(), "a.tar.zst"), &["a.tar.zst"]);
        // A header for all files is no name of one: it is skipped, and unpacks to too much.
        let word = if kind == b'g' { "decompression bomb" } else { "names or headers" };
        assert!(said.stderr.contains(word), "{}: {}", char::from(kind), said.stderr);
    }
    // Many small ones before one file.
    let one = [tar_header("a", b'L', 1 << 20), vec![b'a'; 1 << 20]].concat();
    put(dir.path(), "a.tar", one.repeat(20));
    refuses(&inspect(dir.path(), "a.tar"), &["a.tar"]);
    nothing_unpacked(dir.path());
}

/// A GNU sparse file of 8 EiB, which is all holes.
#[test]
fn a_sparse_file_of_holes_in_an_archive() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["a.img", "README"] {
        let mut header = tar_header(name, b'S', 0);
        header[257..265].copy_from_slice(b"ustar  \0");
        // The real size, in base 256.
        header[483..495].copy_from_slice(&[0x80, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        put(dir.path(), "a.tar", [header, vec![0; 1024]].concat());
        refuses(&inspect(dir.path(), "a.tar"), &["a.tar"]);
    }
    nothing_unpacked(dir.path());
}

#[test]
fn packed_zeros_without_end() {
    let dir = tempfile::tempdir().unwrap();
    shell(dir.path(), "head -c 67108864 /dev/zero > zeros");
    // 64 GiB each, in as many pieces of 64 MiB.
    for (program, name) in
        [("xz -1 -T1 -c", "a.img.xz"), ("gzip -9 -c", "a.img.gz"), ("zstd -19 -q -c", "a.img.zst")]
    {
        shell(
            dir.path(),
            &format!(
                "{program} zeros > piece; : > {name}; i=0; \
                 while [ $i -lt 32 ]; do cat piece piece piece piece piece piece piece piece; i=$((i+1)); done > more; \
                 cat more more more more > {name}"
            ),
        );
        refuses(&inspect(dir.path(), name), &[name, "decompression bomb"]);
    }
    shell(dir.path(), "qemu-img create -q -f qcow2 a.qcow2 64G");
    refuses(&inspect(dir.path(), "a.qcow2"), &["a.qcow2", "decompression bomb"]);
    nothing_unpacked(dir.path());
}

/// What is no bomb, though it has much room.
#[test]
fn an_image_with_much_room_unpacks() {
    let dir = tempfile::tempdir().unwrap();
    shell(
        dir.path(),
        "truncate -s 900M a.img; printf 'start=2048, size=204800, type=c\\nstart=206848, type=83\\n' | sfdisk -q a.img; \
         gzip -1 a.img",
    );
    // It is unpacked, and then there is no system in it.
    refuses(&inspect(dir.path(), "a.img.gz"), &["without an ext4 file system"]);
}

/// zstd may ask for a window of 2 GiB, xz for a dictionary of 1.5 GiB.
#[test]
fn a_window_larger_than_memory() {
    let dir = tempfile::tempdir().unwrap();
    shell(dir.path(), "head -c 1000000 /dev/urandom > noise");
    // A frame without its size, so that its window is what its header says: 2 GiB.
    shell(dir.path(), "zstd -q --ultra -22 --long=31 -c < noise > a.img.zst");
    refuses(&inspect(dir.path(), "a.img.zst"), &["a.img.zst"]);
    shell(
        dir.path(),
        "xz --format=xz --lzma2=preset=0,dict=1536MiB,mf=hc3,mode=fast -T1 -c < noise > b.img.xz",
    );
    refuses(&inspect(dir.path(), "b.img.xz"), &["b.img.xz"]);
}

#[test]
fn a_zip_archive_with_an_endless_table_of_contents() {
    let dir = tempfile::tempdir().unwrap();
    let (name, entries) = (vec![b'a'; 65_000], 200_u16);
    let mut table = Vec::new();
    for _ in 0..entries {
        table.extend(b"PK\x01\x02");
        table.extend([20, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0]);
        table.extend([0; 12]);
        table.extend(65_000_u16.to_le_bytes());
        table.extend([0; 16]);
        table.extend(&name);
    }
    let mut zip = b"PK\x03\x04".to_vec();
    zip.resize(64, 0);
    let start = u32::try_from(zip.len()).unwrap();
    zip.extend(&table);
    zip.extend(b"PK\x05\x06\0\0\0\0");
    zip.extend(entries.to_le_bytes());
    zip.extend(entries.to_le_bytes());
    zip.extend(u32::try_from(table.len()).unwrap().to_le_bytes());
    zip.extend(start.to_le_bytes());
    zip.extend([0, 0]);
    put(dir.path(), "a.zip", zip);
    refuses(&inspect(dir.path(), "a.zip"), &["a.zip"]);
}

/// What is not a regular file, by the word that says so.
fn special_files(dir: &Path) -> (Vec<(PathBuf, &'static str)>, UnixListener) {
    run(Command::new("mkfifo").arg(dir.join("fifo")));
    let listening = UnixListener::bind(dir.join("socket")).unwrap();
    fs::create_dir(dir.join("folder")).unwrap();
    let files = vec![
        (PathBuf::from("/dev/zero"), "a device"),
        (dir.join("fifo"), "a pipe"),
        (dir.join("folder"), "a directory"),
        (dir.join("socket"), ""),
        (PathBuf::from("/proc/self/maps"), ""),
    ];
    (files, listening)
}

const CLUSTER: &str = "schema = 1\nname = \"lab\"\napi = \"lab.example\"\n[[nodes]]\nname = \"lab-1\"\nrole = \"server\"\nboard = \"cm4\"\n";

#[test]
fn only_regular_files_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let (files, _listening) = special_files(dir.path());
    for (file, word) in files {
        let name = file.display().to_string();
        // Everything that a cluster file names.
        for named in [
            format!("manifests = [{name:?}]\n{CLUSTER}"),
            format!("{CLUSTER}[[users]]\nname = \"anna\"\nssh-key-files = [{name:?}]\n"),
            format!("{CLUSTER}[[users]]\nname = \"anna\"\npassword-hash = {{ file = {name:?} }}\n"),
            format!("{CLUSTER}[registries.configs.\"r.example\".tls]\nca-file = {name:?}\n"),
            format!(
                "{CLUSTER}[registries.configs.\"r.example\".tls]\ncert-file = {name:?}\nkey-file = {name:?}\n"
            ),
            format!("{CLUSTER}[registries.configs.\"r.example\".auth]\ntoken = {{ file = {name:?} }}\n"),
        ] {
            put(dir.path(), "cluster.toml", &named);
            let mut plan = hcimage(dir.path());
            plan.arg("plan");
            refuses(&plan, &[name.as_str(), word]);
        }
        // Everything that the command line names.
        for arguments in [
            vec!["plan", &name],
            vec!["plan", "--board", "cm4", "--base", &name],
            vec!["plan", "--board", "cm4", "--manifest", &name],
            vec!["inspect", &name],
            vec!["run", "--board", "cm4", &name],
        ] {
            let mut command = hcimage(dir.path());
            command.args(&arguments);
            refuses(&command, &[word]);
        }
        let base = base("pi-os-bookworm-like");
        let mut plan = hcimage(dir.path());
        plan.args(["plan", "--board", "cm4", "--lock", &name, "--base"]).arg(&base);
        refuses(&plan, &[word]);
        // Files that are looked for under a fixed name.
        let link = |at: &str| {
            let at = dir.path().join(at);
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            let _ = fs::remove_file(&at);
            std::os::unix::fs::symlink(&file, at).unwrap();
        };
        link("profiles/x.toml");
        let mut boards = hcimage(dir.path());
        boards.args(["boards", "--profiles", "profiles"]);
        refuses(&boards, &["x.toml", word]);
        put(dir.path(), "raw.img", "x");
        link("raw.img.sha256");
        refuses(
            hcimage(dir.path()).args(["plan", "--board", "cm4", "--base", "raw.img"]),
            &["raw.img.sha256", word],
        );
        fs::remove_file(dir.path().join("raw.img.sha256")).unwrap();
        put(dir.path(), "cluster.toml", CLUSTER);
        link("cluster.secrets.toml");
        let mut plan = hcimage(dir.path());
        plan.args(["plan", "--base"]).arg(&base).arg("--k3s").arg(k3s_release().join(K3S_VERSION));
        refuses(&plan, &[]);
        fs::remove_file(dir.path().join("cluster.secrets.toml")).unwrap();
        for name in ["sha256sum-arm64.txt", "k3s-arm64", "k3s-airgap-images-arm64.tar.zst"] {
            let release = dir.path().join(K3S_VERSION);
            let _ = fs::remove_dir_all(&release);
            run(Command::new("cp").arg("-r").arg(k3s_release().join(K3S_VERSION)).arg(&release));
            link(&format!("{K3S_VERSION}/{name}"));
            let mut build = hcimage(dir.path());
            build.args(["build", "--board", "cm4", "--overwrite", "--k3s", K3S_VERSION, "--base"]).arg(&base);
            refuses(&build, &[]);
        }
    }
}

#[test]
fn files_of_a_cluster_are_bounded_together() {
    let dir = tempfile::tempdir().unwrap();
    let mut names = Vec::new();
    for number in 0..12 {
        let name = format!("m{number}.yaml");
        let mut text = format!("apiVersion: v1\nkind: A\nmetadata: {{name: a{number}}}\n");
        text.push_str(&"#".repeat(7 << 20));
        put(dir.path(), &name, text);
        names.push(format!("{name:?}"));
    }
    put(dir.path(), "cluster.toml", format!("manifests = [{}]\n{CLUSTER}", names.join(", ")));
    refuses(hcimage(dir.path()).arg("plan"), &["all files together"]);
}

/// A file that is neither longer than it may be nor special is read, whatever is in it.
#[test]
fn an_ordinary_file_is_still_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = fs::File::create(dir.path().join("x.yaml")).unwrap();
    file.write_all(b"apiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n").unwrap();
    put(dir.path(), "cluster.toml", format!("manifests = [\"x.yaml\"]\n{CLUSTER}"));
    let mut plan = hcimage(dir.path());
    plan.args(["plan", "--base"]).arg(base("pi-os-bookworm-like"));
    let said = succeeds(plan.arg("--k3s").arg(k3s_release().join(K3S_VERSION)));
    assert!(!said.stderr.contains("outside"), "{}", said.stderr);
}
