//! What is shown of nodes that work, fail, are silent, lie, or are none.

use std::path::Path;
use std::process::{Command, Stdio};

use hcimage_testkit::external_tool::{Outcome, outcome};
use hcimage_testkit::hcimage::{fail, hcimage};

use crate::played::{Play, cluster_file, nodes, status};

fn watch(dir: &Path, net: u8, plays: &[(&str, Play)], timeout: &str) -> Command {
    let names: Vec<&str> = plays.iter().map(|(name, _)| *name).collect();
    cluster_file(dir, &names);
    let port = nodes(net, &plays.iter().map(|(_, play)| play.clone()).collect::<Vec<_>>());
    let mut command = hcimage(dir);
    command.args(["watch", "--timeout", timeout, "--port", &port.to_string()]);
    for (index, name) in names.iter().enumerate() {
        command.arg("--address").arg(format!("{name}=127.88.{net}.{}", index + 1));
    }
    command
}

fn says(texts: &[String]) -> Play {
    Play::Says(texts.to_vec())
}

#[test]
fn nodes_that_become_ready_are_told_by_their_changes_and_end_it_with_0() {
    let dir = tempfile::tempdir().unwrap();
    let first = says(&[
        status("pi-1", "running", "network", "waiting: no carrier on eth0"),
        status("pi-1", "running", "network", "waiting: no carrier on eth0"),
        status("pi-1", "ready", "finish", ""),
    ]);
    let second = says(&[status("pi-2", "ready", "finish", "")]);
    let Outcome { status, stdout, stderr } =
        outcome(&mut watch(dir.path(), 1, &[("pi-1", first), ("pi-2", second)], "600"));
    assert!(status.success(), "{stdout}{stderr}");
    let of_first: Vec<&str> = stdout.lines().filter(|line| line.starts_with("pi-1 (127.")).collect();
    assert_eq!(
        of_first,
        ["pi-1 (127.88.1.1): running network: waiting: no carrier on eth0", "pi-1 (127.88.1.1): Ready",]
    );
}

#[test]
fn each_node_that_is_not_ready_has_its_reason_and_the_time_ends_it_with_1() {
    let dir = tempfile::tempdir().unwrap();
    let plays = [
        ("failed", says(&[status("failed", "failed", "network", "no carrier on eth0")])),
        ("silent", Play::Silent),
        ("half", Play::Half),
        ("endless", Play::Endless),
        ("drips", Play::Drips),
        ("other", says(&[status("a\u{1b}[2Jb", "ready", "finish", "")])),
        ("no-json", Play::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<htm>")),
        ("no-http", Play::Raw(b"\x00\x01\x02SSH-2.0\r\n\r\n")),
        (
            "away",
            Play::Raw(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"),
        ),
        ("escapes", says(&[status("escapes", "running", "k3s", "a\u{1b}]0;x\u{7}\nReady\u{202e}")])),
        ("fine", says(&[status("fine", "ready", "finish", "")])),
    ];
    let Outcome { status, stdout, stderr } = outcome(&mut watch(dir.path(), 2, &plays, "20"));
    assert_eq!(status.code(), Some(1), "{stdout}{stderr}");
    for (name, reason) in [
        ("failed", "FAILED network: no carrier on eth0. What to do: connect the cable"),
        ("silent", "unreachable: no answer within 4 s"),
        ("half", "unreachable: its answer ends early"),
        ("endless", "unreachable: its answer is longer than 262144 bytes"),
        ("drips", "unreachable: its answer takes longer than 8 s"),
        ("other", r#"unreachable: the node at this address is "a\u{1b}[2Jb""#),
        ("no-json", "unreachable: it is no status of a node"),
        ("no-http", "unreachable: "),
        ("away", "unreachable: it answers 302 Found"),
        ("escapes", r"running k3s: a\u{1b}]0;x\u{7}\nReady\u{202e}"),
        ("fine", "Ready"),
    ] {
        let has = |line: &str| line.starts_with(&format!("{name} (")) && line.contains(reason);
        assert!(stdout.lines().any(has), "{name}: {reason}\n{stdout}");
    }
    assert!(stdout.chars().all(|c| c == '\n' || !c.is_control()), "{stdout:?}");
    assert!(
        stderr.contains("error: not Ready: failed, silent, half,") && !stderr.contains("fine"),
        "{stderr}"
    );
}

#[test]
fn json_has_one_object_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let first = says(&[
        status("pi-1", "running", "k3s", "\u{9b}x"),
        status("pi-1", "running", "k3s", "\u{9b}x"),
        status("pi-1", "ready", "finish", ""),
    ]);
    let outcome = outcome(watch(dir.path(), 3, &[("pi-1", first)], "600").arg("--json")).succeeded();
    let lines: Vec<serde_json::Value> =
        outcome.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let words: Vec<_> = lines.iter().map(|line| line["status"].as_str().unwrap()).collect();
    assert_eq!(words, ["running", "ready"]);
    assert_eq!((&lines[0]["reason"], &lines[0]["phase"]), (&"\u{9b}x".into(), &"k3s".into()));
    assert!(!outcome.stdout.contains('\u{9b}'), "written out");
}

/// A node with DHCP that nobody hears: its reason says what helps.
#[test]
fn a_node_without_an_address_says_what_helps() {
    let dir = tempfile::tempdir().unwrap();
    cluster_file(dir.path(), &["pi-1"]);
    let Outcome { status, stdout, stderr } = outcome(hcimage(dir.path()).args(["watch", "--timeout", "3"]));
    assert_eq!(status.code(), Some(1), "{stdout}{stderr}");
    assert!(stdout.contains("pi-1: not found: the cluster file has no address for it, and "), "{stdout}");
    assert!(stdout.contains("--address pi-1=IP"), "{stdout}");
    assert!(stderr.contains("after 3 s not Ready: pi-1"), "{stderr}");
}

#[test]
fn wrong_usage_is_2() {
    let dir = tempfile::tempdir().unwrap();
    fail(hcimage(dir.path()).arg("watch"), 2, &["there is no cluster.toml here"]);
    cluster_file(dir.path(), &["pi-1"]);
    fail(hcimage(dir.path()).args(["watch", "--address", "pi-9=10.0.0.1"]), 2, &["pi-9", "no such node"]);
    fail(hcimage(dir.path()).args(["watch", "--address", "pi-1"]), 2, &["NAME=IP"]);
    fail(hcimage(dir.path()).args(["watch", "--address", "pi-1=x"]), 2, &["\"x\" is no IP address"]);
    fail(hcimage(dir.path()).args(["watch", "none.toml"]), 1, &["none.toml"]);
}

/// A terminal is `script` of bsdutils: the table is drawn over itself, and only its own sequences reach the terminal.
#[test]
fn on_a_terminal_there_is_one_table() {
    let dir = tempfile::tempdir().unwrap();
    let first = says(&[
        status("pi-1", "running", "k3s", "waiting \u{1b}]0;title\u{7}"),
        status("pi-1", "running", "k3s", "waiting \u{1b}]0;title\u{7}"),
        status("pi-1", "ready", "finish", ""),
    ]);
    let command = watch(dir.path(), 4, &[("pi-1", first)], "600");
    let words: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &words.join(" "), "/dev/null"]).current_dir(dir.path());
    script.env("TERM", "xterm").stdin(Stdio::null());
    let outcome = outcome(&mut script).succeeded();
    let shown = outcome.stdout;
    assert!(shown.contains("NODE  ADDRESS"), "{shown:?}");
    assert!(shown.contains("waiting \\u{1b}]0;title\\u{7}") && !shown.contains("\u{1b}]0"), "{shown:?}");
    let last = shown.rsplit("NODE  ADDRESS").next().unwrap();
    assert!(last.contains("pi-1") && last.contains("Ready"), "{last:?}");
}

#[test]
fn ctrl_c_ends_it_at_once_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let command = watch(dir.path(), 5, &[("pi-1", Play::Silent)], "3600");
    let mut wrapped = Command::new("env");
    wrapped.arg("--default-signal=INT").arg(command.get_program()).args(command.get_args());
    let mut child =
        wrapped.current_dir(dir.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Its first line comes after Ctrl-C is caught: that of a question without an answer.
    let mut first = [0; 4];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "error: interrupted; the nodes go on by themselves\n");
}
