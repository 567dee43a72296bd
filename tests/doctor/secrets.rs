//! Secrets are planted wherever a card has some, and where a program may have said them: none is in what doctor says.

use std::fs::{self, File};
use std::io::Read;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hcimage_testkit::tools::{debugfs_write, run};

use crate::card::{Card, failed};

/// Each with the file that it is in.
const PLANTED: [(&str, &str, &str); 14] = [
    ("config-tok-4711", "/etc/rancher/k3s/config.yaml.d/20-own.yaml", "token: config-tok-4711\n"),
    (
        "horse battery st",
        "/etc/rancher/k3s/config.yaml.d/30-db.yaml",
        "datastore-password: \"horse battery st\"\n",
    ),
    ("env-file-pw-815", "/etc/systemd/system/k3s.service.env", "K3S_TOKEN=env-file-pw-815\n"),
    (
        "wifi let me in",
        "/etc/NetworkManager/system-connections/w.nmconnection",
        "[wifi-security]\npsk=wifi let me in\n",
    ),
    (
        "winter garden 9",
        "/etc/wpa_supplicant/wpa_supplicant-wlan0.conf",
        "network={\n  psk=\"winter garden 9\"\n}\n",
    ),
    ("$6$saltsalt$Zm9vYmFyYmF6", "/etc/shadow", "root:$6$saltsalt$Zm9vYmFyYmF6:19000:0:99999:7:::\n"),
    (
        "registry-pw-99x",
        "/etc/rancher/k3s/registries.yaml",
        "configs:\n  r.example:\n    auth:\n      password: registry-pw-99x\n",
    ),
    (
        "overlay-pw-Qw3",
        "/var/lib/rancher/k3s/server/manifests/cloud.yaml",
        "kind: Secret\nstringData:\n  x: overlay-pw-Qw3\n",
    ),
    ("node-pw-abcdef12", "/etc/rancher/node/password", "node-pw-abcdef12\n"),
    (
        "AGE-SECRET-KEY-1QQPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
        "/root/keys.txt",
        "# created\nAGE-SECRET-KEY-1QQPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L\n",
    ),
    (
        "wgKeyQ2hhbm5lbA12345678=",
        "/etc/wireguard/wg0.conf",
        "[Interface]\nPrivateKey = wgKeyQ2hhbm5lbA12345678=\n",
    ),
    (
        "kubecfgClientKeyData77",
        "/etc/rancher/k3s/k3s.yaml",
        "users:\n- user:\n    client-key-data: kubecfgClientKeyData77\n    password: kubecfgClientKeyData77\n",
    ),
    (
        "sshPrivShort",
        "/etc/ssh/ssh_host_x_key",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nsshPrivShort\n-----END OPENSSH PRIVATE KEY-----\n",
    ),
    ("netplan pass 31", "/etc/netplan/50-w.yaml", "wifis:\n  w:\n    password: \"netplan pass 31\"\n"),
];

#[test]
fn no_secret_is_in_the_archive_or_in_what_is_said() {
    let card = Card::new();
    let mut secrets: Vec<String> = Vec::new();
    for (secret, path, text) in PLANTED {
        card.put_private(path, text);
        secrets.extend([secret.to_owned(), STANDARD.encode(secret)]);
    }
    let said: String =
        secrets.iter().map(|secret| format!("it says {secret}, and\n{{\"a\":\"{secret}\"}}\n")).collect();
    let mut state = failed(&format!("what: {}", PLANTED[1].0), &said.replace('\n', " "));
    state.notes = secrets.clone();
    state.phases[0].notes = secrets.clone();
    card.left(&state, None);
    let log = format!("# x\n\n== kernel ==\n{said}\n== first boot ==\n{said}\n== k3s ==\n{said}");
    card.put_private("/var/lib/hcimage/last-failure.log", &log);
    card.put("/var/lib/rancher/k3s/agent/containerd/containerd.log", &said);
    card.put("/var/log/pods/kube-system_a_1/b/0.log", &said);
    card.put("/etc/fstab", &said);
    card.put("/etc/rancher/k3s/config.yaml", &said);
    let journal = crate::journal::made_of(card.dir.path(), secrets.iter().map(String::as_str));
    debugfs_write(&card.image, "mkdir /var/log/journal/x");
    debugfs_write(&card.image, &format!("write {} /var/log/journal/x/system.journal", journal.display()));
    for name in ["config-tok-4711.yaml", "node-pw-abcdef12"] {
        card.put(&format!("/etc/rancher/k3s/{name}"), "x");
    }
    card.put_boot("cmdline.txt", "console=tty1 registry-pw-99x\n");
    card.put_boot("hcimage-status.txt", &said);

    let tar = card.dir.path().join("bug.tar");
    let told = card.doctor(&["--collect", "bug.tar"]);
    let json = card.doctor(&["--json"]);
    assert_eq!(told.status.code(), Some(1), "{}", told.both());
    let mut all = vec![("doctor".to_owned(), told.both()), ("json".to_owned(), json.both())];
    let mut raw = Vec::new();
    File::open(&tar).unwrap().read_to_end(&mut raw).unwrap();
    all.push(("the bytes".to_owned(), String::from_utf8_lossy(&raw).into_owned()));
    let names = run(Command::new("tar").arg("-tf").arg(&tar));
    for secret in &secrets {
        for (name, text) in &all {
            assert!(!text.contains(secret.as_str()), "{secret:?} is in {name}");
        }
    }
    // What is worth having is there.
    for name in [
        "doctor.txt",
        "partitions.txt",
        "root/etc/hcimage/seed.toml",
        "root/var/lib/hcimage/state.json",
        "root/names.txt",
        "boot/cmdline.txt",
        "logs/0.log",
    ] {
        assert!(names.lines().any(|line| line == name), "{name} is not in {names}");
    }
    let logs = run(Command::new("tar").arg("-xOf").arg(&tar).arg("--wildcards").arg("logs/*"));
    assert!(logs.contains("it says ***, and"), "{logs}");
    assert!(logs.contains("system.journal, everything else"), "{logs}");
    assert!(raw.len() < 20 << 20);

    let before = fs::read(&tar).unwrap();
    let again = card.doctor(&["--collect", "bug.tar"]);
    assert!(again.stderr.contains("exists already"), "{}", again.both());
    assert_eq!(fs::read(&tar).unwrap(), before, "an archive is never replaced");
}
