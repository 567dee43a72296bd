//! The program itself, as far as it runs on a machine that is not a node.

use std::process::{Command, Output};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hc-firstboot")).args(args).output().unwrap()
}

#[test]
fn the_version_is_printed() {
    let output = run(&["--version"]);
    let expected = format!("hc-firstboot {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!((output.status.code(), output.stdout), (Some(0), expected.into_bytes()));
}

#[test]
fn wrong_usage_is_2_and_does_nothing() {
    for args in [&[][..], &["walk"], &["run", "now"], &["run", "--force"], &["--root", "/"]] {
        let output = run(args);
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {complaint}");
        assert!(complaint.starts_with("hc-firstboot: ") && complaint.contains("--help"), "{complaint}");
    }
}

#[test]
fn help_names_every_command_in_80_columns() {
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    assert!(["run ", "clock-gate ", "status "].iter().all(|word| help.contains(word)), "{help}");
    assert!(help.lines().all(|line| line.len() <= 80), "{help}");
}
