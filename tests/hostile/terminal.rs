//! Foreign text on the terminal: names, link targets, texts of images, projects and of a console.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use hcimage_testkit::base::{K3S_VERSION, base, k3s_release};
use hcimage_testkit::external_tool::{Outcome, outcome};
use hcimage_testkit::hcimage::{build, hcimage, succeed};
use hcimage_testkit::tools::run;

use super::limits::{Copy, ends, put, refuses, succeeds};

/// A title, a question to the terminal, the clipboard, a cleared screen by C1, writing from right to left, and a bell.
const EVIL: &str = "\u{1b}]0;x\u{7}\u{1b}[6n\u{1b}]52;c;cm0=\u{7}\u{9b}2J\u{202e}\u{8}\u{7f}\u{1b}[8m";

/// Nothing but text and line ends was printed.
#[track_caller]
pub(crate) fn is_harmless(outcome: &Outcome) {
    for text in [&outcome.stdout, &outcome.stderr] {
        let evil = text.chars().find(|c| {
            c.is_control() && *c != '\n' && *c != '\t' || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffd}')
        });
        assert_eq!(evil, None, "{text:?}");
    }
}

#[test]
fn names_and_texts_of_an_image() {
    let copy = Copy::of("pi-os-bookworm-like");
    let file = put(copy.dir.path(), "content", "x\n");
    let link = "a\u{1b}[2Jb";
    copy.debugfs(&[
        format!("write {} \"/etc/{EVIL}\"", file.display()),
        format!("symlink \"/etc/{link}\" \"{EVIL}\""),
        "symlink /etc/plain-link \u{1b}]0;x\u{7}\u{9b}2J".to_owned(),
    ]);
    copy.write("/etc/hostname", format!("{EVIL}\n").as_bytes());
    let fstab = copy.read("/etc/fstab");
    copy.write("/etc/fstab", format!("{fstab}{EVIL} /{EVIL} {EVIL} defaults 0 0\n").as_bytes());
    let text = copy.read("/usr/lib/os-release");
    let text: String = text
        .lines()
        .map(|line| match line.strip_prefix("PRETTY_NAME=\"") {
            Some(rest) => format!("PRETTY_NAME=\"{EVIL}{rest}\n"),
            None => format!("{line}\n"),
        })
        .collect();
    copy.write("/usr/lib/os-release", text.as_bytes());
    copy.write_fat("a long name \u{202e}\u{9b}2J.txt", b"x");
    let image = copy.image.display().to_string();
    for arguments in [
        vec!["ls".to_owned(), format!("{image}:/etc")],
        vec!["ls".to_owned(), "--json".to_owned(), format!("{image}:/etc")],
        vec!["ls".to_owned(), format!("{image}:/boot/firmware")],
        vec!["ls".to_owned(), format!("{image}:/etc/plain-link")],
        vec!["ls".to_owned(), format!("{image}:/etc/{EVIL}/none")],
        vec!["cat".to_owned(), format!("{image}:/etc/{EVIL}/none")],
        vec!["inspect".to_owned(), image.clone()],
        vec!["inspect".to_owned(), "--json".to_owned(), image.clone()],
    ] {
        let mut command = hcimage(copy.dir.path());
        command.args(&arguments);
        is_harmless(&ends(&command));
    }
    let mut ls = hcimage(copy.dir.path());
    let said = succeeds(ls.arg("ls").arg(format!("{image}:/etc")));
    assert!(said.stdout.contains("\\u{1b}]0;x\\u{7}"), "the name is shown, written out: {}", said.stdout);
    let mut plan = build(copy.dir.path(), "cm4", &copy.image);
    is_harmless(&ends(plan.arg("--overwrite")));
    // Valid JSON with the name itself.
    let mut ls = hcimage(copy.dir.path());
    let said = succeeds(ls.args(["ls", "--json"]).arg(format!("{image}:/etc")));
    let names: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    let names = names.as_array().unwrap();
    assert!(names.iter().any(|name| name["target"] == "\u{1b}]0;x\u{7}\u{9b}2J"), "{names:?}");
}

/// Bytes go into a pipe as they are; on a terminal they are written out. `script` (bsdutils) is the terminal.
#[test]
fn the_content_of_a_file_on_a_terminal() {
    let copy = Copy::of("pi-os-bookworm-like");
    copy.write("/etc/motd", b"\x1b]0;x\x07\x9b2J\xff plain\n");
    let mut cat = hcimage(copy.dir.path());
    cat.arg("cat").arg(format!("{}:/etc/motd", copy.image.display()));
    let raw = cat.output().unwrap().stdout;
    assert_eq!(raw, b"\x1b]0;x\x07\x9b2J\xff plain\n");
    let program = cat.get_program().to_str().unwrap().to_owned();
    let mut script = Command::new("script");
    script
        .args(["-qec", &format!("{program} cat base.img:/etc/motd"), "/dev/null"])
        .current_dir(copy.dir.path());
    let said = script.output().unwrap().stdout;
    let said = String::from_utf8(said).unwrap();
    assert_eq!(said.trim_end(), "\\u{1b}]0;x\\u{7}\\x9b2J\\xff plain");
}

#[test]
fn a_project_with_escapes() {
    let dir = tempfile::tempdir().unwrap();
    let escaped = EVIL.chars().map(|c| format!("\\U{:08X}", u32::from(c))).collect::<String>();
    for text in [
        format!("schema = 1\nname = \"{escaped}\"\n"),
        format!("schema = 1\n\"{escaped}\" = 1\n"),
        "schema = 1\n# \u{202e}\u{9b}2J\nname = \u{202e}\n".to_owned(),
        format!(
            "schema = 1\nname = 'a'\nmanifests = [\"{escaped}.yaml\"]\napi = 'a.example'\n[[nodes]]\nname = 'a'\nrole = 'server'\nboard = 'cm4'\n"
        ),
        format!(
            "schema = 1\nname = 'a'\n[[nodes]]\nname = \"{escaped}\"\nrole = \"{escaped}\"\nboard = \"{escaped}\"\n"
        ),
    ] {
        put(dir.path(), "cluster.toml", &text);
        let mut plan = hcimage(dir.path());
        is_harmless(&refuses(plan.arg("plan"), &["cluster.toml"]));
    }
    let profile = include_str!("../../board-profiles/cm4.toml");
    let line = profile.lines().find(|line| line.starts_with("title")).unwrap();
    put(dir.path(), "profiles/x.toml", profile.replace(line, &format!("title = \"{escaped}\"")));
    for arguments in
        [&["boards", "--profiles", "profiles"][..], &["boards", "--json", "--profiles", "profiles"]]
    {
        is_harmless(&succeeds(hcimage(dir.path()).args(arguments)));
    }
    put(dir.path(), "profiles/x.toml", format!("name = \"{escaped}\"\n{EVIL}\n"));
    is_harmless(&refuses(hcimage(dir.path()).args(["boards", "--profiles", "profiles"]), &["x.toml"]));
    put(
        dir.path(),
        "hcimage.lock",
        format!("schema = 1\n# {EVIL}\n[[input]]\nname = \"{escaped}\"\nurl = \"{escaped}\"\n"),
    );
    let mut plan = hcimage(dir.path());
    plan.args(["plan", "--board", "cm4", "--base"]).arg(base("pi-os-bookworm-like"));
    is_harmless(&refuses(&plan, &["hcimage.lock"]));
    std::fs::remove_file(dir.path().join("hcimage.lock")).unwrap();
    // Names of files, as a shell completes them.
    let name = format!("{EVIL}.img");
    put(dir.path(), &name, "no image at all");
    for command in ["inspect", "ls", "no-such-command"] {
        is_harmless(&refuses(hcimage(dir.path()).args([command, &name]), &[]));
    }
    let sums = format!("{}  {EVIL}\n", "0".repeat(64));
    put(dir.path(), "raw.img", "x");
    put(dir.path(), "raw.img.sha256", sums);
    is_harmless(&refuses(
        hcimage(dir.path()).args(["plan", "--board", "cm4", "--base", "raw.img"]),
        &["raw.img.sha256"],
    ));
    let not_text = OsStr::from_bytes(b"\x9b2J\xff.img");
    std::fs::write(dir.path().join(not_text), "x").unwrap();
    let said = outcome(hcimage(dir.path()).arg("inspect").arg(not_text));
    assert!(!said.stderr.contains('\u{9b}'), "{:?}", said.stderr);
}

/// In QEMU's place a program that says what a hostile guest would: sequences, and a line without end. As the router of the network, which
/// has no machine, it answers its monitor and does nothing.
#[test]
fn the_console_of_a_machine() {
    let dir = tempfile::tempdir().unwrap();
    let fake = "#!/usr/bin/env python3\n\
        import json, socket, sys, time\n\
        port = next(a for a in sys.argv if a.startswith('tcp:127.0.0.1:')).rsplit(':', 1)[1]\n\
        monitor = socket.create_connection(('127.0.0.1', int(port)))\n\
        for line in monitor.makefile() if sys.argv[sys.argv.index('-M') + 1] == 'none' else []:\n\
        \x20 monitor.sendall(json.dumps({'return': '', 'id': json.loads(line).get('id')}).encode() + b'\\n')\n\
        out = sys.stdout.buffer\n\
        out.write(b'\\x1b]0;title\\x07\\x1b[31mred\\x1b[0m \\x1b]52;c;cm0=\\x07plain\\x9b2J\\xe2\\x80\\xae\\r\\n')\n\
        out.write(b'\\x1b]52;c;' + b'x' * 50_000_000 + b'\\n')\n\
        out.flush()\n\
        time.sleep(1)\n";
    succeed(build(dir.path(), "cm4", &base("pi-os-bookworm-like")).args(["--output", "node.img"]));
    let qemu = put(dir.path(), "bin/qemu-system-aarch64", fake);
    run(Command::new("chmod").arg("755").arg(&qemu));
    let path = format!("{}:{}", dir.path().join("bin").display(), std::env::var("PATH").unwrap());
    let mut command = hcimage(dir.path());
    command.env("PATH", path).env("TMPDIR", dir.path());
    command.args(["run", "--board", "cm4", "--wait", "20", "node.img"]);
    let said = refuses(&command, &["red plain", "the machine has ended"]);
    // What is no text at all may be U+FFFD: the console is bytes.
    let said = Outcome { stderr: said.stderr.replace('\u{fffd}', "?"), ..said };
    is_harmless(&said);
    assert!(!said.stderr.contains("title") && !said.stderr.contains("cm0="), "sequences are left out");
}

/// Our own colours are there where a terminal is, and nothing else.
#[test]
fn a_plan_on_a_terminal_has_colours_only() {
    let dir = tempfile::tempdir().unwrap();
    let mut plan = hcimage(dir.path());
    plan.args(["plan", "--board", "cm4"]);
    let program = plan.get_program().to_str().unwrap().to_owned();
    let (base, k3s) = (base("pi-os-bookworm-like"), k3s_release().join(K3S_VERSION));
    let line = format!("{program} plan --board cm4 --base {} --k3s {}", base.display(), k3s.display());
    let mut script = Command::new("script");
    script
        .args(["-qec", &line, "/dev/null"])
        .current_dir(dir.path())
        .env("TERM", "xterm")
        .env_remove("NO_COLOR");
    script.env("HCIMAGE_CACHE", dir.path().join("cache"));
    let said = String::from_utf8(script.output().unwrap().stdout).unwrap();
    assert!(said.contains("\u{1b}[32m+"), "no colours in {}", said.get(..500).unwrap_or(&said));
}
