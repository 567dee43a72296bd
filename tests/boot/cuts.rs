//! The plug is pulled at any time: the next boot goes on, and there is one cluster in the end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hc_firstboot::report::ReportStatus;
use hcimage::run::Network;
use tempfile::TempDir;

use crate::guest::{Guest, K3S_IS, one_server, say_what_becomes_of_k3s};
use hcimage_testkit::external_tool::outcome;
use hcimage_testkit::hcimage::hcimage;
use hcimage_testkit::tools::{debugfs, extract, partitions, run};

/// As many power cuts as are made.
const CUTS: usize = 20;

/// The first words of firstboot on the console: from here on it may hurt.
const BEGINS: &str = "hcimage: [";

/// The longest that a boot may go on after those.
const LONGEST: u64 = 40_000;

/// So many are tested at the same time.
const CARDS: u64 = 2;

/// A card that is flashed again and again, in a directory with the built image.
struct Node<'a> {
    dir: &'a TempDir,
    card: u64,
}

#[test]
#[ignore = "takes a quarter of an hour and more: make power-cuts"]
fn a_node_survives_twenty_power_cuts() {
    let dir = one_server("");
    say_what_becomes_of_k3s(&dir.path().join("out/lab-1.img"), dir.path());
    let seed = seed();
    eprintln!("power cuts by the seed HCIMAGE_CUTS_SEED={seed}");
    // Two cards at a time, since a boot leaves a processor idle half of the time.
    let cuts: usize = std::thread::scope(|scope| {
        let cards: Vec<_> = (0..CARDS)
            .map(|card| {
                let node = Node { dir: &dir, card };
                scope.spawn(move || node.suffer(seed.wrapping_add(card)))
            })
            .collect();
        cards.into_iter().map(|card| card.join().expect("a card's test failed, see above")).sum()
    });
    assert!(cuts >= CUTS);
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

impl Node<'_> {
    fn image(&self) -> PathBuf {
        self.path("card.img")
    }

    /// A file of this card's own.
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(format!("{}-{name}", self.card))
    }

    /// Its share of the power cuts; says how many there were.
    fn suffer(&self, mut random: u64) -> usize {
        let mut cuts = 0;
        while cuts < CUTS / 2 {
            self.flash();
            // A card lives until its node is Ready, with as many cuts as come before that.
            while !self.boot_and_cut(&mut random, &mut cuts) {}
            self.finish();
        }
        cuts
    }

    fn flash(&self) {
        let built = self.dir.path().join("out/lab-1.img");
        run(Command::new("cp").arg("--sparse=always").arg(built).arg(self.image()));
    }

    fn start(&self) -> Guest {
        let built = self.dir.path().join("out/lab-1.img");
        Guest::restart("lab-1", "pc", &self.image(), &built, Network::Alone { forward: None })
    }

    /// One boot that ends with a cut at a random instant after firstboot began. Says whether the node was done before.
    fn boot_and_cut(&self, random: &mut u64, cuts: &mut usize) -> bool {
        let mut guest = self.start();
        guest.wait_for_either(BEGINS, K3S_IS);
        // k3s may come first where it is enabled already; firstboot follows within seconds, or is over for good: the power
        // was cut between its last write and its last word.
        if !guest.said(BEGINS) {
            assert!(guest.watch(Duration::from_secs(30)), "it ended by itself");
            if !guest.said(BEGINS) {
                return true;
            }
        }
        let instant = Duration::from_millis(next(random) % LONGEST);
        assert!(guest.watch(instant), "it ended by itself");
        let console = guest.cut_power();
        if console.iter().any(|line| line.trim() == ReportStatus::Ready.sentinel()) {
            return true;
        }
        assert!(
            !console.iter().any(|line| line.trim() == ReportStatus::Failed.sentinel()),
            "{}",
            console.join("\n")
        );
        let last = console.iter().rev().find_map(|line| line.split_once(BEGINS));
        let phase = last.map_or_else(|| "at the start".to_owned(), |(_, words)| format!("[{words}"));
        // What a power cut leaves is no damage: the node goes on at its next boot.
        let told = outcome(hcimage(self.dir.path()).arg("doctor").arg(self.image()));
        assert_eq!(told.status.code(), Some(0), "{phase}: {}", told.both());
        *cuts += 1;
        eprintln!("card {}, power cut {cuts}: {phase}", self.card);
        false
    }

    /// The card's last boot, without a cut: Ready, and nothing was made twice.
    fn finish(&self) {
        let mut guest = self.start();
        // Ready already, firstboot says nothing any more.
        guest.wait_for(&format!("{K3S_IS}active"));
        guest.power_off();
        check_after_cut(&self.image(), self.dir.path());
        let built = self.files(&self.dir.path().join("out/lab-1.img"));
        assert!(
            self.files(&self.image()) == built,
            "token, password and authority must be those of the build"
        );
    }

    /// What a second cluster would have anew.
    fn files(&self, image: &Path) -> Vec<String> {
        let dumped = self.path("dumped");
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

/// Both file systems are whole. The base does not check its ESP at boot, so the mark of the cut may still be on it: that
/// mark, and its copy, is all that fsck.fat finds to fix.
pub(crate) fn check_after_cut(image: &Path, scratch: &Path) {
    let (root, boot) = partitions(image);
    let part = |name: &str| scratch.join(name);
    extract(image, root, &part("root"));
    run(Command::new("e2fsck").arg("-fn").arg(part("root")));
    extract(image, boot, &part("boot"));
    run(Command::new("cp").arg(part("boot")).arg(part("fixed")));
    let status = Command::new("fsck.fat").arg("-a").arg(part("fixed")).output().unwrap().status;
    assert!(matches!(status.code(), Some(0 | 1)), "{status}");
    run(Command::new("fsck.fat").arg("-n").arg(part("fixed")));
    let found = Command::new("cmp").arg("-l").arg(part("boot")).arg(part("fixed")).output().unwrap();
    let found = String::from_utf8(found.stdout).unwrap();
    assert!(found.lines().count() <= 2, "fsck.fat changed more than the mark: {found}");
    for name in ["root", "boot", "fixed"] {
        fs::remove_file(part(name)).unwrap();
    }
}
