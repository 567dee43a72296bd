//! The units, checked by systemd itself.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use hc_firstboot::{CLOCK_GATE_TEXT, PROGRAM_PATH, UNIT, UNIT_TEXT};

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
    put(&dir.path().join("k3s.service"), K3S_UNIT);
    put(&dir.path().join("k3s.service.d/10-hcimage.conf"), &adapted(CLOCK_GATE_TEXT));
    dir
}

#[test]
fn systemd_accepts_the_units() {
    let dir = dir_with_units();
    verify(dir.path(), UNIT);
    verify(dir.path(), "k3s.service");
}

#[test]
#[should_panic(expected = "hc-firstboot.service: ")]
fn systemd_rejects_a_wrong_unit() {
    let dir = dir_with_units();
    put(&dir.path().join(UNIT), &UNIT_TEXT.replace("Type=exec", "Tpye=exec"));
    verify(dir.path(), UNIT);
}

/// systemd's own measure, from 0 to 100: 96 without any limit. Below 60 it would need a mount namespace.
#[test]
fn the_unit_has_the_limits_that_leave_it_its_work() {
    let dir = dir_with_units();
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=70", "--no-pager"])
        .arg(dir.path().join(UNIT))
        .output()
        .expect("systemd-analyze is needed: install the package systemd");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Properties that the design depends on.
#[test]
fn the_unit_does_not_delay_the_boot_and_is_disabled_by_the_marker() {
    let has = |line: &str| UNIT_TEXT.lines().any(|l| l == line);
    assert!(has(&format!("ConditionPathExists=!{}", hc_firstboot::state::FINISHED_PATH)));
    assert!(
        has("Type=exec")
            && has("Restart=no")
            && has("RestartForceExitStatus=75")
            && has("WantedBy=multi-user.target")
    );
    assert!(has(&format!("ExecStart={PROGRAM_PATH} run")));
    assert!(CLOCK_GATE_TEXT.lines().any(
        |l| l == format!("ExecStartPre=-/usr/bin/timeout --kill-after=10 600 {PROGRAM_PATH} clock-gate")
    ));
}
