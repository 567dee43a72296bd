//! `hcimage cache`: what is in it, whether it is right, and what nothing needs.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use hcimage_testkit::base::base;
use hcimage_testkit::hcimage::{fail, hcimage, succeed};
use hcimage_testkit::tools::run;

use crate::lock::World;

impl World {
    fn cache(&self, arguments: &[&str]) -> Command {
        let mut command = hcimage(self.dir.path());
        command.arg("cache").args(arguments);
        command
    }

    /// The base of the cluster file is a packed one, which is unpacked into the cache.
    fn pack_the_base(&self) {
        let packed = self.dir.path().join("base.img.zst");
        run(Command::new("zstd").args(["-q", "-1", "-o"]).arg(&packed).arg(base("debian-pi-arm64")));
        let file = self.dir.path().join("cluster.toml");
        let text = fs::read_to_string(&file).unwrap();
        let line = text.lines().find(|line| line.starts_with("base = ")).unwrap();
        fs::write(&file, text.replace(line, "base = \"base.img.zst\"")).unwrap();
    }

    /// The file in the cache whose name ends so.
    fn cached(&self, ending: &str) -> Option<PathBuf> {
        // Made with the first entry.
        self.dir.path().join("cache").exists().then_some(())?;
        let mut find = Command::new("find");
        // Locks have the names of what they are for.
        find.args(["files", "images", "-name", &format!("*{ending}")]);
        let said = run(find.current_dir(self.dir.path().join("cache")));
        let path = said.lines().next()?;
        Some(self.dir.path().join("cache").join(path))
    }
}

#[test]
fn what_no_lock_needs_goes_and_the_next_build_needs_no_network() {
    let world = World::new();
    fail(&mut world.cache(&["gc"]), 2, &["no hcimage.lock", "--lock"]);
    world.pack_the_base();
    succeed(&mut world.command(&["plan"]));
    let listed = succeed(&mut world.cache(&["list"]));
    let line = |word: &str| {
        listed.lines().find(|line| line.contains(word)).unwrap_or_else(|| panic!("{listed}")).to_owned()
    };
    assert!(line("k3s-arm64 ").contains(".k3s-arm64"), "{listed}");
    assert!(line("unpacked from").ends_with("  -"), "{listed}");

    let dry = succeed(&mut world.cache(&["gc", "--dry-run"]));
    assert!(dry.contains("would remove unpacked from") && !dry.contains("k3s"), "{dry}");
    assert!(world.cached(".img").is_some());
    succeed(&mut world.cache(&["gc"]));
    assert!(world.cached(".img").is_none() && world.cached("k3s-arm64").is_some());
    world.server.take_requests();
    succeed(&mut world.command(&["plan", "--locked", "--offline"]));
}

#[test]
fn damage_is_found_and_removed_and_then_fetched_again() {
    let world = World::new();
    succeed(&mut world.command(&["plan"]));
    let said = succeed(&mut world.cache(&["verify"]));
    assert!(said.contains("2 entries are as they were fetched"), "{said}");
    let file = world.cached("k3s-arm64").unwrap();
    let mut bytes = fs::read(&file).unwrap();
    bytes[1000] ^= 1;
    fs::remove_file(&file).unwrap();
    fs::write(&file, bytes).unwrap();
    let outcome = hcimage_testkit::external_tool::outcome(&mut world.cache(&["verify"]));
    assert_eq!(outcome.status.code(), Some(4), "{}", outcome.both());
    assert!(outcome.stdout.contains("damaged, removed: k3s-arm64"), "{}", outcome.both());
    assert!(world.cached("k3s-arm64").is_none());
    succeed(&mut world.command(&["plan", "--locked"]));
}

/// On a machine whose cache is empty and that asks nobody.
#[test]
fn a_bundle_is_all_that_a_machine_without_a_network_needs() {
    let world = World::new();
    succeed(&mut world.command(&["vendor", "--output", "bundle.tar"]));
    fail(&mut world.command(&["vendor", "--output", "bundle.tar"]), 1, &["bundle.tar exists", "--overwrite"]);
    let bundle = world.dir.path().join("bundle.tar");
    let first = fs::read(&bundle).unwrap();
    succeed(&mut world.command(&["vendor", "--output", "bundle.tar", "--overwrite"]));
    assert!(fs::read(&bundle).unwrap() == first, "the same inputs give the same bytes");
    let listed = run(Command::new("tar").arg("tf").arg(&bundle));
    assert!(listed.starts_with("hcimage.lock\nfiles/") && listed.contains("/k3s-arm64\n"), "{listed}");

    let forget = || fs::remove_dir_all(world.dir.path().join("cache")).unwrap();
    forget();
    world.server.take_requests();
    fail(&mut world.command(&["plan", "--locked", "--offline"]), 1, &["is not in the cache"]);
    succeed(&mut world.command(&["plan", "--locked", "--offline", "--bundle", "bundle.tar"]));
    assert!(world.server.take_requests().is_empty());

    // Cut off, with a flipped bit, or something else: refused, and nothing of it is used.
    for (what, bytes) in [
        ("cut", first[..first.len() / 2].to_vec()),
        ("flipped", {
            let mut bytes = first.clone();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            bytes
        }),
        ("text", b"hello".to_vec()),
    ] {
        forget();
        fs::write(&bundle, bytes).unwrap();
        let mut command = world.command(&["plan", "--locked", "--offline", "--bundle", "bundle.tar"]);
        fail(&mut command, 4, &["bundle.tar"]);
        assert!(world.cached("k3s-arm64").is_none(), "{what}");
    }
}
