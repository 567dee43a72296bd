//! Checkers of services (nmcli, netplan, sshd, ifup, ...) that are not installed on this machine: they run from a root
//! directory of their own, which `tests/bases/checkers.sh` makes. A program of it sees that root's `/usr` and `/etc`, in
//! a user and mount namespace, and this machine's files everywhere else: a path means the same for it and for the test.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::base;
use crate::external_tool::outcome;

/// The checkers' programs that tests name. Of systemd it is networkctl, which comes with systemd-networkd.
const NAMES: [&str; 11] = [
    "nmcli",
    "NetworkManager",
    "netplan",
    "sshd",
    "visudo",
    "ifup",
    "ifquery",
    "wpa_supplicant",
    "wpa_passphrase",
    "grub-script-check",
    "networkctl",
];

/// What a shell in new namespaces does first. `/usr` comes last: `mount` is this machine's own.
const ENTER: &str =
    "mount --rbind \"$HCIMAGE_CHECKERS/etc\" /etc && mount --rbind \"$HCIMAGE_CHECKERS/usr\" /usr || exit 125
export PATH=/usr/sbin:/usr/bin\n";

/// The root of the checkers, made if it is not there; with `HCIMAGE_QUICK=1` `None` instead.
fn root() -> Option<&'static PathBuf> {
    static ROOT: OnceLock<Option<PathBuf>> = OnceLock::new();
    let make = || {
        let mut command = Command::new(base::root().join("tests/bases/make.sh"));
        command.arg("--checkers").stderr(Stdio::inherit());
        if env::var_os("HCIMAGE_QUICK").is_some_and(|value| value == "1") {
            command.arg("--if-there");
        }
        let output = command.output().expect("running tests/bases/make.sh");
        assert!(output.status.success(), "tests/bases/make.sh --checkers failed; run `make checkers`");
        let path = String::from_utf8(output.stdout).expect("a path is UTF-8 here");
        Some(PathBuf::from(path.trim())).filter(|path| !path.as_os_str().is_empty())
    };
    ROOT.get_or_init(make).as_ref()
}

/// Whether the checkers have this program; `None` for one that is not theirs, and so the machine's.
pub fn have(name: &str) -> Option<bool> {
    let there =
        |root: &PathBuf| ["bin", "sbin"].iter().any(|dir| root.join("usr").join(dir).join(name).is_file());
    NAMES.contains(&name).then(|| root().is_some_and(there))
}

/// A program of the checkers' root, by its name.
pub fn checker(name: &str) -> Command {
    let mut command = script(&[], "exec \"$0\" \"$@\"");
    command.arg(name);
    command
}

/// A shell script that runs as root of namespaces of its own, with the checkers' programs. `more` are further
/// namespaces as options of unshare(1); the first argument of the command is the script's `$0`.
pub fn script(more: &[&str], script: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount"]).args(more);
    command.args(["sh", "-c", &format!("{ENTER}{script}")]);
    command.env("HCIMAGE_CHECKERS", root().expect("the checkers are there: needs! comes first"));
    command
}

/// Runs a script where it is root of a network of its own, with `eth0` in it and its other end, called as pods' are. Its
/// `$0` is the file. What it said, where it succeeds.
///
/// # Panics
/// Where it fails.
#[track_caller]
pub fn in_a_network(steps: &str, file: &str) -> String {
    let dir = tempfile::tempdir().expect("a directory for the file");
    let path = dir.path().join("file");
    fs::write(&path, file).expect("writing the file");
    let prepare = "set -e; ip link set lo up; \
                   ip link add eth0 address dc:a6:32:01:02:03 type veth peer name veth0; ip link set veth0 up; \
                   mount -t tmpfs run /run; mkdir -p /run/systemd/network /run/network;";
    let mut command = script(&["--net"], &format!("{prepare} {steps}"));
    outcome(command.env("LC_ALL", "C").arg(&path)).succeeded().both()
}
