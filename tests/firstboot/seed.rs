//! The seed as text.

use std::path::PathBuf;

use hc_firstboot::seed::{
    BundleFile, Clock, DataDisk, Folder, K3s, Network, Node, Report, SCHEMA, Seed, SeedError,
};
use proptest::prelude::*;

use crate::scenario::seed;

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

#[test]
fn wrong_values_are_named_with_their_place() {
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
        (error(|s| s.clock.ntp = vec!["a b".into()]), "clock.ntp[0]: \"a b\" is not a time server"),
        (error(|s| s.k3s.unit = "ssh.service".into()), "k3s.unit: \"ssh.service\" is neither"),
        (error(|s| s.k3s.ready_seconds = 0), "k3s.ready_seconds: 0 gives"),
        (
            error(|s| s.report.boot_folder = "boot".into()),
            "report.boot_folder: \"boot\" is not an absolute path",
        ),
        (error(|s| s.report.boot_folder = "/a/../b".into()), "report.boot_folder: \"/a/../b\" is not"),
        (error(|s| s.bundle[1].path = "x".into()), "bundle[1].path: \"x\" is not an absolute path"),
        (error(|s| s.bundle[1].sha256 = "AB".into()), "bundle[1].sha256: \"AB\" is not 64 lower-case hex"),
        (disk(|d| d.label.clear()), "data_disk.label: \"\" has 0 bytes"),
        (
            disk(|d| d.label = "seventeen bytes..".into()),
            "data_disk.label: \"seventeen bytes..\" has 17 bytes",
        ),
        (disk(|d| d.label = "a/b".into()), "data_disk.label: \"a/b\" has a slash"),
        (disk(|d| d.mount = "/".into()), "data_disk.mount: the data disk cannot"),
        (
            disk(|d| d.folders[0].path = "../a".into()),
            "data_disk.folders[0].path: \"../a\" is not a path below",
        ),
        (disk(|d| d.folders[0].path = "/a".into()), "data_disk.folders[0].path: \"/a\" is not a path below"),
        (disk(|d| d.folders[0].path = "".into()), "data_disk.folders[0].path: \"\" is not a path below"),
        (disk(|d| d.folders[0].mode = 0o10000), "data_disk.folders[0].mode: 10000 has more"),
    ];
    for (found, expected) in table {
        assert!(found.starts_with(expected), "{found}");
    }
}

#[test]
fn the_schema_is_judged_first() {
    let text = "schema = 7\nwhat_a_later_version_has = 1\n";
    assert_eq!(Seed::parse(text), Err(SeedError::Schema { found: 7 }));
    let error = Seed::parse(text).unwrap_err().to_string();
    assert!(error.contains("schema is 7") && error.contains("build the image again"), "{error}");
}

#[test]
fn wrong_form_is_named_with_its_line() {
    let text = seed().to_toml().unwrap();
    let line_of = |text: &str| match Seed::parse(text) {
        Err(SeedError::Form { line, message }) => (line, message),
        other => panic!("{other:?}"),
    };
    let (line, message) = line_of(&text.replace("hostname = ", "hostnam = "));
    assert!(message.contains("unknown field `hostnam`"), "{message}");
    let expected = text.lines().position(|line| line.starts_with("hostname")).unwrap() + 1;
    assert_eq!(line, expected);
    assert_eq!(line_of("schema = 1\nnode = [\n").0, 2);
    assert!(line_of("").1.contains("missing field `schema`"));
}

fn part() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 _+äß\"'\\\\-][a-zA-Z0-9 ._+äß\"'\\\\-]{0,12}"
}

fn absolute() -> impl Strategy<Value = PathBuf> {
    proptest::collection::vec(part(), 1..4).prop_map(|parts| PathBuf::from(format!("/{}", parts.join("/"))))
}

fn folder() -> impl Strategy<Value = Folder> {
    let path = proptest::collection::vec(part(), 1..3).prop_map(|parts| PathBuf::from(parts.join("/")));
    (path, 0..=0o7777_u32, any::<u32>(), any::<u32>()).prop_map(|(path, mode, uid, gid)| Folder {
        path,
        mode,
        uid,
        gid,
    })
}

fn data_disk() -> impl Strategy<Value = DataDisk> {
    let folders = proptest::collection::vec(folder(), 0..3);
    ("[a-zA-Z0-9 &\"-]{1,16}", absolute(), any::<bool>(), 0..=86_400_u64, folders).prop_map(
        |(label, mount, required, wait_seconds, folders)| DataDisk {
            label,
            mount,
            required,
            wait_seconds,
            folders,
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

fn any_seed() -> impl Strategy<Value = Seed> {
    let ntp = proptest::collection::vec("[a-z0-9][a-z0-9.-]{0,20}(:[1-9][0-9]{0,3})?", 0..3);
    let clock = (0..=i64::MAX as u64, ntp, 0..=86_400_u64, any::<bool>());
    let node = ("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", any::<Option<std::net::IpAddr>>(), 0..=86_400_u64);
    let unit = prop_oneof![Just("k3s.service"), Just("k3s-agent.service")];
    let rest = (proptest::option::of(data_disk()), unit, 1..=86_400_u64, absolute());
    let bundle = proptest::collection::vec(bundle_file(), 0..3);
    (node, clock, rest, bundle).prop_map(|(node, clock, rest, bundle)| Seed {
        schema: SCHEMA,
        node: Node { hostname: node.0 },
        network: Network { address: node.1, wait_seconds: node.2 },
        clock: Clock { floor: clock.0, ntp: clock.1, wait_seconds: clock.2, require_ntp: clock.3 },
        data_disk: rest.0,
        k3s: K3s { unit: rest.1.into(), ready_seconds: rest.2 },
        report: Report { boot_folder: rest.3 },
        bundle,
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(seed in any_seed()) {
        prop_assert_eq!(Seed::parse(&seed.to_toml().unwrap()), Ok(seed));
    }

    #[test]
    fn no_text_ends_in_a_panic(text in "\\PC*") {
        let _ = Seed::parse(&text);
    }
}
