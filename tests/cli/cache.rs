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
