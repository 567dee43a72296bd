//! A stranger's project folder: what it reads, where it sends for, and what it starts.

use std::fs;
use std::path::Path;
use std::process::Command;

use hcimage::source::digest::Sha256Digest;
use hcimage_testkit::base::{K3S_VERSION, base, k3s_release};
use hcimage_testkit::hcimage::{hcimage, names};
use hcimage_testkit::publisher::Publisher;
use hcimage_testkit::tools::run;

use super::limits::{put, refuses, succeeds};

const NODE: &str = "[[nodes]]\nname = \"lab-1\"\nrole = \"server\"\nboard = \"cm4\"\n";

fn cluster(more: &str) -> String {
    format!("schema = 1\nname = \"lab\"\napi = \"lab.example\"\n{more}\n{NODE}")
}

fn plan(dir: &Path) -> Command {
    let mut command = hcimage(dir);
    command.args(["plan", "--base"]).arg(base("pi-os-bookworm-like"));
    command.arg("--k3s").arg(k3s_release().join(K3S_VERSION));
    command
}

/// A secret in a file that others may read, where it could stand in one of its own.
#[test]
fn a_secret_in_a_file_that_others_may_read_is_named() {
    use std::os::unix::fs::PermissionsExt;

    let dir = tempfile::tempdir().unwrap();
    let file =
        put(dir.path(), "cluster.toml", cluster("[k3s]\ntoken = \"0123456789abcdef0123456789abcdef\"\n"));
    for (mode, named) in [(0o644, true), (0o640, true), (0o600, false)] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let said = succeeds(&plan(dir.path()));
        assert_eq!(
            said.stderr.contains("a secret stands in the cluster file"),
            named,
            "{mode:o} {}",
            said.stderr
        );
        assert!(!said.both().contains("0123456789abcdef"), "{}", said.both());
    }
}

/// A lock that has the official address, and the bytes of somebody else's server.
#[test]
fn a_foreign_server_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let server = Publisher::start();
    let release = k3s_release().join(K3S_VERSION);
    let official = "https://github.com/k3s-io/k3s/releases/download";
    let mut lock = String::from("schema = 1\n");
    for name in ["k3s-arm64", "k3s-airgap-images-arm64.tar.zst"] {
        let bytes = fs::read(release.join(name)).unwrap();
        let (digest, size) = (Sha256Digest::of(&bytes), bytes.len());
        server.file(&format!("/{name}"), bytes);
        let encoded = K3S_VERSION.replace('+', "%2B");
        lock.push_str(&format!(
            "[[input]]\nname = \"k3s.{K3S_VERSION}.{name}\"\nasked = \"{official}/{encoded}/{name}\"\nurl = \"{}\"\n\
             size = {size}\nsha256 = \"{digest}\"\n",
            server.url(&format!("/{name}"))
        ));
    }
    put(dir.path(), "hcimage.lock", lock);
    let mut command = hcimage(dir.path());
    command.args(["plan", "--board", "cm4", "--k3s", K3S_VERSION, "--base"]).arg(base("pi-os-bookworm-like"));
    // From the server, and then from the cache.
    for _ in 0..2 {
        let said = succeeds(&command);
        for word in ["warning: k3s.", "comes from 127.0.0.1", "not from github.com", "hcimage.lock"] {
            assert!(said.stderr.contains(word), "{word} is missing in {}", said.stderr);
        }
    }
    server.file_with_sum("/mine.img", b"no image");
    put(
        dir.path(),
        "cluster.toml",
        cluster(&format!("[boards.cm4]\nbase = \"{}\"", server.url("/mine.img"))),
    );
    let mut command = hcimage(dir.path());
    command.arg("plan");
    refuses(&command, &["warning: the base for cm4 comes from 127.0.0.1"]);
}

#[test]
fn a_file_outside_of_the_project_is_named() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("project");
    fs::create_dir(&dir).unwrap();
    put(home.path(), "secret.txt", "correct horse battery staple\n");
    put(&dir, "inside.txt", "a password\n");
    std::os::unix::fs::symlink("../secret.txt", dir.join("link.txt")).unwrap();
    std::os::unix::fs::symlink("..", dir.join("folder")).unwrap();
    let password = |file: &str| {
        cluster(&format!(
            "[registries.configs.\"r.example\".auth]\nusername = \"a\"\npassword = {{ file = {file:?} }}"
        ))
    };
    let absolute = home.path().join("secret.txt").display().to_string();
    for file in
        [absolute.as_str(), "../secret.txt", "link.txt", "folder/secret.txt", "../project/../secret.txt"]
    {
        put(&dir, "cluster.toml", password(file));
        let said = succeeds(&plan(&dir));
        assert!(
            said.stderr.contains("warning") && said.stderr.contains("outside of the project"),
            "{}",
            said.stderr
        );
        assert!(said.stderr.contains(file) && !said.both().contains("horse"), "{}", said.stderr);
    }
    for file in ["inside.txt", "../project/inside.txt", "./inside.txt"] {
        put(&dir, "cluster.toml", password(file));
        let said = succeeds(&plan(&dir));
        assert!(!said.stderr.contains("outside"), "{}", said.stderr);
    }
    put(home.path(), "outside.yaml", "apiVersion: v1\nkind: A\nmetadata: {name: a}\n");
    put(&dir, "cluster.toml", cluster("manifests = [\"../outside.yaml\"]"));
    assert!(succeeds(&plan(&dir)).stderr.contains("outside of the project"));
}

const PUTTY: &str = "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: x\nPublic-Lines: 2\nAAAA\nBBBB\n\
                     Private-Lines: 1\nCCCC\nPrivate-MAC: 00\n";

#[test]
fn a_private_key_is_refused_where_a_public_one_belongs() {
    let dir = tempfile::tempdir().unwrap();
    let openssh = dir.path().join("id_ed25519");
    run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&openssh));
    let pem = dir.path().join("id_rsa");
    run(Command::new("ssh-keygen").args(["-q", "-t", "rsa", "-m", "PEM", "-N", "", "-f"]).arg(&pem));
    let pkcs8 = dir.path().join("id_pkcs8");
    run(Command::new("ssh-keygen")
        .args(["-q", "-t", "rsa", "-m", "PKCS8", "-N", "word word", "-f"])
        .arg(&pkcs8));
    put(dir.path(), "key.ppk", PUTTY);
    let certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for name in ["id_ed25519", "id_rsa", "id_pkcs8", "key.ppk"] {
        let key = fs::read_to_string(dir.path().join(name)).unwrap();
        let hidden = key.lines().nth(if name == "key.ppk" { 7 } else { 2 }).unwrap();
        put(dir.path(), "both.pem", format!("{certificate}{key}"));
        let tls = "[registries.configs.\"r.example\".tls]";
        for (what, text) in [
            ("ssh", cluster(&format!("[[users]]\nname = \"anna\"\nssh-key-files = [{name:?}]"))),
            ("inline", cluster(&format!("[[users]]\nname = \"anna\"\nssh-keys = ['''{key}''']"))),
            ("ca", cluster(&format!("{tls}\nca-file = {name:?}"))),
            ("ca with key", cluster(&format!("{tls}\nca-file = \"both.pem\""))),
            ("cert", cluster(&format!("{tls}\ncert-file = \"both.pem\"\nkey-file = {name:?}"))),
            (
                "password",
                cluster(&format!(
                    "[registries.configs.\"r.example\".auth]\nusername = \"a\"\npassword = {{ file = {name:?} }}"
                )),
            ),
        ] {
            put(dir.path(), "cluster.toml", text);
            let said = refuses(&plan(dir.path()), &[]);
            assert!(!said.both().contains(hidden), "{what} {name} is shown: {}", said.stderr);
            assert!(
                ["private key", "no certificate", "not a public key", "not one line", "newline"]
                    .iter()
                    .any(|word| said.stderr.contains(word)),
                "{what} {name}: {}",
                said.stderr
            );
        }
    }
    // The key of a client is one for TLS, and none for SSH.
    put(dir.path(), "cert.pem", certificate);
    let ssh = dir.path().join(".ssh");
    fs::create_dir(&ssh).unwrap();
    fs::copy(&pem, ssh.join("id_rsa")).unwrap();
    for (key, word) in
        [("id_ed25519", "an SSH key"), (".ssh/id_rsa", "an SSH key"), ("id_pkcs8", "an encrypted key")]
    {
        let tls =
            format!("[registries.configs.\"r.example\".tls]\ncert-file = \"cert.pem\"\nkey-file = {key:?}");
        put(dir.path(), "cluster.toml", cluster(&tls));
        refuses(&plan(dir.path()), &[key, word]);
    }
}

/// QEMU's machines have options that write files.
#[test]
fn a_profile_reaches_no_option_of_qemu() {
    let dir = tempfile::tempdir().unwrap();
    let victim = put(dir.path(), "victim", "precious");
    let profile = include_str!("../../board-profiles/cm4.toml");
    for (from, to) in [
        ("machine = \"virt\"", format!("machine = \"virt,dumpdtb={}\"", victim.display())),
        ("cpu = \"cortex-a72\"", format!("cpu = \"cortex-a72,dump={}\"", victim.display())),
        ("console = \"ttyAMA0\"", "console = \"ttyAMA0 init=/bin/sh\"".to_owned()),
        ("name = \"cm4\"", "name = \"../x\"".to_owned()),
        ("name = \"cm4\"", "name = \"/x\"".to_owned()),
    ] {
        assert!(profile.contains(from), "{from}");
        put(dir.path(), "profiles/cm4.toml", profile.replacen(from, &to, 1));
        let mut command = hcimage(dir.path());
        command.args(["run", "--board", "cm4", "--profiles", "profiles"]).arg(base("pi-os-bookworm-like"));
        refuses(&command, &["cm4.toml", "invalid"]);
    }
    assert_eq!(fs::read_to_string(victim).unwrap(), "precious");
    assert!(!names(dir.path()).contains(&"x".to_owned()));
}

/// What is called like an output is no way to another file.
#[test]
fn a_link_with_the_name_of_an_output_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let victim = put(dir.path(), "victim", "precious");
    put(dir.path(), "cluster.toml", cluster(""));
    for name in ["kubeconfig", "lab-1.img", "lab-1.img.manifest.json"] {
        let _ = fs::remove_dir_all(dir.path().join("out"));
        fs::create_dir(dir.path().join("out")).unwrap();
        std::os::unix::fs::symlink(&victim, dir.path().join("out").join(name)).unwrap();
        for overwrite in [&["--overwrite"][..], &[]] {
            let mut command = hcimage(dir.path());
            command.arg("build").args(overwrite).arg("--base").arg(base("pi-os-bookworm-like"));
            command.arg("--k3s").arg(k3s_release().join(K3S_VERSION));
            refuses(&command, &[name]);
        }
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious", "{name}");
    }
}
