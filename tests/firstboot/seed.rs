//! The seed as text.

use std::path::PathBuf;

use hc_common::network::NetworkStack;
use hc_common::value::{Mtu, Route, StaticNetwork};
use hc_firstboot::seed::{
    BundleFile, Clock, Cluster, Component, DataDisk, Dir, Endpoint, Format, InitServer, Join, K3s,
    NamespacedName, Network, Node, Report, Role, Root, SCHEMA, Secrets, Seed, SeedError, Workload,
};
use proptest::prelude::*;

use crate::scenario::{agent_seed, full_seed, seed};

fn error(change: impl FnOnce(&mut Seed)) -> String {
    let mut seed = seed();
    change(&mut seed);
    let written = seed.to_toml().unwrap_err();
    // What must not be written must not be read either.
    let text = toml::to_string(&seed).unwrap();
    assert_eq!(Seed::parse(&text), Err(written.clone()));
    let text = written.to_string();
    text.strip_prefix("reading /etc/hcimage/seed.toml: ").unwrap().to_owned()
}

/// The line and the message of a seed in which one text was replaced.
fn replaced(old: &str, new: &str) -> String {
    let text = full_seed().to_toml().unwrap();
    assert!(text.contains(old), "{old} is not in\n{text}");
    match Seed::parse(&text.replace(old, new)) {
        Err(SeedError::Form { message, .. }) => message,
        other => panic!("{other:?}"),
    }
}

fn network(change: impl FnOnce(&mut Network)) -> String {
    error(|seed| change(&mut seed.network))
}

fn first(change: impl FnOnce(&mut InitServer)) -> String {
    error(|seed| match &mut seed.role {
        Role::InitServer(first) => change(first),
        other => panic!("{other:?}"),
    })
}

fn join(change: impl FnOnce(&mut Join)) -> String {
    error(|seed| {
        seed.role = agent_seed().role;
        match &mut seed.role {
            Role::Agent(join) => change(join),
            other => panic!("{other:?}"),
        }
    })
}

#[test]
fn an_invalid_value_is_an_error_with_its_key() {
    let disk = |change: fn(&mut DataDisk)| error(|seed| change(seed.data_disk.as_mut().unwrap()));
    let table = [
        (
            error(|s| s.network.wait_seconds = 86_401),
            "network.wait_seconds: 86401 seconds is more than a day",
        ),
        (error(|s| s.cluster.name.clear()), "cluster.name: it is empty"),
        (
            error(|s| s.clock.ca_not_before = Some(s.clock.floor + 1)),
            "clock.ca_not_before: 1795000001 is later than",
        ),
        (
            error(|s| s.clock.ca_not_after = Some(s.clock.floor)),
            "clock.ca_not_after: 1795000000 is not later than",
        ),
        (error(|s| s.k3s.modules = vec!["../x".into()]), "k3s.modules[0]: a kernel module has"),
        (error(|s| s.secrets.remove = vec!["x".into()]), "secrets.remove[0]: \"x\" is not an absolute path"),
        (
            network(|n| n.vlan = Some(20.try_into().unwrap())),
            "network.vlan: a VLAN needs network.link, the name of its interface",
        ),
        (
            first(|f| f.nodes = vec!["hc-1".parse().unwrap()]),
            "role.init-server.nodes[0]: \"hc-1\" is this node itself",
        ),
        (first(|f| f.nodes = vec!["a".parse().unwrap(); 2]), "role.init-server.nodes[1]: \"a\" is"),
        (
            first(|f| f.workload.addons = vec!["a_b".into()]),
            "role.init-server.workload.addons[0]: \"a_b\" is not",
        ),
        (join(|j| j.servers.clear()), "role.agent.servers: a joining node needs"),
        (join(|j| j.token_file = "x".into()), "role.agent.token_file: \"x\" is not an absolute"),
        (join(|j| j.wait_seconds = 90_000), "role.agent.wait_seconds: 90000 seconds is more than a day"),
        (error(|s| s.k3s.ready_seconds = 0), "k3s.ready_seconds: 0 gives"),
        (error(|s| s.report.boot_dir = "boot".into()), "report.boot_dir: \"boot\" is not an absolute path"),
        (error(|s| s.report.boot_dir = "/a/../b".into()), "report.boot_dir: \"/a/../b\" is not"),
        (error(|s| s.bundle[1].path = "x".into()), "bundle[1].path: \"x\" is not an absolute path"),
        (error(|s| s.bundle[1].sha256 = "AB".into()), "bundle[1].sha256: \"AB\" is not 64 lower-case hex"),
        (disk(|d| d.dirs[0].mode = 0o10000), "data_disk.dirs[0].mode: 10000 has more"),
    ];
    for (found, expected) in table {
        assert!(found.starts_with(expected), "{found}");
    }
}

#[test]
fn a_value_that_the_cluster_file_rejects_is_rejected_here_too() {
    for name in ["", "-a", "a-", "a.b", "A", "a_b", "ü", "localhost", &"a".repeat(64)] {
        let message = replaced("hostname = \"hc-1\"", &format!("hostname = \"{name}\""));
        assert!(message.starts_with(&format!("host name {name:?} ")), "{message}");
    }
    for (old, new, expected) in [
        ("time.example", "a b", "time server \"a b\" is neither a host nor a host with a port"),
        ("label = \"k8s-data\"", "label = \"\"", "file system label \"\" is empty"),
        ("label = \"k8s-data\"", "label = \"seventeen.bytes..\"", "is longer than 16 bytes"),
        ("label = \"k8s-data\"", "label = \"a/b\"", "has an invalid character"),
        ("mount = \"/", "mount = \"/etc\" #", "would hide a part of the system"),
        ("cloud/db", "../a", "directory \"../a\" has an empty part, `.` or `..`"),
        ("cloud/db", "/a", "directory \"/a\" begins with a slash"),
        ("cloud/db", "", "directory \"\" has an empty part, `.` or `..`"),
        ("10.0.0.9/24", "10.0.0.9/33", "address \"10.0.0.9/33\" has an invalid prefix length"),
        ("10.0.0.9/24", "10.0.0.0/24", "is the network address"),
        (
            "gateway = \"10.0.0.1\"",
            "gateway = \"10.0.1.1\"",
            "gateway \"10.0.1.1\" is not inside 10.0.0.0/24",
        ),
        (
            "arp_probe = true",
            "arp_probe = true\ninterface = \"eth 0\"",
            "interface name \"eth 0\" has an invalid character",
        ),
        (
            "arp_probe = true",
            "arp_probe = true\ninterface = \"eth0@if2\"",
            "interface name \"eth0@if2\" has an invalid character",
        ),
        ("arp_probe = true", "arp_probe = true\nlink = \"-a\"", "interface name \"-a\" begins with a hyphen"),
        ("arp_probe = true", "arp_probe = true\nvlan = 4095", "is out of range"),
        ("arp_probe = true", "arp_probe = true\nmac = \"ff:ff:ff:ff:ff:ff\"", "is a multicast address"),
    ] {
        let message = replaced(old, new);
        assert!(message.contains(expected), "{old} -> {new}: {message}");
    }
}

#[test]
fn the_schema_is_checked_first() {
    let text = "schema = 7\nwhat_a_later_version_has = 1\n";
    assert_eq!(Seed::parse(text), Err(SeedError::Schema { found: 7 }));
    let error = Seed::parse(text).unwrap_err().to_string();
    assert!(error.contains("schema is 7") && error.contains("build the image again"), "{error}");
}

#[test]
fn a_syntax_error_has_its_line() {
    let text = seed().to_toml().unwrap();
    let line_of = |text: &str| match Seed::parse(text) {
        Err(SeedError::Form { line, message }) => (line, message),
        other => panic!("{other:?}"),
    };
    let (line, message) = line_of(&text.replace("hostname = ", "hostnam = "));
    assert!(message.contains("unknown field `hostnam`"), "{message}");
    let expected = text.lines().position(|line| line.starts_with("hostname")).unwrap() + 1;
    assert_eq!(line, expected);
    assert_eq!(line_of("schema = 3\nnode = [\n").0, 2);
    let (line, message) = line_of(&text.replace("join_seconds = ", "join_second = "));
    assert!(message.contains("unknown field `join_second`"), "{message}");
    assert_eq!(line, text.lines().position(|line| line.starts_with("join_seconds")).unwrap() + 1);
    let (_, message) = line_of(&text.replace("role.init-server", "role.master"));
    assert!(message.contains("unknown variant `master`"), "{message}");
    assert!(line_of("").1.contains("missing field `schema`"));
}

fn part() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 _+äß\"'\\\\-][a-zA-Z0-9 ._+äß\"'\\\\-]{0,12}"
}

fn absolute() -> impl Strategy<Value = PathBuf> {
    proptest::collection::vec(part(), 1..4).prop_map(|parts| PathBuf::from(format!("/{}", parts.join("/"))))
}

fn dir() -> impl Strategy<Value = Dir> {
    let path = proptest::collection::vec(part(), 1..3).prop_map(|parts| parts.join("/"));
    (path, 0..=0o7777_u32, any::<u32>(), any::<u32>()).prop_map(|(path, mode, uid, gid)| Dir {
        path: path.parse().unwrap(),
        mode,
        uid,
        gid,
    })
}

fn data_disk() -> impl Strategy<Value = DataDisk> {
    let dirs = proptest::collection::vec(dir(), 0..3);
    let format = prop_oneof![Just(Format::Never), Just(Format::IfBlank)];
    ("[a-zA-Z0-9._-]{1,16}", absolute(), any::<[bool; 2]>(), 0..=86_400_u64, dirs, format).prop_map(
        |(label, mount, [datastore, required], wait_seconds, dirs, format)| DataDisk {
            label: label.parse().unwrap(),
            mount: format!("/mnt{}", mount.display()).parse().unwrap(),
            datastore,
            required,
            format,
            wait_seconds,
            dirs,
        },
    )
}

fn bundle_file() -> impl Strategy<Value = BundleFile> {
    let size = || 0..=i64::MAX as u64;
    (absolute(), size(), proptest::option::of(size()), "[0-9a-f]{64}")
        .prop_map(|(path, size, unpacked_size, sha256)| BundleFile { path, size, unpacked_size, sha256 })
}

fn label() -> impl Strategy<Value = String> {
    "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
}

/// A domain name, which does not end with a number.
fn host() -> impl Strategy<Value = String> {
    (label(), "[a-z]{1,20}").prop_map(|(first, last)| format!("{first}.{last}"))
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    (host(), 1..=u16::MAX).prop_map(|(host, port)| format!("{host}:{port}").parse().unwrap())
}

fn object() -> impl Strategy<Value = NamespacedName> {
    (label(), label()).prop_map(|(namespace, name)| format!("{namespace}/{name}").parse().unwrap())
}

fn role() -> impl Strategy<Value = Role> {
    let join = (proptest::collection::vec(endpoint(), 1..4), absolute(), 0..=86_400_u64)
        .prop_map(|(servers, token_file, wait_seconds)| Join { servers, token_file, wait_seconds })
        .boxed();
    let names = || proptest::collection::vec(object(), 0..3);
    let all = vec![
        Component::Coredns,
        Component::LocalStorage,
        Component::MetricsServer,
        Component::Servicelb,
        Component::Traefik,
    ];
    let components = proptest::sample::subsequence(all, 0..=5);
    let addons = proptest::collection::vec(label(), 0..3);
    let objects = [(); 6].map(|()| names());
    let workload = (components, addons, objects, 0..=86_400_u64).prop_map(
        |(
            components,
            addons,
            [charts, deployments, stateful_sets, daemon_sets, load_balancers, certificates],
            wait_seconds,
        )| Workload {
            components,
            addons,
            charts,
            deployments,
            stateful_sets,
            daemon_sets,
            load_balancers,
            certificates,
            wait_seconds,
        },
    );
    let first = (0..=86_400_u64, workload).prop_map(|(join_seconds, workload)| InitServer {
        nodes: ["other-0", "other-1"].map(|name| name.parse().unwrap()).to_vec(),
        join_seconds,
        workload,
    });
    prop_oneof![
        first.prop_map(Role::InitServer),
        join.clone().prop_map(Role::Server),
        join.prop_map(Role::Agent)
    ]
}

fn network_of_any_kind() -> impl Strategy<Value = Network> {
    let stack = proptest::option::of(proptest::sample::select(&NetworkStack::ALL[..]));
    let fixed =
        proptest::option::of((1..=223_u8, 8..=31_u8, proptest::collection::vec(1..=223_u8, 0..3)).prop_map(
            |(first, prefix, dns)| {
                let own = |first| if first == 127 { 10 } else { first };
                let dns = dns.into_iter().map(|first| [own(first), 1, 2, 3].into()).collect();
                let address = format!("{}.0.0.6/{prefix}", own(first)).parse().unwrap();
                StaticNetwork::new(address, None, dns).unwrap()
            },
        ));
    let names = (proptest::option::of("[a-z][a-z0-9]{0,14}"), proptest::option::of(host()));
    let mac = proptest::option::of(any::<[u8; 5]>());
    (stack, names, mac, fixed, any::<bool>(), 0..=86_400_u64).prop_map(
        |(stack, (interface, search), mac, fixed, arp_probe, wait_seconds)| Network {
            vlan: interface.as_ref().map(|_| 20.try_into().unwrap()),
            stack,
            link: interface.as_ref().map(|name| name.parse().unwrap()),
            interface: interface.map(|name| name.parse().unwrap()),
            mac: mac.map(|[a, b, c, d, e]| {
                format!("02:{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}").parse().unwrap()
            }),
            search: search.map(|name| name.parse().unwrap()),
            more_addresses: if fixed.is_some() { vec!["10.7.0.9/24".parse().unwrap()] } else { Vec::new() },
            mtu: Mtu::try_from(u32::try_from(wait_seconds).unwrap()).ok(),
            routes: vec![Route::new("10.8.0.0/16".parse().unwrap(), "10.7.0.1".parse().unwrap()).unwrap()],
            fixed,
            arp_probe,
            wait_seconds,
        },
    )
}

fn any_seed() -> impl Strategy<Value = Seed> {
    let ntp = proptest::collection::vec((host(), "(:[1-9][0-9]{0,3})?"), 0..3);
    let clock = (0..=i64::MAX as u64, ntp, 0..=86_400_u64, any::<bool>());
    let modules = proptest::collection::vec("[a-z0-9_]{1,10}", 0..3);
    let rest = (proptest::option::of(data_disk()), modules, 1..=86_400_u64, absolute());
    let files = (
        proptest::collection::vec(bundle_file(), 0..3),
        proptest::collection::vec(absolute(), 0..3),
        any::<bool>(),
        proptest::option::of(endpoint()),
    );
    (label(), role(), network_of_any_kind(), clock, rest, files).prop_map(
        |(hostname, role, network, clock, rest, files)| Seed {
            schema: SCHEMA,
            raw_disks: files
                .1
                .iter()
                .map(|path| std::path::Path::new("/dev").join(path.strip_prefix("/").unwrap()))
                .collect(),
            node: Node { hostname: hostname.parse().unwrap(), id: None },
            cluster: Cluster {
                name: "home".into(),
                api: files.3,
                networks: vec!["10.42.0.0/16".parse().unwrap()],
            },
            role,
            etcd: None,
            network,
            clock: Clock {
                floor: clock.0,
                ca_not_before: clock.3.then_some(clock.0 / 2),
                ca_not_after: clock.3.then_some(clock.0.saturating_add(1)),
                ntp: clock.1.iter().map(|(host, port)| format!("{host}{port}").parse().unwrap()).collect(),
                wait_seconds: clock.2,
                require_ntp: clock.3,
            },
            root: Root { grow: files.2 },
            data_disk: rest.0,
            k3s: K3s {
                version: rest.1.first().cloned(),
                ready_seconds: rest.2,
                images: rest.1.clone(),
                modules: rest.1,
                external_datastore: false,
            },
            packages: None,
            secrets: Secrets { remove: files.1 },
            report: Report {
                boot_dir: rest.3,
                http: true,
                minutes_after_ready: 60,
                ssh_user: Some("admin".into()),
            },
            bundle: files.0,
        },
    )
}

#[test]
fn etcd_is_a_servers() {
    let good = crate::scenario::first_of_several();
    assert_eq!(Seed::parse(&good.to_toml().unwrap()), Ok(good.clone()));
    let agent = Seed { etcd: good.etcd.clone(), ..agent_seed() };
    assert_eq!(
        agent.to_toml().unwrap_err().to_string(),
        "reading /etc/hcimage/seed.toml: etcd: an agent has no etcd"
    );
    let mut hasty = good;
    hasty.etcd.as_mut().unwrap().silence_seconds = 7200;
    assert!(hasty.to_toml().unwrap_err().to_string().contains("shorter than etcd.silence_seconds"));
}

proptest! {
    #[test]
    fn a_written_seed_reads_back(seed in any_seed()) {
        prop_assert_eq!(Seed::parse(&seed.to_toml().unwrap()), Ok(seed));
    }

    #[test]
    fn no_text_causes_a_panic(text in "\\PC*") {
        let _ = Seed::parse(&text);
    }
}
