//! The programs that read our files on a node say what they understand. None needs root; a missing one fails its test.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use hcimage::formats::yaml::Node;
use hcimage::formats::{container_stop, k3s_config, kubelet_sysctl};
use hcimage::value::Role;
use hcimage_testkit::checkers::checker;
use hcimage_testkit::external_tool::python_module;
use hcimage_testkit::needs;
use proptest::prelude::*;

use crate::cases::{EDITS, RENDERS};
use crate::read;

/// Runs a program with `input` and gives back all it said.
pub(crate) fn run(package: &str, command: &mut Command, input: &str) -> Output {
    let mut child = command
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("running {command:?}: {error}: install the package {package}"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// The same for a program that must be content; its standard output.
pub(crate) fn content(package: &str, command: &mut Command, input: &str) -> String {
    let output = run(package, command, input);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && error.is_empty(), "{command:?}: {error}\n{input}");
    String::from_utf8(output.stdout).unwrap()
}

/// The golden outputs of an editor or renderer, with their names.
fn outputs(editor: &str) -> Vec<(&'static str, String)> {
    let names = EDITS.iter().map(|(name, _)| *name).chain(RENDERS.iter().map(|(name, _)| *name));
    let of_editor = |name: &&str| name.split('/').next() == Some(editor);
    let found: Vec<_> = names.filter(of_editor).map(|name| (name, read(name, "out"))).collect();
    assert!(!found.is_empty(), "{editor}");
    found
}

#[test]
fn grub_can_read_its_menu() {
    needs!("grub-script-check" from "grub-common");
    for (_, text) in outputs("grub_cfg") {
        content("grub-common", &mut checker("grub-script-check"), &text);
    }
}

#[test]
fn update_grub_adds_the_words_to_those_that_are_there() {
    let (_, text) = outputs("grub_default").remove(0);
    let script = format!("GRUB_CMDLINE_LINUX='console=ttyS0'\n{text}printf %s \"$GRUB_CMDLINE_LINUX\"\n");
    let words = content("dash", &mut Command::new("sh"), &script);
    assert_eq!(words, "console=ttyS0 cgroup_memory=1 cgroup_enable=memory");
}

/// What NetworkManager reads in a keyfile, written back in its own form, without its random uuid.
fn understood_by_network_manager(text: &str) -> Output {
    // `modify` must change something: the retries are in none of our files.
    let change = ["--offline", "connection", "modify", "connection.autoconnect-retries", "3"];
    run("network-manager", checker("nmcli").args(change), text)
}

#[test]
fn network_manager_understands_its_keyfiles() {
    needs!("nmcli" from "network-manager");
    let wanted: &[(&str, &[&str])] = &[
        ("keyfile/dhcp", &["[ipv4]\nmethod=auto\n", "[ipv6]\nmethod=auto\n"]),
        (
            "keyfile/static",
            &[
                "[ipv4]\naddress1=192.168.1.10/24,192.168.1.1\ndad-timeout=1000\ndns=192.168.1.1;1.1.1.1;\nmethod=manual\n",
                "dns=2606:4700:4700::1111;\nmethod=auto\n",
            ],
        ),
        (
            "keyfile/dhcp-by-mac-with-search",
            &["mac-address=DC:A6:32:01:02:03\n", "[ipv4]\ndns-search=home.lan;\nmethod=auto\n"],
        ),
        (
            "keyfile/named-without-gateway",
            &[
                "interface-name=end0\n",
                "[ipv4]\naddress1=10.0.0.2/8\ndad-timeout=1000\nmethod=manual\nnever-default=true\n",
            ],
        ),
        (
            "keyfile/ipv6",
            &["[ipv4]\nmethod=auto\n", "address1=fd00::10/64,fd00::1\ndns=fd00::53;\nmethod=manual\n"],
        ),
        (
            "keyfile/vlan",
            &[
                "interface-name=vlan20\n",
                "id=20\nparent=7d0c3c0e-52a4-4c1b-9a39-6f1f4b8f3a10\n",
                "address1=192.168.1.10/24,192.168.1.1\n",
            ],
        ),
        (
            "keyfile/extras",
            &[
                "[ethernet]\nmtu=1400\n",
                "address1=192.168.1.10/24,192.168.1.1\naddress2=10.7.0.11/24\n",
                "route1=10.8.0.0/16,10.7.0.1\n",
                "address1=fd07::11/64\n",
                "route1=fd08::/64,fd07::1\n",
            ],
        ),
        ("keyfile/extras-vlan", &["[ethernet]\nmtu=1400\n", "[vlan]\n", "address2=10.7.0.11/24\n"]),
        (
            "keyfile/extras-by-dhcp",
            &["[ethernet]\nmtu=9000\n", "method=auto\nroute1=10.8.0.0/16,10.0.0.254\n"],
        ),
        (
            "keyfile/vlan-port",
            &[
                "uuid=7d0c3c0e-52a4-4c1b-9a39-6f1f4b8f3a10\n",
                "interface-name=eth0\n",
                "mac-address=DC:A6:32:01:02:03\n",
                "[ipv4]\nmethod=disabled\n",
                "[ipv6]\nmethod=disabled\n",
            ],
        ),
        (
            "keyfile/vlan-first-port",
            &[
                "uuid=7d0c3c0e-52a4-4c1b-9a39-6f1f4b8f3a10\n",
                "[ipv4]\nmethod=disabled\n",
                "[ipv6]\nmethod=disabled\n",
            ],
        ),
    ];
    let outputs: Vec<_> =
        outputs("keyfile").into_iter().filter(|(name, _)| !name.starts_with("keyfile/wifi")).collect();
    assert_eq!(outputs.len(), wanted.len());
    for (name, keys) in wanted {
        let (_, text) = outputs.iter().find(|(found, _)| found == name).unwrap();
        let output = understood_by_network_manager(text);
        let (said, error) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{name}: {error}");
        let (id, kind) = match *name {
            "keyfile/vlan" | "keyfile/extras-vlan" => ("id=hcimage\n", "type=vlan\n"),
            name if name.ends_with("port") => ("id=hcimage-port\n", "type=ethernet\n"),
            _ => ("id=hcimage\n", "type=ethernet\n"),
        };
        for key in [id, kind, "autoconnect-priority=999\n"].iter().chain(*keys) {
            assert!(said.contains(key), "{name}: {key:?} is not in\n{said}");
        }
    }
}

#[test]
fn network_manager_would_refuse_a_bad_keyfile() {
    needs!("nmcli" from "network-manager");
    let bad = read("keyfile/static", "out").replace("192.168.1.10/24", "192.168.1.300/24");
    assert!(!understood_by_network_manager(&bad).status.success());
}

/// A root that holds the unit and, as stand-ins, what it refers to.
fn root_with_unit(unit: &str, text: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let put = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    };
    put(&format!("etc/systemd/system/{unit}"), text);
    for target in ["sysinit", "basic", "shutdown", "network-online", "multi-user"] {
        put(&format!("usr/lib/systemd/system/{target}.target"), "[Unit]\nDescription=Stand-in\n");
    }
    for program in ["usr/local/bin/k3s", "sbin/modprobe"] {
        make_executable(&put(program, "#!/bin/sh\n"));
    }
    root
}

fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn verify(root: &Path, unit: &str) -> Command {
    let mut command = Command::new("systemd-analyze");
    command.arg(format!("--root={}", root.display())).args(["--man=no", "verify", unit]);
    command
}

#[test]
fn systemd_has_nothing_to_say_about_the_units() {
    needs!("systemd-analyze" from "systemd");
    let outputs = outputs("k3s_unit");
    for (unit, name) in [("k3s.service", "k3s_unit/server"), ("k3s-agent.service", "k3s_unit/agent")] {
        let (_, text) = outputs.iter().find(|(found, _)| *found == name).unwrap();
        let root = root_with_unit(unit, text);
        content("systemd", &mut verify(root.path(), unit), "");
    }
}

/// With all that is added to the unit of k3s, and what is ordered by it.
#[test]
fn systemd_accepts_what_belongs_to_k3s() {
    needs!("systemd-analyze" from "systemd");
    let root = root_with_unit("k3s.service", &read("k3s_unit/server", "out"));
    let put = |path: &str, text: &str| {
        let path = root.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    };
    for program in ["/lib/systemd/systemd-sysctl", "/bin/true"] {
        make_executable(&put(program, "#!/bin/sh\n"));
    }
    make_executable(&put(container_stop::SCRIPT_PATH, &read("container_stop/script", "out")));
    put(&kubelet_sysctl::drop_in_path(Role::Server), &read("kubelet_sysctl/drop-in", "out"));
    let unit = format!("/etc/systemd/system/{}", container_stop::UNIT);
    put(&unit, &read("container_stop/unit", "out"));
    for unit in ["k3s.service", container_stop::UNIT] {
        content("systemd", &mut verify(root.path(), unit), "");
    }
}

/// Processes for real: one that ends when it is asked, one that does not, one of k3s itself, and one of nobody.
#[test]
fn the_script_ends_the_containers_in_the_time_that_it_has() {
    let root = tempfile::tempdir().unwrap();
    let script = root.path().join("stop-containers");
    fs::write(&script, read("container_stop/script", "out")).unwrap();
    let process = |group: &str, what: &str| {
        let mut child = Command::new("sh").args(["-c", what]).spawn().unwrap();
        let dir = root.path().join("cgroup").join(group);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("cgroup.procs"), format!("{}\n", child.id())).unwrap();
        std::thread::spawn(move || (child.wait().unwrap(), std::time::Instant::now()))
    };
    let deaf = "trap '' TERM; while :; do sleep 0.1; done";
    let willing = process("kubepods.slice/kubepods-pod1.slice/cri-containerd-a.scope", "exec sleep 60");
    let ignores = process("kubepods/besteffort/pod2/b", deaf);
    let by_v1 = process("pids/kubepods/pod3/c", deaf);
    let shim = process("system.slice/k3s-agent.service", deaf);
    let other = process("system.slice/ssh.service", "exec sleep 4");
    // The deaf ones must have said so.
    std::thread::sleep(std::time::Duration::from_millis(500));
    let began = std::time::Instant::now();
    let status = Command::new("sh").arg(&script).arg(root.path().join("cgroup")).arg("2").status().unwrap();
    let took = began.elapsed();
    assert!(status.success());
    assert!(took.as_millis() >= 1900 && took.as_secs() < 20, "{took:?}");
    use std::os::unix::process::ExitStatusExt;
    let (status, ended) = willing.join().unwrap();
    assert_eq!(status.signal(), Some(15));
    assert!(ended - began < std::time::Duration::from_millis(1500), "it did not wait for the others");
    for killed in [ignores, by_v1, shim] {
        assert_eq!(killed.join().unwrap().0.signal(), Some(9));
    }
    assert_eq!(other.join().unwrap().0.code(), Some(0), "what is not of k3s stays");
}

#[test]
fn systemd_would_complain_of_a_bad_unit() {
    needs!("systemd-analyze" from "systemd");
    let bad = read("k3s_unit/server", "out").replace("KillMode=process", "KillModus=process");
    let root = root_with_unit("k3s.service", &bad);
    let said = run("systemd", &mut verify(root.path(), "k3s.service"), "").stderr;
    assert!(String::from_utf8_lossy(&said).contains("KillModus"));
}

#[test]
fn mount_reads_the_data_disk_and_no_swap() {
    needs!("findmnt" from "util-linux");
    for (name, text) in outputs("fstab") {
        let file = tempfile::NamedTempFile::new().unwrap();
        // mount(8) does not know carriage returns: those of a strange file are kept, but not asked about.
        fs::write(&file, text.replace('\r', "")).unwrap();
        let mut findmnt = Command::new("findmnt");
        findmnt.arg("--tab-file").arg(file.path());
        findmnt.args(["--raw", "--noheadings", "--output", "SOURCE,TARGET,FSTYPE,OPTIONS,FREQ,PASSNO"]);
        let said = content("util-linux", &mut findmnt, "");
        let ours = said.lines().filter(|line| line.contains("/k8s-data ")).collect::<Vec<_>>();
        assert_eq!(ours, ["LABEL=k8s-data /k8s-data ext4 defaults,nofail 0 2"], "{name}");
        assert!(!said.contains(" swap "), "{name}: {said}");
    }
}

#[test]
fn sysctl_knows_the_settings() {
    needs!("sysctl" from "procps");
    let (_, text) = outputs("sysctl").remove(0);
    let said = content("procps", Command::new("sysctl").args(["--dry-run", "-p", "-"]), &text);
    assert_eq!(said.lines().count(), 5, "{said}");
    assert!(said.starts_with("net.ipv4.ip_forward = 1\n"), "{said}");
    let text = read("kubelet_sysctl/settings", "out");
    let said = content("procps", Command::new("sysctl").args(["--dry-run", "-p", "-"]), &text);
    assert_eq!(said.lines().count(), 6, "{said}");
    assert!(said.contains("vm.overcommit_memory = 1\n"), "{said}");
}

/// A value of a YAML file as another reader understands it: `path` is a Python expression on `d`.
fn yaml(text: &str, path: &str) -> String {
    let program = format!("import sys, yaml\nd = yaml.safe_load(sys.stdin.buffer)\nprint({path})");
    content("python3-yaml", Command::new("python3").args(["-c", &program]), text)
}

#[test]
fn cloud_init_is_told_to_leave_things_alone() {
    if !python_module("yaml", "python3-yaml") {
        return;
    }
    let (_, text) = outputs("cloud_init").remove(0);
    let keys = "d['preserve_hostname'], d['manage_etc_hosts'], d['ssh_deletekeys'], d['network']";
    assert_eq!(yaml(&text, keys), "True False False {'config': 'disabled'}\n");
    let with_accounts = read("cloud_init/with-accounts", "out");
    assert_eq!(
        yaml(&with_accounts, &format!("{keys}, d['users']")),
        "True False False {'config': 'disabled'} []\n"
    );
}

#[test]
fn the_configuration_of_k3s_says_what_was_meant() {
    if !python_module("yaml", "python3-yaml") {
        return;
    }
    let text = read("k3s_config/most", "out");
    for (path, want) in [
        ("d['node-name'], d['node-ip'], d['flannel-iface']", "hc-1 192.168.1.10 eth0\n"),
        ("d['token-file'], d['agent-token-file']", "/etc/rancher/k3s/token /etc/rancher/k3s/agent-token\n"),
        ("d['tls-san'], d['disable']", "['hc-1.lan', '192.168.1.10'] ['traefik']\n"),
        ("d['cluster-init'], d['secrets-encryption'], d['flannel-backend']", "True True host-gw\n"),
        (
            "d['cluster-cidr'], d['service-cidr'], d['cluster-domain']",
            "10.52.0.0/16 10.53.0.0/16 lab.local\n",
        ),
        ("d['node-label'], d['node-taint']", "['disk=ssd'] ['dedicated=storage:NoSchedule']\n"),
        ("d['kubelet-arg']", "['image-gc-high-threshold=75', 'container-log-max-files=3']\n"),
        ("d['prefer-bundled-bin'], d['server'], len(d)", "True https://192.168.1.9:6443 18\n"),
    ] {
        assert_eq!(yaml(&text, path), want, "{path}");
    }
    assert_eq!(yaml(&read("k3s_config/least", "out"), "d"), "{'node-name': 'hc-1'}\n");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    /// No text leaves its quotes or turns into a number, a date or a truth value.
    #[test]
    fn any_text_is_a_yaml_text(texts in prop::collection::vec(any::<String>(), 1..200)) {
        if !python_module("yaml", "python3-yaml") {
            return Ok(());
        }
        let traps = ["no", "0x1", "2001-01-01", "~", ""].map(String::from);
        let texts: Vec<String> = texts.into_iter().chain(traps).collect();
        let settings = [("node-name", Node::Text("123".to_owned())), ("tls-san", Node::List(texts.clone()))];
        let rendered = k3s_config::render(Role::Server, &settings);
        let hex = |text: &String| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
        let wanted: String = texts.iter().map(hex).collect();
        let said = yaml(&rendered, "'\\n'.join(text.encode().hex() for text in d['tls-san'])");
        prop_assert_eq!(said, wanted);
        prop_assert_eq!(yaml(&rendered, "repr(d['node-name'])"), "'123'\n");
    }
}
