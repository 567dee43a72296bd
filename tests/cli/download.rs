//! `hcimage build --board cm4` with nothing else: base and k3s come from servers, verified and locked.
//!
//! The servers are local and serve what the publishers serve, under the same names; only the addresses differ.

use std::fs;
use std::process::Command;

use hcimage_testkit::base::{K3S_VERSION, base, k3s_release, root};
use hcimage_testkit::hcimage::{fail, hcimage, names, succeed, succeed_loudly};
use hcimage_testkit::publisher::{Fault, Publisher};
use hcimage_testkit::tools::run;

const FILE: &str = "2026-06-18-raspios-trixie-arm64-lite.img.xz";
const DIR: &str = "/raspios_lite_arm64/images/raspios_lite_arm64-2026-06-19";

/// The two publishers, and a profile that names them instead of the real ones.
struct World {
    server: Publisher,
    dir: tempfile::TempDir,
}

/// How the base is packed: a name, and the command that does it.
type Packing = (&'static str, &'static str);

const MULTI_BLOCK: Packing = ("multi-block", "xz -0 -T2 --block-size=24MiB -c \"$IMAGE\"");
const SINGLE_BLOCK: Packing = ("single-block", "xz -0 -T1 -c \"$IMAGE\"");
const STREAMS: Packing =
    ("streams", "head -c 300000000 \"$IMAGE\" | xz -0 -c; tail -c +300000001 \"$IMAGE\" | xz -0 -c");

/// The packed base. Packing takes most of a minute, so it is kept beside the base, under the name of its recipe's hash.
fn packed((name, command): Packing) -> Vec<u8> {
    let image = base("pi-os-trixie-like");
    let packed = image.with_extension(format!("{name}.xz"));
    if !packed.exists() {
        let fresh = tempfile::NamedTempFile::new_in(image.parent().unwrap()).unwrap();
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("({command}) > \"$PACKED\""));
        run(shell.env("IMAGE", &image).env("PACKED", fresh.path()));
        fresh.persist(&packed).unwrap();
    }
    fs::read(packed).unwrap()
}

fn world(packing: Packing) -> World {
    let server = Publisher::start();
    let dir = tempfile::tempdir().unwrap();
    server.file_with_sum(&format!("{DIR}/{FILE}"), &packed(packing));
    server.redirect("/raspios_lite_arm64_latest", &format!("{DIR}/{FILE}"));

    server.redirect("/channels/stable", &format!("/tag/{}", K3S_VERSION.replace('+', "%2B")));
    server.file(&format!("/tag/{}", K3S_VERSION.replace('+', "%2B")), "a page");
    for name in names(&k3s_release().join(K3S_VERSION)) {
        let bytes = fs::read(k3s_release().join(K3S_VERSION).join(&name)).unwrap();
        server.file(&format!("/releases/{}/{name}", K3S_VERSION.replace('+', "%2B")), bytes);
    }

    let profile = fs::read_to_string(root().join("board-profiles/cm4.toml")).unwrap();
    let url = server.url("/raspios_lite_arm64_latest").to_string();
    let profile = profile.replace("https://downloads.raspberrypi.com/raspios_lite_arm64_latest", &url);
    assert!(profile.contains(&url), "the profile's address changed");
    fs::create_dir(dir.path().join("profiles")).unwrap();
    fs::write(dir.path().join("profiles/cm4.toml"), profile).unwrap();
    World { server, dir }
}

impl World {
    fn build(&self) -> Command {
        let mut command = hcimage(self.dir.path());
        command.args(["build", "--board", "cm4", "--profiles", "profiles", "--overwrite", "--k3s-releases"]);
        command.arg(self.server.url("/releases").to_string()).arg("--k3s-channels");
        command.arg(self.server.url("/channels").to_string());
        command
    }

    fn lock(&self) -> String {
        fs::read_to_string(self.dir.path().join("hcimage.lock")).unwrap()
    }

    fn image(&self) -> String {
        let image = self.dir.path().join("hc-1-cm4.img");
        let said = run(Command::new("sha256sum").arg(image));
        said.split(' ').next().unwrap().to_owned()
    }
}

#[test]
fn base_and_k3s_are_fetched_verified_and_locked() {
    let world = world(MULTI_BLOCK);
    // The first answer only tells where the address leads. Then the line drops in the middle of the base; the rest is fetched, not all of it again.
    world.server.faults(&format!("{DIR}/{FILE}"), &[Fault::CutAfter(1000), Fault::CutAfter(10_000_000)]);
    let first_use = succeed_loudly(&mut world.build());
    let said = first_use.stdout;
    for (input, by) in
        [("base.cm4", format!("{FILE}.sha256")), ("k3s-arm64", "sha256sum-arm64.txt".to_owned())]
    {
        let line = first_use.stderr.lines().find(|line| line.contains(&format!("{input}: on first use")));
        assert!(
            line.is_some_and(|line| line.contains(&by) && line.contains("without a signature")),
            "{line:?}"
        );
    }
    let asked = world.server.take_requests();
    let ranges: Vec<_> =
        asked.iter().filter(|request| request.path.ends_with(FILE)).map(|r| &r.range).collect();
    assert!(ranges.contains(&&Some("bytes=10000000-".to_owned())), "{ranges:?}");
    assert!(said.contains("Raspberry Pi OS trixie") && said.contains(K3S_VERSION), "{said}");
    let lock = world.lock();
    assert!(lock.contains(FILE) && lock.contains("base.cm4") && lock.contains("k3s-arm64"), "{lock}");

    // The same again: nothing is fetched twice, and the bytes are the same.
    let first = world.image();
    world.server.take_requests();
    let again = succeed_loudly(&mut world.build());
    assert!(!again.stderr.contains("on first use"), "{}", again.both());
    assert_eq!(world.image(), first);
    assert_eq!(world.server.take_paths(), Vec::<String>::new());
    assert_eq!(world.lock(), lock);
}

#[test]
fn every_form_of_xz_gives_the_same_image() {
    let digests: Vec<String> = [SINGLE_BLOCK, STREAMS]
        .into_iter()
        .map(|how| {
            let world = world(how);
            succeed(&mut world.build());
            world.image()
        })
        .collect();
    assert_eq!(digests[0], digests[1]);
}

#[test]
fn a_publisher_that_changes_its_mind_is_noticed() {
    let world = world(MULTI_BLOCK);
    succeed(&mut world.build());
    let lock = world.lock();
    let sha = lock.lines().find_map(|line| line.strip_prefix("sha256 = \"")).unwrap();
    let other = lock.replacen(sha, &format!("{}\"", "0".repeat(64)), 1);
    fs::write(world.dir.path().join("hcimage.lock"), other).unwrap();
    fs::remove_dir_all(world.dir.path().join("cache")).unwrap();
    fs::remove_file(world.dir.path().join("hc-1-cm4.img")).unwrap();
    fail(&mut world.build(), 4, &["hcimage.lock", "remove the entry"]);
    assert!(!world.dir.path().join("hc-1-cm4.img").exists());
}

#[test]
fn a_wrong_checksum_is_refused() {
    let world = world(MULTI_BLOCK);
    world.server.file(&format!("{DIR}/{FILE}.sha256"), format!("{}  {FILE}\n", "0".repeat(64)));
    fail(&mut world.build(), 4, &[FILE, "SHA-256", ".sha256"]);
    assert!(!names(world.dir.path()).iter().any(|name| name.ends_with(".img")));
}

#[test]
fn a_release_without_the_file_is_refused() {
    let world = world(MULTI_BLOCK);
    world.server.remove(&format!("/releases/{}/k3s-arm64", K3S_VERSION.replace('+', "%2B")));
    fail(&mut world.build(), 1, &["k3s-arm64", "404"]);
    assert!(!names(world.dir.path()).iter().any(|name| name.ends_with(".img")));
}
