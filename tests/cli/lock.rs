//! The lock on the command line: --locked, --offline and `hcimage update`.

use std::fs;
use std::process::Command;

use hcimage_testkit::base::{K3S_VERSION, base, k3s_release};
use hcimage_testkit::hcimage::{fail, hcimage, names, succeed};
use hcimage_testkit::publisher::Publisher;

/// Another release, with the same files.
const NEWER: &str = "v1.36.3+k3s1";

/// A cluster file whose k3s comes from a server.
pub(crate) struct World {
    pub(crate) server: Publisher,
    pub(crate) dir: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let world = Self { server: Publisher::start(), dir: tempfile::tempdir().unwrap() };
        world.publish(K3S_VERSION);
        let text = format!(
            "schema = 1\nname = \"lab\"\n\n[boards.cm4]\nbase = {:?}\n\n[[nodes]]\nname = \"lab-1\"\nrole = \"server\"\n\
             board = \"cm4\"\naddress = \"dhcp\"\n",
            base("debian-pi-arm64")
        );
        fs::write(world.dir.path().join("cluster.toml"), text).unwrap();
        world
    }

    /// The release is what the channel leads to now.
    fn publish(&self, version: &str) {
        let at = version.replace('+', "%2B");
        self.lead_to(version);
        for name in names(&k3s_release().join(K3S_VERSION)) {
            let bytes = fs::read(k3s_release().join(K3S_VERSION).join(&name)).unwrap();
            self.server.file(&format!("/releases/{at}/{name}"), bytes);
        }
    }

    fn lead_to(&self, version: &str) {
        let at = version.replace('+', "%2B");
        self.server.redirect("/channels/stable", &format!("/tag/{at}"));
        self.server.file(&format!("/tag/{at}"), "a page");
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = hcimage(self.dir.path());
        command.args(arguments).arg("--k3s-releases").arg(self.server.url("/releases").to_string());
        command.arg("--k3s-channels").arg(self.server.url("/channels").to_string());
        command
    }

    fn lock(&self) -> Option<String> {
        fs::read_to_string(self.dir.path().join("hcimage.lock")).ok()
    }
}

#[test]
fn locked_lets_nothing_new_in_and_offline_asks_nobody() {
    let world = World::new();
    fail(&mut world.command(&["plan", "--locked"]), 1, &["k3s.stable is not in hcimage.lock", "--locked"]);
    assert_eq!(world.lock(), None);
    world.server.take_requests();
    fail(&mut world.command(&["plan", "--offline"]), 1, &["is not in the cache", "--offline"]);
    assert!(world.server.take_requests().is_empty());

    succeed(&mut world.command(&["plan"]));
    let lock = world.lock();
    world.server.take_requests();
    succeed(&mut world.command(&["plan", "--locked", "--offline"]));
    assert_eq!(world.lock(), lock);
    assert!(world.server.take_requests().is_empty());
}

#[test]
fn an_update_takes_what_is_newer_and_says_what_it_was() {
    let world = World::new();
    succeed(&mut world.command(&["plan"]));
    let said = succeed(&mut world.command(&["update"]));
    assert!(said.contains("nothing changed"), "{said}");
    world.publish(NEWER);
    let before = world.lock();
    succeed(&mut world.command(&["plan"]));
    assert_eq!(world.lock(), before, "a build takes what is locked");
    let said = succeed(&mut world.command(&["update", "k3s"]));
    assert!(said.contains(&format!("k3s.stable\n  {K3S_VERSION}\n  -> {NEWER}\n")), "{said}");
    assert!(said.contains(&format!("k3s.{NEWER}.k3s-arm64\n  nothing\n")), "{said}");
    let lock = world.lock().unwrap();
    assert!(lock.contains(NEWER) && !lock.contains(K3S_VERSION), "{lock}");
    succeed(&mut world.command(&["plan", "--locked", "--offline"]));
}

#[test]
fn an_update_that_fails_leaves_the_lock_as_it_was() {
    let world = World::new();
    succeed(&mut world.command(&["plan"]));
    let before = world.lock();
    world.lead_to(NEWER);
    fail(&mut world.command(&["update"]), 1, &["404"]);
    assert_eq!(world.lock(), before);
    fail(&mut world.command(&["update", "k3z"]), 2, &["no entry k3z", "k3s.stable"]);
    assert_eq!(world.lock(), before);
    assert_eq!(names(world.dir.path()), ["cache", "cluster.toml", "hcimage.lock"]);
}
