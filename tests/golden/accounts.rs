//! Accounts: the arguments of their golden files, and the programs of shadow, sudo and OpenSSH that check them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use hcimage::formats::accounts::{group, passwd, shadow, subids};
use hcimage::formats::{EditError, authorized_keys, sshd_config, sudoers};
use hcimage::value::{PasswordHash, UserName};
use hcimage_testkit::checkers::{self, checker};
use hcimage_testkit::external_tool::user_namespaces;
use hcimage_testkit::needs;
use proptest::prelude::*;

use crate::external_tools::{content, run};
use crate::properties::{keeps_its_promises, text_of};
use crate::read;

/// Days since 1970.
const TODAY: i64 = 20_700;

fn admin() -> UserName {
    "admin".parse().unwrap()
}

fn password() -> PasswordHash {
    format!("$6$saltsalt${}", "h".repeat(86)).parse().unwrap()
}

/// The account as a plan settles it, for a group file that has the same numbers.
fn account(text: &str) -> Result<passwd::Account, EditError> {
    let found = passwd::find(text, &admin())?;
    let uid = group::free_number(text, "")?;
    Ok(found.unwrap_or_else(|| passwd::new(text, &admin(), uid, uid)))
}

pub(crate) fn edit_passwd(text: &str) -> String {
    passwd::edit(text, &account(text).unwrap())
}

pub(crate) fn edit_shadow(text: &str) -> String {
    let known = text.contains("\nadmin:");
    shadow::edit(&shadow::lock_root(text).unwrap(), &admin(), Some(&password()), TODAY, known).unwrap()
}

pub(crate) fn edit_shadow_for_keys(text: &str) -> String {
    shadow::edit(&shadow::lock_root(text).unwrap(), &admin(), None, TODAY, true).unwrap()
}

pub(crate) fn edit_group(text: &str) -> String {
    let passwd = read(if text.contains("\npi:") { "passwd/pios" } else { "passwd/debian" }, "in");
    let gid = if text.contains("admin:x:1500") { 1500 } else { account(&passwd).unwrap().gid };
    group::edit(text, &admin(), gid, false, &[("sudo", true), ("adm", true), ("nothing", true)]).unwrap()
}

pub(crate) fn edit_group_without_sudo(text: &str) -> String {
    group::edit(text, &admin(), 1500, true, &[("sudo", false)]).unwrap()
}

pub(crate) fn edit_gshadow(text: &str) -> String {
    group::edit_shadow(text, &admin(), true, &[("sudo", true), ("adm", true)]).unwrap()
}

pub(crate) fn edit_subids(text: &str) -> String {
    subids::edit(text, &admin()).unwrap()
}

pub(crate) fn edit_keys(text: &str) -> String {
    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti me@laptop";
    authorized_keys::edit(text, &[KEY.parse().unwrap()])
}

pub(crate) fn render_sudoers() -> String {
    let (admin, guest) = (admin(), "a-b_c1".parse().unwrap());
    sudoers::render([(&admin, false), (&guest, true)])
}

/// The four files of one base and the directories that they name, as a root of its own.
fn root_of(base: &str, suffix: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("etc")).unwrap();
    for file in ["passwd", "shadow", "group", "gshadow"] {
        fs::write(root.path().join("etc").join(file), read(&format!("{file}/{base}"), suffix)).unwrap();
    }
    let passwd = read(&format!("passwd/{base}"), suffix);
    for line in passwd.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        fs::create_dir_all(root.path().join(fields.get(5).unwrap().trim_start_matches('/'))).unwrap();
        let shell = root.path().join(fields.get(6).unwrap().trim_start_matches('/'));
        fs::create_dir_all(shell.parent().unwrap()).unwrap();
        fs::write(&shell, "").unwrap();
        fs::set_permissions(&shell, fs::Permissions::from_mode(0o755)).unwrap();
    }
    root
}

/// pwck or grpck, read-only, in a root: they may change theirs, in a namespace where everybody is root.
fn check(program: &str, root: &Path) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", program, "--read-only", "--root"]).arg(root);
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

#[test]
fn the_accounts_files_agree() {
    needs!("pwck" from "passwd");
    if !user_namespaces() {
        return;
    }
    for base in ["debian", "pios"] {
        let root = root_of(base, "out");
        for program in ["pwck", "grpck"] {
            content("passwd", &mut check(program, root.path()), "");
        }
    }
}

#[test]
fn files_that_disagree_would_be_named() {
    needs!("pwck" from "passwd");
    if !user_namespaces() {
        return;
    }
    for (file, gone, program) in [
        ("shadow", "admin:", "pwck"),
        ("group", "admin:", "pwck"),
        ("gshadow", "admin:", "grpck"),
        ("passwd", "admin:", "grpck"),
    ] {
        let root = root_of("pios", "out");
        let path = root.path().join("etc").join(file);
        let text = fs::read_to_string(&path).unwrap();
        let without: Vec<&str> = text.lines().filter(|line| !line.starts_with(gone)).collect();
        fs::write(&path, without.join("\n") + "\n").unwrap();
        let output = run("passwd", &mut check(program, root.path()), "");
        assert!(!output.status.success(), "{program} says nothing of a {file} without {gone}");
    }
}

#[test]
fn visudo_reads_the_rules() {
    needs!("visudo" from "sudo");
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), read("sudoers/two", "out")).unwrap();
    let visudo = || {
        let mut command = checker("visudo");
        command.args(["--check", "--strict", "--file"]).arg(file.path());
        command
    };
    content("sudo", &mut visudo(), "");
    fs::write(file.path(), "admin ALL=(ALL:ALL) NOPASSWORD: ALL\n").unwrap();
    assert!(!run("sudo", &mut visudo(), "").status.success());
}

/// What sshd makes of a main file that includes ours before it says the contrary.
fn understood_by_sshd(drop_in: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let (main, key, ours) =
        (dir.path().join("main"), dir.path().join("key"), dir.path().join("00-hcimage.conf"));
    fs::write(&ours, drop_in).unwrap();
    let quiet = ["-q", "-t", "ed25519", "-N", "", "-f"];
    content("openssh-client", Command::new("ssh-keygen").args(quiet).arg(&key), "");
    let text = format!(
        "Include {}\nHostKey {}\nUsePAM yes\nPasswordAuthentication yes\nKbdInteractiveAuthentication yes\n\
         PermitRootLogin yes\n",
        ours.display(),
        key.display()
    );
    fs::write(&main, text).unwrap();
    // sshd wants its directory in /run, which is there only while it runs: it gets a /run of its own.
    let script = "mount -t tmpfs run /run && mkdir /run/sshd && exec /usr/sbin/sshd -T -f \"$0\"";
    let output = run("openssh-server", checkers::script(&[], script).arg(&main), "");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn sshd_takes_keys_alone() {
    needs!("sshd" from "openssh-server", "ssh-keygen" from "openssh-client");
    if !user_namespaces() {
        return;
    }
    let said = understood_by_sshd(&sshd_config::render());
    for line in [
        "passwordauthentication no",
        "kbdinteractiveauthentication no",
        "permitrootlogin no",
        "pubkeyauthentication yes",
    ] {
        assert!(said.lines().any(|found| found == line), "{line}:\n{said}");
    }
    assert!(understood_by_sshd("").contains("passwordauthentication yes"));
}

#[test]
fn ssh_keygen_reads_every_key() {
    needs!("ssh-keygen" from "openssh-client");
    for name in ["authorized_keys/new", "authorized_keys/there", "authorized_keys/others"] {
        let text = read(name, "out");
        let keys = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count();
        let said =
            content("openssh-client", Command::new("ssh-keygen").args(["-l", "-f", "/dev/stdin"]), &text);
        assert_eq!(said.lines().count(), keys, "{name}: {said}");
    }
}

#[test]
fn what_is_inconsistent_is_refused_by_name() {
    let said = |text: &str| passwd::find(text, &admin()).unwrap_err().to_string();
    for (text, want) in [
        ("admin:x:110:110::/:/bin/sh\n", "\"admin\" is an account of the system (ID 110)"),
        (
            "admin:x:1000:1000::/:/bin/sh\nadmin:x:1001:1001::/:/bin/sh\n",
            "duplicate entry \"admin\" on line 2",
        ),
        (
            "admin:x:1000:1000::/:/bin/sh\npi:x:1000:1000::/:/bin/sh\n",
            "\"admin\" and \"pi\" have the same ID",
        ),
        ("admin:x:ten:1000::/:/bin/sh\n", "invalid ID of \"admin\": expected a number, found \"ten\""),
        ("x\nadmin:x:1000\n", "invalid line 2: expected 7 fields, found 3"),
    ] {
        assert!(said(text).contains(want), "{text:?}: {}", said(text));
    }
    let orphan = shadow::edit("admin:*:1:0:99999:7:::\n", &admin(), None, TODAY, false).unwrap_err();
    assert!(orphan.to_string().contains("the account is missing in /etc/passwd"), "{orphan}");
    let system = group::of_all_users("admin:x:110:\n", &admin(), 110).unwrap_err();
    assert!(system.to_string().contains("a group of the system"), "{system}");
    assert_eq!(group::find("admin:x:110:\n", &admin()), Ok(Some(group::Group::OfSystem(110))));
    assert_eq!(group::of_all_users("admin:x:110:\nusers:x:100:\n", &admin(), 110), Ok(100));
    let homeless = group::edit("x:x:5:\n", &admin(), 1000, true, &[]).unwrap_err();
    assert!(homeless.to_string().contains("group 1000"), "{homeless}");
    let full = subids::edit("x:4294900000:65536\n", &admin()).unwrap_err();
    assert_eq!(full, EditError::NoFreeNumber);
}

const ACCOUNTS: &[&str] = &[
    "",
    "root:x:0:0:root:/root:/bin/sh",
    "admin:x:1000:1000::/home/admin:/bin/sh",
    "admin:x:1000:",
    "sudo:x:27:pi,admin",
    "sudo:x:27:pi",
    "admin:!:0:0:99999:7:::",
    "root::0:0:99999:7:::",
    "+::::::",
    "pi:x:1000:1000:,,,:/home/pi:/bin/bash",
    "pi:100000:65536",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn accounts(text in text_of(ACCOUNTS)) {
        let foreign = |line: &str| !["root:", "admin", "sudo:", "adm:"].iter().any(|ours| line.starts_with(ours));
        let groups = [("sudo", true), ("adm", false)];
        keeps_its_promises(&text, |text| Ok::<_, EditError>(passwd::edit(text, &account(text)?)), foreign)?;
        keeps_its_promises(&text, |text| group::edit(text, &admin(), 1000, false, &groups), foreign)?;
        keeps_its_promises(&text, |text| group::edit_shadow(text, &admin(), true, &groups), foreign)?;
        keeps_its_promises(&text, |text| subids::edit(text, &admin()), foreign)?;
        keeps_its_promises(&text, |text| {
            shadow::edit(&shadow::lock_root(text)?, &admin(), Some(&password()), TODAY, true)
        }, foreign)?;
    }
}
