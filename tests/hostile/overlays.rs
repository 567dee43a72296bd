//! A stranger's overlays beside a cluster file: what a template, a manifest or a chain of them may cost, and where they may reach.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use hcimage_testkit::hcimage::hcimage;

use super::limits::{put, refuses, succeeds};

fn render(dir: &Path) -> Command {
    let mut command = hcimage(dir);
    command.args(["overlays", "render"]);
    command
}

/// A project with one overlay of these files.
fn project(files: &[(&str, String)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let text = "schema = 1\nname = \"lab\"\n[overlays.shop]\n[[nodes]]\nname = \"lab-1\"\nrole = \"server\"\nboard = \"cm4\"\n";
    put(dir.path(), "cluster.toml", text);
    fs::create_dir_all(dir.path().join("overlays/shop/manifests")).unwrap();
    fs::create_dir_all(dir.path().join("overlays/shop/files")).unwrap();
    if !files.iter().any(|(name, _)| *name == "overlay.toml") {
        put(dir.path(), "overlays/shop/overlay.toml", "about = \"x\"\n[secrets.a]\nhelp = \"x\"\n");
    }
    for (name, text) in files {
        put(dir.path(), &format!("overlays/shop/{name}"), text);
    }
    dir
}

fn manifest(text: &str) -> tempfile::TempDir {
    project(&[("manifests/a.yaml", text.to_owned())])
}

#[test]
fn templates_end_in_little_time_and_memory() {
    for template in [
        "{{ \"x\" * 3000000000 }}".to_owned(),
        "{{ \"x\" | indent(2000000000) }}".to_owned(),
        "{% for a in range(99999) %}{% for b in range(99999) %}{{ a * b }}{% endfor %}{% endfor %}"
            .to_owned(),
        format!("{{{{ {}1 }}}}", "-".repeat(60_000)),
        format!("{{{{ {}1{} }}}}", "(".repeat(30_000), ")".repeat(30_000)),
        format!("{{{{ 1{} }}}}", " ~ 1".repeat(15_000)),
        format!("{}{}", "{% if 1 %}".repeat(3_000), "{% endif %}".repeat(3_000)),
        "{% for a in range(99999) %}{{ secret.a | bcrypt }}{% endfor %}".to_owned(),
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}".to_owned(),
    ] {
        refuses(&render(manifest(&template).path()), &["manifests/a.yaml"]);
    }
    let inner = "{% for i in range(90000) %}{% endfor %}".to_owned();
    let outer = "{% for i in range(3000) %}{% set x = render(\"b\") %}{% endfor %}".to_owned();
    let dir = project(&[("files/b", inner), ("manifests/a.yaml", outer)]);
    refuses(&render(dir.path()), &["manifests/a.yaml"]);
    let when = format!("about = \"x\"\n[[images]]\nname = \"a/b:1\"\nwhen = \"{}1\"\n", "-".repeat(100_000));
    let dir = project(&[("overlay.toml", when)]);
    refuses(&render(dir.path()), &["overlay.toml"]);
    let mut show = hcimage(dir.path());
    succeeds(show.args(["overlays", "show", "shop"]));
}

#[test]
fn manifests_that_unfold_are_refused() {
    let mut one = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: default}\na0: &a0 [x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let before = format!("*a{}, ", level - 1).repeat(8);
        let _ = writeln!(one, "a{level}: &a{level} [{before}]");
    }
    refuses(&render(manifest(&one).path()), &["manifests/a.yaml"]);
    let half = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: nX, namespace: default}}\nx: &a [{}]\ny: [{}]\n",
        "1, ".repeat(60),
        "*a, ".repeat(4000)
    );
    let names: Vec<String> = (0..50).map(|number| format!("manifests/m{number}.yaml")).collect();
    let files: Vec<(&str, String)> = names
        .iter()
        .enumerate()
        .map(|(number, name)| (name.as_str(), half.replace('X', &number.to_string())))
        .collect();
    refuses(&render(project(&files).path()), &["all of them together"]);
}

#[test]
fn nothing_outside_of_the_folder_is_read() {
    for (template, words) in [
        ("{{ file(\"../../../secret.txt\") }}", "no files/../../../secret.txt"),
        ("{{ file(\"/etc/passwd\") }}", "no files//etc/passwd"),
        ("{% include \"/etc/passwd\" %}", "manifests/a.yaml"),
    ] {
        let dir = manifest(template);
        put(dir.path(), "secret.txt", "hunter2");
        let said = refuses(&render(dir.path()), &[words]);
        assert!(!said.both().contains("hunter2") && !said.both().contains("root:"), "{}", said.both());
    }
    for link in ["files/passwd", "manifests/passwd.yaml", "README.md"] {
        let dir = manifest("");
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("overlays/shop").join(link)).unwrap();
        refuses(&render(dir.path()), &[link, "it is a link"]);
    }
    let dir = manifest("");
    run_mkfifo(&dir.path().join("overlays/shop/files/pipe"));
    refuses(&render(dir.path()), &["files/pipe"]);
}

fn run_mkfifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}
