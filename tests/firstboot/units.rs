//! The units, checked by systemd itself.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use hc_firstboot::{
    ANNOUNCE_UNIT, ANNOUNCE_UNIT_TEXT, CLOCK_GATE_TEXT, INSTALL_PACKAGES, INSTALL_PACKAGES_PATH,
    PACKAGES_UNIT, PACKAGES_UNIT_TEXT, PROGRAM_PATH, STATUS_UNIT, STATUS_UNIT_TEXT, UNIT, UNIT_TEXT,
};

/// A k3s unit with what matters here of the one that k3s's installer writes.
const K3S_UNIT: &str = "[Unit]\nDescription=stand-in for the unit of k3s\n\
                        [Service]\nType=notify\nExecStartPre=-/bin/true\nExecStart=/bin/true\n";

/// `systemd-analyze verify` checks the program too; a fake one is at the path in the units.
fn verify(dir: &Path, unit: &str) {
    let output = Command::new("systemd-analyze")
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .arg(dir.join(unit))
        .output()
        .expect("systemd-analyze is needed: install the package systemd");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaint.is_empty(), "{unit}: {complaint}");
}

fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// The units with the program's path replaced by that of a fake program.
fn dir_with_units() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("hc-firstboot");
    put(&program, "#!/bin/sh\n");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let adapted = |text: &str| {
        assert!(text.contains(&format!("{PROGRAM_PATH} ")));
        text.replace(PROGRAM_PATH, program.to_str().unwrap())
    };
    put(&dir.path().join(UNIT), &adapted(UNIT_TEXT));
    put(&dir.path().join(ANNOUNCE_UNIT), &adapted(ANNOUNCE_UNIT_TEXT));
    put(&dir.path().join(STATUS_UNIT), &adapted(STATUS_UNIT_TEXT));
    put(&dir.path().join("k3s.service"), K3S_UNIT);
    assert!(PACKAGES_UNIT_TEXT.contains(&format!("={INSTALL_PACKAGES_PATH}\n")));
    let unit = PACKAGES_UNIT_TEXT.replace(INSTALL_PACKAGES_PATH, program.to_str().unwrap());
    put(&dir.path().join(PACKAGES_UNIT), &unit);
    put(&dir.path().join("k3s.service.d/10-hcimage.conf"), &adapted(CLOCK_GATE_TEXT));
    dir
}

#[test]
fn systemd_accepts_the_units() {
    let dir = dir_with_units();
    verify(dir.path(), UNIT);
    verify(dir.path(), "k3s.service");
    verify(dir.path(), PACKAGES_UNIT);
    verify(dir.path(), ANNOUNCE_UNIT);
    verify(dir.path(), STATUS_UNIT);
}

/// A package without files, whose scripts say when they run.
fn package(dir: &Path, stage: &str, name: &str, version: &str, fields: &str) {
    let build = dir.join("build");
    let _ = fs::remove_dir_all(&build);
    let control = format!(
        "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: T <t@example.org>\nDescription: test\n{fields}"
    );
    put(&build.join("DEBIAN/control"), &control);
    let stage = dir.join("packages").join(stage);
    fs::create_dir_all(&stage).unwrap();
    let mut deb = Command::new("dpkg-deb");
    deb.args(["--build", "--root-owner-group"]).arg(&build).arg(stage.join(format!("0001-{name}.deb")));
    assert!(deb.output().unwrap().status.success());
}

/// The real dpkg, with a root of its own. A power cut leaves a package unpacked and never configured.
#[test]
fn the_script_installs_stage_by_stage_and_ends_what_was_begun() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    for (path, text) in [("status", ""), ("info/format", "1\n"), ("updates/x", ""), ("triggers/Lock", "")] {
        put(&root.join("var/lib/dpkg").join(path), text);
    }
    fs::remove_file(root.join("var/lib/dpkg/updates/x")).unwrap();
    fs::create_dir_all(root.join("var/log")).unwrap();
    package(dir.path(), "00", "base-lib", "1:2-3", "");
    package(dir.path(), "01", "runs-it", "1", "Pre-Depends: base-lib (>= 1:2)\n");
    // dpkg takes its root from the environment; its log would be this machine's.
    put(&dir.path().join(".dpkg.cfg"), &format!("log {}\n", dir.path().join("log").display()));
    let script =
        INSTALL_PACKAGES.replace("/var/lib/hcimage/packages", dir.path().join("packages").to_str().unwrap());
    let sh = |text: &str| {
        let mut dash = Command::new("dash");
        dash.arg("-c")
            .arg(text)
            .env("DPKG_ROOT", &root)
            .env("DPKG_FORCE", "not-root")
            .env("HOME", dir.path())
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let output = dash.output().unwrap();
        (
            output.status.success(),
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
        )
    };
    let unpack = format!("dpkg --unpack {}", dir.path().join("packages/00/0001-base-lib.deb").display());
    let (done, said) = sh(&unpack);
    assert!(done, "{said}");
    let (done, said) = sh(&script);
    assert!(done && said.contains("Setting up runs-it"), "{said}");
    let (_, audit) = sh("dpkg --audit; dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\\n'");
    assert_eq!(audit, "base-lib 1:2-3 installed\nruns-it 1 installed\n");
    // Everything is there: dpkg is not even called.
    assert_eq!(sh(&script), (true, String::new()));
    // What an update has made newer stays.
    package(dir.path(), "00", "base-lib", "1:1-1", "");
    let (done, said) = sh(&script);
    assert!(done && said.contains("downgrade"), "{said}");
    assert!(sh("dpkg-query -W base-lib").1.contains("1:2-3"));
}

#[test]
#[should_panic(expected = "hc-firstboot.service: ")]
fn systemd_rejects_a_wrong_unit() {
    let dir = dir_with_units();
    put(&dir.path().join(UNIT), &UNIT_TEXT.replace("Type=exec", "Tpye=exec"));
    verify(dir.path(), UNIT);
}

/// By systemd's own measure, from 0 to 100.
#[track_caller]
fn is_exposed_at_most(threshold: u32, dir: &Path, unit: &str) {
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager", &format!("--threshold={threshold}")])
        .arg(dir.join(unit))
        .output()
        .expect("systemd-analyze is needed: install the package systemd");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// By the measure 96 without any limit. Below 60 it would need a mount namespace.
#[test]
fn the_unit_has_the_limits_that_leave_it_its_work() {
    let dir = dir_with_units();
    is_exposed_at_most(70, dir.path(), UNIT);
}

/// The same of the unit that reads packets of strangers: systemd calls this well protected. Root and the network remain.
#[test]
fn the_unit_that_announces_has_what_it_writes_and_nothing_more() {
    let dir = dir_with_units();
    is_exposed_at_most(35, dir.path(), ANNOUNCE_UNIT);
    // Whatever is left by a power cut is taken back in the next boot, also where the first boot is over.
    for line in [
        "ConditionPathExists=|!/var/lib/hcimage/finished",
        "ConditionPathExists=|/etc/avahi/services/hcimage.service",
        "Type=exec",
    ] {
        assert!(ANNOUNCE_UNIT_TEXT.lines().any(|l| l == line), "{line}");
    }
    assert!(ANNOUNCE_UNIT_TEXT.contains(&format!("ExecStart={PROGRAM_PATH} announce\n")));
    assert!(ANNOUNCE_UNIT_TEXT.contains(&format!("ExecStopPost={PROGRAM_PATH} withdraw\n")));
}

/// By the same measure 96 without any limit, and what listens on the network has all limits but a network of its own.
#[test]
fn the_unit_of_the_page_has_no_rights() {
    let dir = dir_with_units();
    is_exposed_at_most(20, dir.path(), STATUS_UNIT);
    let has = |line: &str| STATUS_UNIT_TEXT.lines().any(|l| l == line);
    assert!(has(&format!("ConditionPathExists=|!{}", hc_firstboot::state::FINISHED_PATH)));
    assert!(has(&format!("ExecStart={PROGRAM_PATH} serve")) && has("DynamicUser=yes"));
}

/// Properties that the design depends on.
#[test]
fn the_unit_does_not_delay_the_boot_and_is_disabled_by_the_marker() {
    let has = |line: &str| UNIT_TEXT.lines().any(|l| l == line);
    assert!(has(&format!("ConditionPathExists=!{}", hc_firstboot::state::FINISHED_PATH)));
    assert!(
        has("Type=exec")
            && has("Restart=on-abnormal")
            && has("RestartForceExitStatus=75")
            && has("WantedBy=multi-user.target")
    );
    assert!(has(&format!("ExecStart={PROGRAM_PATH} run")));
    assert!(CLOCK_GATE_TEXT.lines().any(
        |l| l == format!("ExecStartPre=-/usr/bin/timeout --kill-after=10 600 {PROGRAM_PATH} clock-gate")
    ));
}
