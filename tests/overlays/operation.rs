//! The overlays `hardening`, `system-upgrade` and `etcd-s3`: what they refuse, what must be there before k3s starts, and the step that
//! looks for the archive of a new release, run by a shell. On a real API server they are in `make overlay-judge`.

use std::fs;
use std::path::Path;
use std::process::Command;

use hcimage::cluster::{Checked, Setting};
use hcimage::formats::yaml_load;
use yaml_rust2::Yaml;

use super::{FOUR, ONE, load};

fn loaded(tables: &str, nodes: &str) -> Checked {
    load(Path::new("/nowhere"), tables, nodes).unwrap_or_else(|report| panic!("{tables}\n{report}"))
}

fn refused(tables: &str, words: &str) {
    match load(Path::new("/nowhere"), tables, ONE) {
        Ok(_) => panic!("it was taken: {tables}"),
        Err(report) => assert!(report.to_string().contains(words), "{words}: {report}"),
    }
}

fn objects(checked: &Checked, overlay: &str) -> Vec<Yaml> {
    let active = checked.cluster.overlays.iter().find(|active| active.name().as_str() == overlay).unwrap();
    active.shown.files.iter().flat_map(|file| yaml_load::load(&file.text).unwrap()).collect()
}

/// An API server does not start without a file that it is told of.
#[test]
fn every_file_that_the_hardened_api_server_reads_is_in_the_image() {
    for more in ["", "audit = false\n", "pod-security = \"baseline\"\nexempt = [\"a\", \"b\"]\n"] {
        let checked = loaded(&format!("[overlays.hardening]\n{more}"), FOUR);
        let Setting::List(arguments) = &checked.cluster.k3s.server.0["kube-apiserver-arg"] else { panic!() };
        let files: Vec<&str> =
            checked.cluster.overlays[0].needs.files.iter().map(|file| file.path.as_str()).collect();
        let mut read = 0;
        for argument in arguments {
            let (name, value) = argument.split_once('=').unwrap();
            match name {
                // It makes the directory of its log itself.
                "audit-log-path" => assert!(value.starts_with("/var/lib/rancher/k3s/server/"), "{value}"),
                _ if value.contains('/') => {
                    assert!(files.contains(&value), "{argument}: {files:?}");
                    read += 1;
                }
                _ => {}
            }
        }
        assert_eq!(read, files.len(), "{arguments:?}");
        assert_eq!(read, if more.contains("audit") { 1 } else { 2 });
        for settings in [&checked.cluster.k3s.server, &checked.cluster.k3s.agent] {
            assert_eq!(settings.0["protect-kernel-defaults"], Setting::Switch(true));
        }
        for file in &checked.cluster.overlays[0].needs.files {
            assert_eq!(yaml_load::load(&file.text).unwrap().len(), 1, "{}", file.text);
        }
    }
    refused("[k3s]\n[overlays.hardening]\n", "set `secrets-encryption = true` in [k3s]");
}

#[test]
fn k3s_goes_forward_one_minor_release_at_a_time() {
    let plan = |now: &str, version: &str| {
        format!("[k3s]\nversion = \"{now}\"\n[overlays.system-upgrade]\nversion = \"{version}\"\n")
    };
    for (now, version) in [
        ("v1.36.4+k3s1", "v1.36.4+k3s2"),
        ("v1.36.4+k3s1", "v1.36.10+k3s1"),
        ("v1.36.4+k3s1", "v1.37.0+k3s1"),
        ("stable", "v1.20.0+k3s1"),
    ] {
        let checked = loaded(&plan(now, version), ONE);
        let tag = format!("docker.io/rancher/k3s-upgrade:{}", version.replace('+', "-"));
        let images = &checked.cluster.overlays[0].needs.images;
        assert!(images.iter().any(|image| image.name.to_string() == tag), "{images:?}");
    }
    for (version, words) in [
        ("v1.36.4+k3s1", "is not newer than v1.36.4+k3s1"),
        ("v1.36.3+k3s9", "is not newer"),
        ("v1.35.9+k3s1", "is not newer"),
        ("v1.38.0+k3s1", "leaves out a minor release"),
        ("v2.0.0+k3s1", "leaves out a minor release"),
        ("1.37.0+k3s1", "expected a release"),
        ("v1.37", "expected a release"),
        ("stable", "expected a release"),
        ("v1.37.0-rc1+k3s1", "expected a release"),
    ] {
        refused(&plan("v1.36.4+k3s1", version), words);
    }
    // Without one there is no plan, and no image for it.
    let checked = loaded("[overlays.system-upgrade]\n", ONE);
    assert!(
        !objects(&checked, "system-upgrade").iter().any(|object| object["kind"].as_str() == Some("Plan"))
    );
    assert_eq!(checked.cluster.overlays[0].needs.images.len(), 2);
}

#[test]
fn a_node_without_the_archive_of_the_new_release_is_not_upgraded() {
    let checked = loaded("[overlays.system-upgrade]\nversion = \"v1.37.1+k3s1\"\n", FOUR);
    let dir = tempfile::tempdir().unwrap();
    let images = dir.path().join("var/lib/rancher/k3s/agent/images");
    fs::create_dir_all(&images).unwrap();
    let went_on = dir.path().join("went-on");
    // The image's program, which waits for the servers.
    fs::write(dir.path().join("upgrade.sh"), format!("echo \"$*\" > {}\n", went_on.display())).unwrap();
    let plans = objects(&checked, "system-upgrade");
    let step = |name: &str| {
        let plan = plans.iter().find(|object| {
            object["kind"].as_str() == Some("Plan") && object["metadata"]["name"].as_str() == Some(name)
        });
        let prepare = &plan.unwrap()["spec"]["prepare"];
        let words = |list: &Yaml| -> Vec<String> {
            list.as_vec().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
        };
        let mut all = words(&prepare["command"]);
        all.extend(words(&prepare["args"]));
        let text = all.pop().unwrap().replace("/host/", &format!("{}/", dir.path().display()));
        let text = text.replace("exec /bin/upgrade.sh", &format!("sh {}/upgrade.sh", dir.path().display()));
        let output = Command::new(&all[0]).args(&all[1..]).arg(text).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let both = |expected: bool| {
        for name in ["k3s-server", "k3s-agent"] {
            let (good, said) = step(name);
            assert_eq!(good, expected, "{name}: {said}");
            assert_eq!(said.contains("put it there first"), !expected, "{said}");
        }
        assert_eq!(went_on.exists(), expected, "agents wait only then");
    };
    both(false);
    fs::write(images.join("k3s-airgap-images-arm64.tar.zst"), "old").unwrap();
    fs::write(images.join("k3s-airgap-images-v1.37.0+k3s1.tar.zst"), "old").unwrap();
    fs::write(images.join("k3s-airgap-images-v1.37.1+k3s1.tar.zst"), "").unwrap();
    both(false);
    fs::write(images.join("k3s-airgap-images-v1.37.1+k3s1.tar.zst"), "new").unwrap();
    both(true);
    assert_eq!(fs::read_to_string(&went_on).unwrap(), "prepare k3s-server\n");
    // With registries in reach agents wait all the same.
    let checked = loaded("[overlays.system-upgrade]\nversion = \"v1.37.1+k3s1\"\narchive = false\n", FOUR);
    let plans = objects(&checked, "system-upgrade");
    let agents =
        plans.iter().find(|object| object["metadata"]["name"].as_str() == Some("k3s-agent")).unwrap();
    assert_eq!(agents["spec"]["prepare"]["args"][0].as_str(), Some("prepare"));
    assert_eq!(agents["spec"]["prepare"]["args"][1].as_str(), Some("k3s-server"));
}

#[test]
fn snapshots_of_etcd_are_for_etcd_and_the_secret_alone_says_where_they_go() {
    let table = "[overlays.etcd-s3]\nbucket = \"b\"\naccess-key = \"a\"\nsecret-key = \"hunter2\"\n";
    refused(&format!("[k3s]\n{table}"), "set `datastore = \"etcd\"` in [k3s]");
    refused(
        &format!("[k3s]\ndatastore = \"etcd\"\n{table}endpoint = \"https://s3.example.org\"\n"),
        "without https://",
    );
    let checked = loaded(table, ONE);
    // k3s ignores the Secret where another of these is set.
    let flags: Vec<&String> =
        checked.cluster.k3s.server.0.keys().filter(|key| key.starts_with("etcd-s3")).collect();
    assert_eq!(flags, ["etcd-s3", "etcd-s3-config-secret"]);
    let secret = &objects(&checked, "etcd-s3")[0];
    assert_eq!(
        checked.cluster.k3s.server.0["etcd-s3-config-secret"],
        Setting::Text("hcimage-etcd-s3".to_owned())
    );
    assert_eq!(secret["metadata"]["name"].as_str(), Some("hcimage-etcd-s3"));
    assert_eq!(secret["metadata"]["namespace"].as_str(), Some("kube-system"));
    assert_eq!(secret["type"].as_str(), Some("etcd.k3s.cattle.io/s3-config-secret"));
}
