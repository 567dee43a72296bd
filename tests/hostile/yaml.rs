//! Texts that mean more than they are long, or nest deeper than any stack: YAML, and TOML too.

use hcimage_testkit::base::base;
use hcimage_testkit::hcimage::{build, hcimage};

use super::limits::{Copy, ends, put, refuses, succeeds};

/// Ten levels of ten aliases: ten thousand million words.
fn laughs() -> String {
    let mut text = String::from("a0: &a0 lol\n");
    for level in 1..11 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    text
}

#[test]
fn aliases_in_an_image() {
    let copy = Copy::of("pi-os-trixie-like");
    copy.write("/etc/cloud/cloud.cfg", laughs().as_bytes());
    let mut inspect = hcimage(copy.dir.path());
    inspect.arg("inspect").arg(&copy.image);
    succeeds(&inspect);
    copy.write_fat("user-data", format!("#cloud-config\n{}", laughs()).as_bytes());
    refuses(&build(copy.dir.path(), "cm4", &copy.image), &["user-data", "unfolds"]);
}

#[test]
fn a_manifest_that_unfolds_or_nests_without_end() {
    let dir = tempfile::tempdir().unwrap();
    let object = "apiVersion: v1\nkind: A\nmetadata: {name: a}\n";
    for (what, text, word) in [
        ("aliases", format!("{object}{}", laughs()), "unfolds"),
        ("keys", "? ".repeat(10_000), "nested too deeply"),
        ("items", "- ".repeat(100_000), "nested too deeply"),
        ("brackets", "[".repeat(100_000), ""),
        ("braces", "{a: ".repeat(100_000), ""),
        ("both", "- ? ".repeat(50_000), "nested too deeply"),
        ("steps", (0..3000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect(), "nested too deeply"),
        ("many", format!("[{}]", "0,".repeat(4_000_000)), "brackets, colons and commas"),
        ("long", "#".repeat(9 << 20), "expected at most"),
        ("json", format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000)), ""),
    ] {
        put(dir.path(), "a.yaml", text);
        let mut command = hcimage(dir.path());
        command.args(["plan", "--board", "cm4", "--manifest", "a.yaml"]);
        let said = refuses(&command, &["a.yaml", word]);
        assert!(said.stderr.len() < 10_000, "{what}: {}", said.stderr.len());
    }
}

#[test]
fn a_cluster_file_that_nests_or_goes_on_without_end() {
    let dir = tempfile::tempdir().unwrap();
    for text in [
        format!("a = {}", "[".repeat(100_000)),
        format!("a = {}", "{a = ".repeat(100_000)),
        format!("{}a = 1", "a.".repeat(100_000)),
        format!("[{}a]", "a.".repeat(100_000)),
        format!("a = [{}]", "0,".repeat(500_000)),
        "[[a]]\n".repeat(150_000),
        (0..50_000).map(|number| format!("a{number} = \"\n")).collect(),
        "a = 1\n".repeat(1 << 20),
    ] {
        put(dir.path(), "cluster.toml", text.as_bytes());
        let mut command = hcimage(dir.path());
        command.arg("plan");
        refuses(&command, &["cluster"]);
        put(dir.path(), "profiles/x.toml", text.as_bytes());
        let mut command = hcimage(dir.path());
        command.args(["boards", "--profiles", "profiles"]);
        refuses(&command, &["x.toml"]);
        put(dir.path(), "hcimage.lock", text.as_bytes());
        let mut command = hcimage(dir.path());
        command.args(["plan", "--board", "cm4", "--base"]).arg(base("pi-os-bookworm-like"));
        refuses(&command, &["hcimage.lock"]);
    }
}

/// Texts of an image that are as long as they may be, of what costs most in memory.
#[test]
fn long_texts_of_an_image() {
    let copy = Copy::of("pi-os-bookworm-like");
    let most = 1 << 20;
    for (path, line) in [
        ("/etc/fstab", "a /b c d 0 0\n"),
        ("/etc/passwd", "a:x:1:1::/home/a:/b\n"),
        ("/etc/group", "a:x:1:\n"),
        ("/etc/hosts", "1.1.1.1 a\n"),
        ("/etc/dhcpcd.conf", "interface a\n"),
    ] {
        copy.write(path, line.repeat(most / line.len()).as_bytes());
    }
    copy.write("/usr/lib/os-release", "A=b\n".repeat((1 << 16) / 4 - 1).as_bytes());
    let mut inspect = hcimage(copy.dir.path());
    ends(inspect.arg("inspect").arg(&copy.image));
    ends(&build(copy.dir.path(), "cm4", &copy.image));
    // Thousands of files in directories that are read whole.
    let mut many = vec!["mkdir /etc/sysctl.d".to_owned(), "mkdir /etc/modules-load.d".to_owned()];
    let file = put(copy.dir.path(), "megabyte", "a\n".repeat(most / 2));
    many.extend((0..60).map(|n| format!("write {} /etc/modules-load.d/{n}.conf", file.display())));
    copy.debugfs(&many);
    ends(&build(copy.dir.path(), "cm4", &copy.image));
}
