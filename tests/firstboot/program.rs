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
    for args in [
        &[][..],
        &["walk"],
        &["run", "now"],
        &["run", "--force"],
        &["--root", "/"],
        &["status", "--yaml"],
        &["run", "--json"],
        &["serve", "--port", "80"],
        &["serve", "--listen", "everywhere"],
    ] {
        let output = run(args);
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {complaint}");
        assert!(complaint.starts_with("hc-firstboot: ") && complaint.contains("--help"), "{complaint}");
    }
}

/// On a machine that is no node there is no state and no seed.
#[test]
fn status_before_the_first_boot_is_text_or_json() {
    let text = run(&["status"]);
    assert_eq!((text.status.code(), text.stdout), (Some(0), b"the first boot has not started\n".to_vec()));
    let json = run(&["status", "--json"]);
    let shown: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json.status.code(), Some(0));
    assert_eq!(
        (&shown["schema"], &shown["status"], &shown["node"]),
        (&1.into(), &"not-begun".into(), &().into())
    );
}

#[test]
fn help_names_every_command_in_80_columns() {
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    assert!(["run ", "clock-gate ", "serve ", "status "].iter().all(|word| help.contains(word)), "{help}");
    assert!(help.lines().all(|line| line.len() <= 80), "{help}");
}
