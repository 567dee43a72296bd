//! The cache: what others put there, what was changed there, and what must not get there.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use hcimage_testkit::base::base;
use hcimage_testkit::hcimage::{build, hcimage, names, succeed};
use hcimage_testkit::publisher::Publisher;
use hcimage_testkit::tools::run;

use super::limits::{put, refuses, succeeds};

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        found.push(entry.path());
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), found);
        }
    }
}

fn pack(image: &Path) -> PathBuf {
    run(Command::new("zstd").args(["-q", "-1", "-f"]).arg(image));
    PathBuf::from(format!("{}.zst", image.display()))
}

#[test]
fn a_built_image_leaves_no_copy() {
    let dir = tempfile::tempdir().unwrap();
    succeed(&mut build(dir.path(), "cm4", &base("pi-os-bookworm-like")));
    let packed = pack(&dir.path().join("hc-1-cm4.img"));
    for arguments in [
        vec!["ls".to_owned(), format!("{}:/etc/hcimage", packed.display())],
        vec!["cat".to_owned(), format!("{}:/etc/hostname", packed.display())],
        vec!["inspect".to_owned(), packed.display().to_string()],
        vec![
            "plan".to_owned(),
            "--board".to_owned(),
            "cm4".to_owned(),
            "--base".to_owned(),
            packed.display().to_string(),
        ],
    ] {
        let mut command = hcimage(dir.path());
        command.args(&arguments);
        hcimage_testkit::external_tool::outcome(&mut command);
        assert_eq!(names(&dir.path().join("cache/images")), Vec::<String>::new(), "{arguments:?}");
    }
    let mut cat = hcimage(dir.path());
    assert_eq!(succeeds(cat.arg("cat").arg(format!("{}:/etc/hostname", packed.display()))).stdout, "hc-1\n");
}

#[test]
fn the_cache_is_the_users_alone() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("stock.img");
    run(Command::new("cp").arg("--sparse=always").arg(base("pi-os-bookworm-like")).arg(&image));
    let packed = pack(&image);
    // As an earlier version made it.
    for folder in ["cache", "cache/images", "cache/locks"] {
        fs::create_dir(dir.path().join(folder)).unwrap();
        fs::set_permissions(dir.path().join(folder), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut inspect = hcimage(dir.path());
    inspect.arg("inspect").arg(&packed);
    succeeds(&inspect);
    let mut found = vec![dir.path().join("cache")];
    files(&dir.path().join("cache"), &mut found);
    let mut images = 0;
    for path in &found {
        let metadata = fs::symlink_metadata(path).unwrap();
        let mode = metadata.permissions().mode() & 0o777;
        if metadata.is_dir() {
            assert_eq!(mode, 0o700, "{}", path.display());
        } else if path.extension().is_some_and(|extension| extension == "img")
            && path.parent().unwrap().ends_with("images")
        {
            assert_eq!(mode, 0o400, "{}", path.display());
            images += 1;
        }
    }
    assert_eq!(images, 1, "{found:?}");

    // Used again as it is, and unpacked again after any change, though size and time are the same.
    let unpacked = found
        .iter()
        .find(|path| path.to_string_lossy().ends_with(".img") && path.parent().unwrap().ends_with("images"))
        .unwrap();
    let inode = || fs::metadata(unpacked).unwrap().ino();
    let before = inode();
    succeeds(&inspect);
    assert_eq!(inode(), before);
    let time = fs::metadata(unpacked).unwrap().modified().unwrap();
    fs::set_permissions(unpacked, fs::Permissions::from_mode(0o600)).unwrap();
    let file = fs::File::options().write(true).open(unpacked).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &[0; 512], 0).unwrap();
    file.set_modified(time).unwrap();
    drop(file);
    fs::set_permissions(unpacked, fs::Permissions::from_mode(0o400)).unwrap();
    succeeds(&inspect);
    assert_eq!(
        fs::read(unpacked).unwrap()[510..512],
        [0x55, 0xaa],
        "the boot sector is that of the image again"
    );
}

/// A download is judged by its bytes, not by its size.
#[test]
fn other_bytes_of_the_same_size_are_not_built_in() {
    let dir = tempfile::tempdir().unwrap();
    let server = Publisher::start();
    let image = dir.path().join("stock.img");
    run(Command::new("cp").arg("--sparse=always").arg(base("pi-os-bookworm-like")).arg(&image));
    let packed = fs::read(pack(&image)).unwrap();
    server.file_with_sum("/base.img.zst", &packed);
    let url = server.url("/base.img.zst");
    put(
        dir.path(),
        "cluster.toml",
        format!(
            "schema = 1\nname = \"lab\"\napi = \"lab.example\"\n[boards.cm4]\nbase = \"{url}\"\n[[nodes]]\nname = \"lab-1\"\nrole = \"server\"\nboard = \"cm4\"\n"
        ),
    );
    let mut plan = hcimage(dir.path());
    plan.args(["plan", "--k3s"]);
    plan.arg(hcimage_testkit::base::k3s_release().join(hcimage_testkit::base::K3S_VERSION));
    succeed(&mut plan);
    let mut found = Vec::new();
    files(&dir.path().join("cache/files"), &mut found);
    let cached = found.iter().find(|path| path.ends_with("base.img.zst")).unwrap();
    // The same size, other bytes; the unpacked copy is gone, so that the file itself would be used.
    let mut other = packed.clone();
    let middle = other.len() / 2;
    other[middle] ^= 1;
    let time = fs::metadata(cached).unwrap().modified().unwrap();
    fs::set_permissions(cached, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(cached, &other).unwrap();
    fs::File::options().write(true).open(cached).unwrap().set_modified(time).unwrap();
    fs::remove_dir_all(dir.path().join("cache/images")).unwrap();
    let said = hcimage_testkit::hcimage::succeed_loudly(&mut plan);
    assert!(said.stderr.contains("is damaged: it is fetched again"), "{}", said.stderr);
    assert!(fs::read(cached).unwrap() == packed);
}

#[test]
fn planted_links_are_not_written_through() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("stock.img");
    run(Command::new("cp").arg("--sparse=always").arg(base("pi-os-bookworm-like")).arg(&image));
    let packed = pack(&image);
    let digest = run(Command::new("sha256sum").arg(&packed));
    let digest = digest.split(' ').next().unwrap();
    let victim = put(dir.path(), "victim", "precious");
    let cache = dir.path().join("cache");
    let fresh = || {
        let _ = fs::remove_dir_all(&cache);
        for folder in ["images", "locks", "downloads", "files"] {
            fs::create_dir_all(cache.join(folder)).unwrap();
        }
    };
    let mut inspect = hcimage(dir.path());
    inspect.arg("inspect").arg(&packed);
    for planted in
        [format!("images/{digest}.unpacking"), "CACHEDIR.TAG".to_owned(), format!("locks/{digest}.img")]
    {
        fresh();
        symlink(&victim, cache.join(&planted)).unwrap();
        let _ = hcimage_testkit::external_tool::outcome(&mut inspect);
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious", "{planted}");
    }
    // A name that does not exist yet is not made either.
    let absent = dir.path().join("absent");
    for planted in
        [format!("images/{digest}.unpacking"), "CACHEDIR.TAG".to_owned(), format!("locks/{digest}.img")]
    {
        fresh();
        symlink(&absent, cache.join(&planted)).unwrap();
        let _ = hcimage_testkit::external_tool::outcome(&mut inspect);
        assert!(!absent.exists(), "{planted}");
    }
    for planted in ["images", "locks", "files", "downloads"] {
        fresh();
        fs::remove_dir(cache.join(planted)).unwrap();
        fs::create_dir_all(&absent).unwrap();
        symlink(&absent, cache.join(planted)).unwrap();
        refuses(&inspect, &[planted, "a link"]);
        assert!(names(&absent).is_empty());
        fs::remove_dir(&absent).unwrap();
    }
}

/// Only root can give files away, and tests need not be root: then there is nothing to try.
#[test]
fn what_is_another_users_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("cache")).unwrap();
    let own = fs::metadata(dir.path()).unwrap().uid();
    if std::os::unix::fs::chown(dir.path().join("cache"), Some(own + 12_345), None).is_err() {
        eprintln!("SKIPPED: giving a directory to another user needs root");
        return;
    }
    let image = put(dir.path(), "a.img.zst", [0x28, 0xb5, 0x2f, 0xfd, 0, 0, 0]);
    let mut inspect = hcimage(dir.path());
    inspect.arg("inspect").arg(image);
    refuses(&inspect, &["cache", "another user's", "HCIMAGE_CACHE"]);
}
