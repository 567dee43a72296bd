//! `hcimage run` as its users call it: from another folder, as an ordinary user, twice at the same time.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::guest::{POWER_OFF, REPORT};
use hcimage_testkit::external_tool::outcome;
use hcimage_testkit::hcimage::hcimage;
use hcimage_testkit::processes::{children, wait_for_end};
use hcimage_testkit::tools::run;

/// A user of whom nothing on this machine is.
const NOBODY: &str = "65534";

/// A run of hcimage, with a home of its own. Dropped, it is killed.
struct Run {
    child: Child,
    home: PathBuf,
}

impl Run {
    /// Starts it in a new folder `home`, where another user than root is at home.
    fn start(dir: &Path, home: &str, arguments: &[&str]) -> Self {
        let home = dir.join(home);
        fs::create_dir(&home).unwrap();
        let is_root = run(Command::new("id").arg("--user")).trim() == "0";
        let mut command = if is_root {
            run(Command::new("chown").arg(NOBODY).arg(&home));
            let mut command = Command::new("setpriv");
            command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "env"]);
            command
        } else {
            Command::new("env")
        };
        // Whoever runs the tests in the background may have Ctrl-C ignored.
        command.arg("--default-signal=INT").arg(dir.join("hcimage")).arg("run").args(arguments);
        command.current_dir(&home).env("HOME", &home).env("TMPDIR", &home).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(File::create(home.join("said")).unwrap());
        Self { child: command.spawn().unwrap(), home }
    }

    /// What it has said so far.
    fn said(&self) -> String {
        fs::read_to_string(self.home.join("said")).unwrap()
    }

    fn wait_for(&mut self, words: &[&str]) {
        let deadline = Instant::now() + REPORT;
        while !words.iter().all(|words| self.said().contains(words)) {
            assert!(Instant::now() < deadline, "it did not say {words:?}:\n{}", self.said());
            assert!(self.child.try_wait().unwrap().is_none(), "it has ended:\n{}", self.said());
            thread::sleep(Duration::from_millis(500));
        }
    }

    fn signal(&self) {
        run(Command::new("kill").arg("-INT").arg(self.child.id().to_string()));
    }

    /// Its exit code, once it has ended by itself.
    fn code(&mut self, within: Duration) -> i32 {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap();
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.said());
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Counts of tests and failures in a JUnit file, as Python reads it, and the node's names.
    fn junit(&self) -> String {
        let program = "import sys, xml.etree.ElementTree as e\ns = e.parse(sys.argv[1]).getroot().find('testsuite')\n\
                       print(s.get('name'), s.get('tests'), s.get('failures'), *[c.get('name') + ('!' if c.find('failure') \
                       is not None else '') for c in s.findall('testcase')])";
        run(Command::new("python3").args(["-c", program]).arg(self.home.join("run.xml"))).trim().to_owned()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Where the test has failed, QEMU runs on in a process group of its own.
        let machines = children(&self.child);
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in machines {
            let _ = Command::new("kill").arg("-KILL").arg(pid).stderr(Stdio::null()).status();
        }
    }
}

/// All images, as they are.
fn sums(dir: &Path) -> String {
    run(Command::new("sh").arg("-c").arg("sha256sum out/*").current_dir(dir))
}

/// Boots the cluster `cluster.toml` of three nodes, whose images are in `out`, by one command.
pub(crate) fn a_cluster_is_rehearsed(dir: &Path) {
    // The program itself may be where only its owner gets.
    fs::copy(hcimage(dir).get_program(), dir.join("hcimage")).unwrap();
    run(Command::new("chmod").args(["-R", "go+rX"]).arg(dir));
    let before = sums(dir);

    let arguments = ["../cluster.toml", "--memory", "768", "--junit", "run.xml", "--keep", "kept"];
    let mut cluster = Run::start(dir, "first", &arguments);
    let image =
        ["--board", "pc", "../out/lab-1.img", "--memory", "768", "--junit", "run.xml", "--timeout", "90"];
    let mut alone = Run::start(dir, "second", &image);

    // Without its agents a server is not Ready, and with so little time nothing is.
    assert_eq!(alone.code(REPORT), 1, "{}", alone.said());
    assert!(alone.said().contains("within 90 seconds"), "{}", alone.said());
    assert_eq!(alone.junit(), "lab-1 1 1 lab-1!");

    cluster.wait_for(&["lab-1 Ready", "lab-2 Ready", "lab-3 Ready"]);
    let mut kubectl = Command::new("kubectl");
    kubectl
        .arg("--kubeconfig")
        .arg(cluster.home.join("kept/kubeconfig"))
        .args(["get", "nodes", "-o", "name"]);
    assert_eq!(run(&mut kubectl), "node/lab-1\nnode/lab-2\nnode/lab-3\n");

    let machines = children(&cluster.child);
    assert_eq!(machines.len(), 4, "three nodes and their router: {machines:?}");
    cluster.signal();
    assert_eq!(cluster.code(POWER_OFF), 0, "{}", cluster.said());
    assert!(!cluster.said().contains("killed:"), "{}", cluster.said());
    wait_for_end(&machines);
    assert_eq!(cluster.junit(), "lab 3 0 lab-1 lab-2 lab-3");
    // Switched off in order: the overlays have what their nodes wrote, and are whole.
    for node in ["lab-1", "lab-2", "lab-3"] {
        let overlay = cluster.home.join(format!("kept/{node}.qcow2"));
        assert!(
            outcome(Command::new("qemu-img").arg("check").arg(overlay))
                .succeeded()
                .stdout
                .contains("No errors")
        );
        let console = fs::read_to_string(cluster.home.join(format!("kept/{node}.console"))).unwrap();
        assert!(console.contains("HCIMAGE-REPORT-END ready") && console.contains("Power down"), "{console}");
    }
    let left = |run: &Run| {
        fs::read_dir(&run.home)
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("hcimage-run-"))
            .count()
    };
    assert_eq!((left(&cluster), left(&alone)), (0, 0), "temporary directories are left");
    assert_eq!(sums(dir), before, "the images are changed");
    fs::remove_dir_all(cluster.home.join("kept")).unwrap();
}
