//! The seed as text.

use std::path::PathBuf;

use hc_firstboot::seed::{
    Address, BundleFile, Clock, Cluster, DataDisk, Dir, Endpoint, Format, InitServer, Join, K3s,
    NamespacedName, Network, Node, Report, Role, Root, SCHEMA, Secrets, Seed, SeedError, Stack, Workload,
};
use proptest::prelude::*;

use crate::scenario::{agent_seed, seed};

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

fn address(text: &str) -> Address {
    text.parse().unwrap()
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
    let host = |name: &str| error(|seed| seed.node.hostname = name.to_owned());
    for name in ["", "-a", "a-", "a.b", "A", "a_b", "ü", &"a".repeat(64)] {
        assert!(host(name).starts_with(&format!("node.hostname: {name:?} is not a host name")), "{name}");
    }
    let disk = |change: fn(&mut DataDisk)| error(|seed| change(seed.data_disk.as_mut().unwrap()));
    let table = [
        (
            error(|s| s.network.wait_seconds = 86_401),
            "network.wait_seconds: 86401 seconds is more than a day",
        ),
        (error(|s| s.clock.ntp = vec!["a b".into()]), "clock.ntp[0]: invalid time server \"a b\""),
        (error(|s| s.cluster.name.clear()), "cluster.name: it is empty"),
        (
            error(|s| s.clock.ca_not_before = Some(s.clock.floor + 1)),
            "clock.ca_not_before: 1795000001 is later than",
        ),
        (error(|s| s.k3s.modules = vec!["../x".into()]), "k3s.modules[0]: a kernel module has"),
        (error(|s| s.secrets.remove = vec!["x".into()]), "secrets.remove[0]: \"x\" is not an absolute path"),
        (error(|s| s.network.interface = Some("eth 0".into())), "network.interface: \"eth 0\" is not"),
        (network(|n| n.gateway = Some("10.0.0.1".parse().unwrap())), "network.gateway: a gateway needs"),
        (
            network(|n| {
                (n.address, n.gateway) = (Some(address("10.0.0.7/24")), Some("10.0.1.1".parse().unwrap()))
            }),
            "network.gateway: 10.0.1.1 is no other address in the network of 10.0.0.7/24",
        ),
        (
            network(|n| {
                n.stack = Some(Stack::Dhcpcd);
                (n.address, n.gateway) = (Some(address("fd00::7/64")), Some("fd00::1".parse().unwrap()));
            }),
            "network.gateway: dhcpcd takes",
        ),
        (first(|f| f.nodes = vec!["hc-1".into()]), "role.init-server.nodes[0]: \"hc-1\" is this node itself"),
        (first(|f| f.nodes = vec!["a".into(), "a".into()]), "role.init-server.nodes[1]: \"a\" is"),
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
        (disk(|d| d.label.clear()), "data_disk.label: \"\" has 0 bytes"),
        (
            disk(|d| d.label = "seventeen bytes..".into()),
            "data_disk.label: \"seventeen bytes..\" has 17 bytes",
        ),
        (disk(|d| d.label = "a/b".into()), "data_disk.label: \"a/b\" has a slash"),
        (disk(|d| d.mount = "/".into()), "data_disk.mount: the data disk cannot"),
        (disk(|d| d.dirs[0].path = "../a".into()), "data_disk.dirs[0].path: \"../a\" is not a path below"),
        (disk(|d| d.dirs[0].path = "/a".into()), "data_disk.dirs[0].path: \"/a\" is not a path below"),
        (disk(|d| d.dirs[0].path = "".into()), "data_disk.dirs[0].path: \"\" is not a path below"),
        (disk(|d| d.dirs[0].mode = 0o10000), "data_disk.dirs[0].mode: 10000 has more"),
    ];
    for (found, expected) in table {
        assert!(found.starts_with(expected), "{found}");
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
    let path = proptest::collection::vec(part(), 1..3).prop_map(|parts| PathBuf::from(parts.join("/")));
    (path, 0..=0o7777_u32, any::<u32>(), any::<u32>()).prop_map(|(path, mode, uid, gid)| Dir {
        path,
        mode,
        uid,
        gid,
    })
}

fn data_disk() -> impl Strategy<Value = DataDisk> {
    let dirs = proptest::collection::vec(dir(), 0..3);
    let format = prop_oneof![Just(Format::Never), Just(Format::IfBlank)];
    ("[a-zA-Z0-9 &\"-]{1,16}", absolute(), any::<bool>(), 0..=86_400_u64, dirs, format).prop_map(
        |(label, mount, required, wait_seconds, dirs, format)| DataDisk {
            label,
            mount,
            required,
            format,
            wait_seconds,
            dirs,
        },
    )
}

fn bundle_file() -> impl Strategy<Value = BundleFile> {
    (absolute(), 0..=i64::MAX as u64, "[0-9a-f]{64}").prop_map(|(path, size, sha256)| BundleFile {
        path,
        size,
        sha256,
    })
}

fn label() -> impl Strategy<Value = String> {
    "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    ("[a-z0-9][a-z0-9.-]{0,20}", 1..=u16::MAX)
        .prop_map(|(host, port)| format!("{host}:{port}").parse().unwrap())
}

fn object() -> impl Strategy<Value = NamespacedName> {
    (label(), label()).prop_map(|(namespace, name)| format!("{namespace}/{name}").parse().unwrap())
}

fn role() -> impl Strategy<Value = Role> {
    let join = (proptest::collection::vec(endpoint(), 1..4), absolute(), 0..=86_400_u64)
        .prop_map(|(servers, token_file, wait_seconds)| Join { servers, token_file, wait_seconds })
        .boxed();
    let names = || proptest::collection::vec(object(), 0..3);
    let workload = (proptest::collection::vec(label(), 0..3), names(), names(), 0..=86_400_u64).prop_map(
        |(addons, charts, deployments, wait_seconds)| Workload { addons, charts, deployments, wait_seconds },
    );
    let first = (0..=86_400_u64, workload).prop_map(|(join_seconds, workload)| InitServer {
        nodes: vec!["other-0".into(), "other-1".into()],
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
    let stack = prop_oneof![Just(None), Just(Some(Stack::Dhcpcd)), Just(Some(Stack::NetworkManager))];
    let address = proptest::option::of((1..=223_u8, 8..=32_u8).prop_map(|(first, prefix)| {
        let first = if first == 127 { 10 } else { first };
        address(&format!("{first}.0.0.7/{prefix}"))
    }));
    let dns = proptest::collection::vec(any::<std::net::IpAddr>(), 0..3);
    let interface = proptest::option::of("[a-z][a-z0-9]{0,14}");
    (stack, interface, address, dns, any::<bool>(), 0..=86_400_u64).prop_map(
        |(stack, interface, address, dns, arp_probe, wait_seconds)| Network {
            vlan: interface.as_ref().map(|_| 20),
            stack,
            interface,
            address,
            gateway: None,
            dns,
            arp_probe,
            wait_seconds,
        },
    )
}

fn any_seed() -> impl Strategy<Value = Seed> {
    let ntp = proptest::collection::vec("[a-z0-9][a-z0-9.-]{0,20}(:[1-9][0-9]{0,3})?", 0..3);
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
            node: Node { hostname },
            cluster: Cluster { name: "home".into(), api: files.3 },
            role,
            network,
            clock: Clock {
                floor: clock.0,
                ca_not_before: clock.3.then_some(clock.0 / 2),
                ntp: clock.1,
                wait_seconds: clock.2,
                require_ntp: clock.3,
            },
            root: Root { grow: files.2 },
            data_disk: rest.0,
            k3s: K3s { ready_seconds: rest.2, modules: rest.1 },
            secrets: Secrets { remove: files.1 },
            report: Report { boot_dir: rest.3 },
            bundle: files.0,
        },
    )
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
