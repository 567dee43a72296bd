//! The file on disk: created once, kept, private, and never overwritten by a new one.

use super::super::tests::{CLOCK, NOW, SECRETS, name, names};
use super::*;

fn dir() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// A directory with the secrets file of the tests' cluster.
fn with_file() -> (tempfile::TempDir, PathBuf) {
    let dir = dir();
    let path = dir.path().join("cluster.secrets.toml");
    write(&path, &file::render(&SECRETS), false).unwrap();
    (dir, path)
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

/// The number of files: no temporary file was left.
fn files(dir: &Path) -> usize {
    std::fs::read_dir(dir).unwrap().count()
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn the_secrets_file_is_beside_the_cluster_file() {
    assert_eq!(beside(Path::new("home/cluster.toml")), Path::new("home/cluster.secrets.toml"));
    assert_eq!(beside(Path::new("cluster")), Path::new("cluster.secrets.toml"));
}

#[test]
fn the_secrets_are_created_once_and_kept() {
    let dir = dir();
    let path = dir.path().join("cluster.secrets.toml");
    let first = open(&path, "home", &names(), CLOCK).unwrap();
    assert!(first.created && first.added == names() && first.warnings.is_empty());
    let before = bytes(&path);
    let later = Clock { now: NOW + 86400, ..CLOCK };
    let second = open(&path, "home", &names(), later).unwrap();
    assert!(!second.created && second.added.is_empty());
    assert_eq!(second.secrets, first.secrets);
    assert_eq!(bytes(&path), before);
    assert_eq!(files(dir.path()), 1);
}

#[test]
fn a_new_node_adds_one_line() {
    let (_dir, path) = with_file();
    let before = String::from_utf8(bytes(&path)).unwrap();
    let opened = open(&path, "home", &[name("hc-1"), name("hc-4")], CLOCK).unwrap();
    assert!(!opened.created && opened.added == [name("hc-4")]);
    let after = String::from_utf8(bytes(&path)).unwrap();
    let without: String = after.split_inclusive('\n').filter(|line| !line.starts_with("hc-4 = ")).collect();
    assert_eq!(without, before, "nodes that are not asked for stay, too");
    assert_eq!(open(&path, "home", &[name("hc-4")], CLOCK).unwrap().secrets, opened.secrets);
}

/// As editors of Windows save it.
#[test]
fn other_line_ends_change_no_secret() {
    let (_dir, path) = with_file();
    let before = open(&path, "home", &names(), CLOCK).unwrap().secrets;
    let text = String::from_utf8(bytes(&path)).unwrap();
    std::fs::write(&path, text.replace('\n', "\r\n")).unwrap();
    assert_eq!(open(&path, "home", &names(), CLOCK).unwrap().secrets, before);
}

#[cfg(unix)]
#[test]
fn a_file_that_others_can_read_is_an_error() {
    let (_dir, path) = with_file();
    assert_eq!(mode(&path), 0o600);
    for open_to_others in [0o640, 0o604, 0o644, 0o660, 0o601] {
        set_mode(&path, open_to_others);
        let error = open(&path, "home", &names(), CLOCK).unwrap_err().to_string();
        assert!(error.contains(&format!("chmod 600 {}", path.display())), "{error}");
        assert!(error.contains(&format!("{open_to_others:04o}")), "{error}");
    }
    for private in [0o600, 0o400] {
        set_mode(&path, private);
        open(&path, "home", &names(), CLOCK).unwrap();
    }
}

#[test]
fn a_damaged_file_is_an_error_and_stays_unchanged() {
    let (dir, path) = with_file();
    let whole = bytes(&path);
    for damaged in [&b""[..], &whole[..whole.len() / 2], b"\xff\xfe", b"schema = 7\n"] {
        std::fs::write(&path, damaged).unwrap();
        let error = open(&path, "home", &names(), CLOCK).unwrap_err();
        let text = error.to_string();
        match error {
            SecretsError::Newer { found: 7, .. } => assert!(text.contains("use a newer hcimage"), "{text}"),
            SecretsError::Damaged { .. } => {
                assert!(text.contains("Restore the file from a backup"), "{text}")
            }
            _ => panic!("{text}"),
        }
        assert!(text.contains("cluster.secrets.toml"), "{text}");
        assert_eq!(bytes(&path), damaged);
        rotate(&path, "home", &Item::AgentToken, CLOCK).unwrap_err();
        assert_eq!(bytes(&path), damaged);
    }
    assert_eq!(files(dir.path()), 1);
}

#[test]
fn a_path_that_is_not_a_file_is_an_error_with_the_path() {
    let dir = dir();
    let path = dir.path().join("cluster.secrets.toml");
    std::fs::create_dir(&path).unwrap();
    let error = open(&path, "home", &names(), CLOCK).unwrap_err().to_string();
    assert!(error.contains("cluster.secrets.toml"), "{error}");
    let nowhere = dir.path().join("none/cluster.secrets.toml");
    assert!(matches!(open(&nowhere, "home", &names(), CLOCK), Err(SecretsError::Io { .. })));
}

#[test]
fn the_file_of_another_cluster_is_an_error() {
    let (_dir, path) = with_file();
    let error = open(&path, "work", &names(), CLOCK).unwrap_err().to_string();
    assert!(error.contains("\"home\"") && error.contains("\"work\""), "{error}");
}

#[test]
fn a_clock_that_is_behind_creates_no_file() {
    let dir = dir();
    let path = dir.path().join("cluster.secrets.toml");
    for clock in [Clock { now: 0, build_time: 0 }, Clock { now: NOW, build_time: NOW + 1 }] {
        let error = open(&path, "home", &names(), clock).unwrap_err();
        assert!(matches!(error, SecretsError::ClockBehind { .. }), "{error}");
    }
    assert_eq!(files(dir.path()), 0);
}

#[test]
fn a_first_file_does_not_replace_one_that_appeared_meanwhile() {
    let (_dir, path) = with_file();
    let before = bytes(&path);
    assert!(write(&path, &Secret::new("other"), false).is_err());
    assert_eq!(bytes(&path), before);
}

/// The second build uses the file of the first.
#[test]
fn concurrent_builds_create_one_cluster_with_all_nodes() {
    let dir = dir();
    let path = &dir.path().join("cluster.secrets.toml");
    let all: Vec<_> = (1..=4).map(|n| name(&format!("hc-{n}"))).collect();
    let opened: Vec<_> = std::thread::scope(|scope| {
        let builds: Vec<_> = all
            .iter()
            .map(|node| scope.spawn(|| open(path, "home", std::slice::from_ref(node), CLOCK)))
            .collect();
        builds.into_iter().map(|build| build.join().unwrap().unwrap()).collect()
    });
    assert_eq!(opened.iter().filter(|opened| opened.created).count(), 1);
    assert!(opened.iter().all(|o| o.secrets.ca_hash() == opened[0].secrets.ca_hash()));
    let last = open(path, "home", &all, CLOCK).unwrap();
    assert_eq!(last.added, []);
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_is_kept() {
    let (dir, target) = with_file();
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&target, &link).unwrap();
    open(&link, "home", &[name("hc-9")], CLOCK).unwrap();
    assert!(link.symlink_metadata().unwrap().is_symlink());
    assert!(String::from_utf8(bytes(&target)).unwrap().contains("\nhc-9 = "));
}

#[test]
fn a_rotation_is_saved_and_a_failed_one_changes_nothing() {
    let (_dir, path) = with_file();
    let before = bytes(&path);
    rotate(&path, "home", &Item::NodePassword(name("hc-1")), CLOCK).unwrap();
    assert_eq!(bytes(&path), before);
    let Rotation::Renewed { secrets, .. } = rotate(&path, "home", &Item::AgentToken, CLOCK).unwrap() else {
        panic!("not renewed")
    };
    assert_eq!(open(&path, "home", &names(), CLOCK).unwrap().secrets, *secrets);
    let nothing = path.with_file_name("none.secrets.toml");
    let error = rotate(&nothing, "home", &Item::AgentToken, CLOCK).unwrap_err().to_string();
    assert!(error.contains("not been built"), "{error}");
}

#[cfg(unix)]
#[test]
fn the_kubeconfig_is_readable_only_by_its_owner() {
    let dir = dir();
    let path = dir.path().join("kubeconfig");
    for url in ["https://hc-1:6443", "https://192.0.2.1:6443"] {
        let content = SECRETS.kubeconfig(url);
        write_private(&path, &content).unwrap();
        assert_eq!((bytes(&path), mode(&path)), (content.expose().as_bytes().to_vec(), 0o600));
    }
}

fn own(server: &str, agent: Option<&str>) -> OwnTokens {
    OwnTokens { server: Some(Secret::new(server)), agent: agent.map(Secret::new) }
}

#[test]
fn tokens_of_the_cluster_file_are_taken_once_and_changed_by_a_rotation_alone() {
    const FIRST: &str = "correct-horse-battery-staple";
    const SECOND: &str = "staple-battery-horse-correct";
    let dir = dir();
    let path = dir.path().join("cluster.secrets.toml");
    let (first, second, both) = (own(FIRST, None), own(SECOND, None), own(FIRST, Some(SECOND)));
    let none = BTreeMap::new();
    let wanted = |tokens| Wanted { name: "home", tokens, overlays: &none };
    let peeked = peek(&path, wanted(&first), &names(), CLOCK).unwrap();
    let made = open(&path, wanted(&first), &names(), CLOCK).unwrap().secrets;
    for secrets in [&peeked, &made] {
        assert!(secrets.server_token().expose().ends_with(&format!("::server:{FIRST}")));
        assert!(!secrets.agent_token().expose().contains(FIRST), "a random one");
    }
    // A rebuild, with the token and without.
    for again in [wanted(&first), "home".into()] {
        assert_eq!(open(&path, again, &names(), CLOCK).unwrap().secrets, made);
    }
    let before = bytes(&path);
    for (changed, item) in [(&second, "hcimage rotate server-token"), (&both, "hcimage rotate agent-token")] {
        let error = open(&path, wanted(changed), &names(), CLOCK).unwrap_err().to_string();
        assert!(error.contains(item) && !error.contains(SECOND), "{error}");
        assert_eq!(bytes(&path), before);
    }
    // Not without a new one; then with its steps; and from then on the new one is that of the cluster.
    let Rotation::NotRenewable { instead, .. } =
        rotate(&path, wanted(&first), &Item::ServerToken, CLOCK).unwrap()
    else {
        panic!("renewed without a new token")
    };
    assert!(instead[0].contains("`token` in [k3s]"), "{instead:?}");
    let Rotation::Renewed { secrets, steps } =
        rotate(&path, wanted(&second), &Item::ServerToken, CLOCK).unwrap()
    else {
        panic!("not renewed")
    };
    assert!(steps[0].contains("k3s token rotate") && !format!("{steps:?}").contains(SECOND), "{steps:?}");
    assert!(secrets.server_token().expose().ends_with(&format!("::server:{SECOND}")));
    assert_eq!(open(&path, wanted(&second), &names(), CLOCK).unwrap().secrets, *secrets);
    assert!(open(&path, wanted(&first), &names(), CLOCK).is_err());
}

#[test]
fn the_passwords_of_joining_nodes_are_a_file_of_another_kind() {
    let (_dir, whole) = with_file();
    let error = open_member(&whole, "home", &names()).unwrap_err();
    assert!(matches!(error, SecretsError::OtherKind { .. }), "{error}");
    let dir = dir();
    let path = dir.path().join("cluster.secrets.toml");
    assert!(peek_member(&path, "home", &names()).is_ok() && files(dir.path()) == 0);
    let (secrets, added) = open_member(&path, "home", &names()).unwrap();
    assert_eq!(added, names());
    let (more, added) = open_member(&path, "home", &[name("hc-9")]).unwrap();
    assert_eq!(added, [name("hc-9")]);
    assert_ne!(more, secrets);
    assert_eq!(open_member(&path, "home", &names()).unwrap().0, more);
    let error = open(&path, "home", &names(), CLOCK).unwrap_err();
    assert!(error.to_string().contains("[join]"), "{error}");
    assert!(matches!(open_member(&path, "work", &[]), Err(SecretsError::OtherCluster { .. })));
}

#[test]
fn the_time_of_making_is_in_the_file() {
    let (_dir, path) = with_file();
    let later = Clock { now: NOW + 86400, ..CLOCK };
    assert_eq!(open(&path, "home", &names(), later).unwrap().secrets.made_at(), Some(NOW));
}
