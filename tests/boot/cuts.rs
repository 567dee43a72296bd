//! The plug is pulled at any time: the next boot goes on, and there is one cluster in the end.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use hc_firstboot::report::End;
use hcimage::run::Network;
use tempfile::TempDir;

use crate::guest::Guest;
use crate::support::base::{K3S_VERSION, base, k3s_release};
use crate::support::hcimage::{hcimage, succeed};
use crate::support::tools::{debugfs, judge, run};

/// As many power cuts as are made.
const CUTS: usize = 20;

/// The first words of firstboot on the console: from here on it may hurt.
const BEGINS: &str = "hcimage: [";

/// The longest that a boot may go on after those.
const LONGEST: u64 = 40_000;

struct Node {
    folder: TempDir,
    lives: usize,
}

#[test]
fn a_node_survives_twenty_power_cuts() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("cluster.toml"),
        format!(
            "schema = 1\nname = \"lab\"\n\n[network]\nsubnet = \"10.0.2.0/24\"\ngateway = \"10.0.2.2\"\n\n[[nodes]]\n\
             name = \"lab-1\"\nrole = \"server\"\nboard = \"pc\"\naddress = \"10.0.2.11\"\n\n[boards.pc]\nbase = {:?}\n",
            base("debian-pc-amd64")
        ),
    )
    .unwrap();
    let mut command = hcimage(folder.path());
    succeed(command.args(["build", "--k3s"]).arg(k3s_release().join(K3S_VERSION)));

    let mut node = Node { folder, lives: 0 };
    let seed = seed();
    eprintln!("power cuts by the seed HCIMAGE_CUTS_SEED={seed}");
    let mut random = seed;
    let mut cuts = Vec::new();
    while cuts.len() < CUTS {
        node.flash();
        // A card lives until its node is Ready, with as many cuts as come before that.
        while !node.boot_and_cut(&mut random, &mut cuts) {}
        node.finish();
    }
    eprintln!("{} cuts in {} lives, at: {}", cuts.len(), node.lives, cuts.join(", "));
}

/// Another one each time, so that over many runs all instants are met; given, a run can be repeated.
fn seed() -> u64 {
    let given = std::env::var("HCIMAGE_CUTS_SEED").ok().map(|text| text.parse().expect("a number"));
    given.unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        now.as_secs()
    })
}

/// SplitMix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Node {
    fn image(&self) -> PathBuf {
        self.folder.path().join("card.img")
    }

    fn flash(&mut self) {
        self.lives += 1;
        let built = self.folder.path().join("out/lab-1.img");
        run(Command::new("cp").arg("--sparse=always").arg(built).arg(self.image()));
    }

    fn start(&self) -> Guest {
        Guest::start("lab-1", "pc", &self.image(), Network::Alone { forward: None }, None)
    }

    /// One boot that ends with a cut at a random instant after firstboot began. Says whether the node was done before.
    fn boot_and_cut(&self, random: &mut u64, cuts: &mut Vec<String>) -> bool {
        let mut guest = self.start();
        guest.wait_for(BEGINS);
        let instant = Duration::from_millis(next(random) % LONGEST);
        assert!(guest.watch(instant), "it ended by itself");
        let console = guest.cut_power();
        if console.iter().any(|line| line.trim() == End::Ready.sentinel()) {
            return true;
        }
        assert!(!console.iter().any(|line| line.trim() == End::Failed.sentinel()), "{}", console.join("\n"));
        let last = console.iter().rev().find_map(|line| line.split_once(BEGINS));
        cuts.push(last.map_or_else(|| "the start".to_owned(), |(_, words)| format!("[{words}")));
        false
    }

    /// The card's last boot, without a cut: Ready, and nothing was made twice.
    fn finish(&self) {
        let before = self.identity();
        let mut guest = self.start();
        // Ready already, it says nothing any more.
        guest.wait_for("login:");
        guest.power_off();
        judge(&self.image(), self.folder.path());
        assert_eq!(self.identity(), before);
        assert_eq!(
            before,
            self.identity_as_built(),
            "token, authority and password must be those of the build"
        );
    }

    /// What a second cluster would have anew.
    fn identity(&self) -> Vec<String> {
        self.files(&self.image())
    }

    fn identity_as_built(&self) -> Vec<String> {
        self.files(&self.folder.path().join("out/lab-1.img"))
    }

    fn files(&self, image: &std::path::Path) -> Vec<String> {
        let dumped = self.folder.path().join("dumped");
        let paths = [
            "/etc/rancher/k3s/token",
            "/etc/rancher/node/password",
            "/var/lib/rancher/k3s/server/tls/server-ca.crt",
        ];
        let read = |path: &str| {
            debugfs(image, &format!("dump {path} {}", dumped.display()));
            let text = fs::read_to_string(&dumped).unwrap();
            fs::remove_file(&dumped).unwrap();
            text
        };
        paths.map(read).to_vec()
    }
}
