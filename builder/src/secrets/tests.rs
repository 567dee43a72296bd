//! The secrets as a whole: creation, storage, node files and errors.

use std::sync::LazyLock;

use super::file::{Unreadable, parse, render};
use super::*;

/// The clock of the tests: 2026-11-21.
pub(super) const NOW: i64 = 1_795_219_200;

pub(super) const CLOCK: Clock = Clock { now: NOW, build_time: NOW - 200 * 86400 };

pub(super) fn name(text: &str) -> Hostname {
    text.parse().unwrap()
}

pub(super) fn names() -> [Hostname; 3] {
    ["hc-1", "hc-2", "hc-3"].map(name)
}

/// Created once: an RSA key takes time.
pub(super) static SECRETS: LazyLock<Secrets> =
    LazyLock::new(|| Secrets::make("home", &names(), NOW).unwrap());

/// Every secret, in its form in a file.
fn every_secret(secrets: &Secrets) -> Vec<String> {
    let mut all: Vec<_> = secrets.node_passwords.values().map(|p| p.expose().to_owned()).collect();
    all.push(secrets.server_password.expose().into());
    all.push(secrets.agent_password.expose().into());
    let keys = secrets.authorities.each().map(|(_, pair)| pair.key.clone());
    for key in keys.iter().chain([&secrets.service_key, &secrets.admin.key]) {
        // A line in the middle: the rest of the PEM is the same for all keys of a kind.
        all.push(key.expose().lines().nth(2).unwrap().into());
    }
    all
}

/// All output of the secrets for a build, as bytes.
fn outputs(secrets: &Secrets) -> Vec<u8> {
    let mut bytes = secrets.kubeconfig("https://hc-1:6443").expose().as_bytes().to_vec();
    for bootstrap_role in [BootstrapRole::InitServer, BootstrapRole::JoinServer, BootstrapRole::Agent] {
        for node in names() {
            for file in secrets.node_files(&node, bootstrap_role).unwrap() {
                bytes.extend(format!("{} {:o}\n{}", file.path, file.mode, file.content.expose()).bytes());
            }
        }
    }
    bytes
}

#[test]
fn a_file_that_is_read_back_gives_the_same_output() {
    let text = render(&SECRETS);
    let read = parse(text.expose()).unwrap();
    assert_eq!(read, *SECRETS);
    assert_eq!(render(&read), text, "the file itself");
    assert_eq!(outputs(&read), outputs(&SECRETS), "cards and kubeconfig");
    assert_ne!(outputs(&Secrets::make("home", &names(), NOW).unwrap()), outputs(&SECRETS), "another cluster");
}

#[test]
fn a_file_with_crlf_line_ends_reads_the_same() {
    let read = parse(&render(&SECRETS).expose().replace('\n', "\r\n")).unwrap();
    assert_eq!(outputs(&read), outputs(&SECRETS));
}

#[test]
fn a_cluster_name_with_any_characters_reads_back() {
    let name = "a \"quoted\" name\nwith = lines and 'é' \\ ";
    let secrets = Secrets { cluster: name.into(), ..SECRETS.clone() };
    assert_eq!(parse(render(&secrets).expose()).unwrap().cluster(), name);
}

#[test]
fn a_new_node_gets_a_password_and_the_others_keep_theirs() {
    let mut secrets = SECRETS.clone();
    assert_eq!(secrets.add_nodes(&names()).unwrap(), []);
    assert_eq!(secrets, *SECRETS);
    assert_eq!(secrets.add_nodes(&[name("hc-2"), name("hc-4"), name("hc-4")]).unwrap(), [name("hc-4")]);
    let password = secrets.node_passwords.remove(&name("hc-4")).unwrap();
    assert!(
        password::is_valid(&password) && !SECRETS.node_passwords.values().any(|other| *other == password)
    );
    assert_eq!(secrets, *SECRETS);
}

#[test]
fn no_secret_is_printed_by_debug() {
    let mut printed = format!("{:?} {:#?}", *SECRETS, *SECRETS);
    printed += &format!("{:?}", SECRETS.node_files(&name("hc-1"), BootstrapRole::InitServer).unwrap());
    printed += &format!("{:?} {:?}", SECRETS.kubeconfig("https://hc-1:6443"), render(&SECRETS));
    printed += &format!("{:?}", SECRETS.rotate(&Item::ServerToken, NOW).unwrap());
    for secret in every_secret(&SECRETS) {
        assert!(!printed.contains(&secret));
    }
    assert!(printed.contains("<secret>"));
}

fn paths_and_modes(bootstrap_role: BootstrapRole) -> Vec<(&'static str, u16)> {
    let files = SECRETS.node_files(&name("hc-2"), bootstrap_role).unwrap();
    files.into_iter().map(|file| (file.path, file.mode)).collect()
}

#[test]
fn each_bootstrap_role_gets_its_own_files_only() {
    let agent = [("/etc/rancher/node/password", 0o600), ("/etc/rancher/k3s/token", 0o600)];
    assert_eq!(paths_and_modes(BootstrapRole::Agent), agent);
    let server = [
        ("/etc/rancher/node/password", 0o600),
        ("/etc/rancher/k3s/token", 0o600),
        ("/etc/rancher/k3s/agent-token", 0o600),
    ];
    assert_eq!(paths_and_modes(BootstrapRole::JoinServer), server);
    let mut first = server.to_vec();
    for (certificate, key) in [
        ("/var/lib/rancher/k3s/server/tls/server-ca.crt", "/var/lib/rancher/k3s/server/tls/server-ca.key"),
        ("/var/lib/rancher/k3s/server/tls/client-ca.crt", "/var/lib/rancher/k3s/server/tls/client-ca.key"),
        (
            "/var/lib/rancher/k3s/server/tls/request-header-ca.crt",
            "/var/lib/rancher/k3s/server/tls/request-header-ca.key",
        ),
        (
            "/var/lib/rancher/k3s/server/tls/etcd/peer-ca.crt",
            "/var/lib/rancher/k3s/server/tls/etcd/peer-ca.key",
        ),
        (
            "/var/lib/rancher/k3s/server/tls/etcd/server-ca.crt",
            "/var/lib/rancher/k3s/server/tls/etcd/server-ca.key",
        ),
    ] {
        first.extend([(certificate, 0o644), (key, 0o600)]);
    }
    first.push(("/var/lib/rancher/k3s/server/tls/service.key", 0o600));
    assert_eq!(paths_and_modes(BootstrapRole::InitServer), first);
}

/// Searches the bytes of an agent's files for every secret: they have its own two and no other.
#[test]
fn an_agent_gets_no_secret_but_its_own() {
    let node = name("hc-2");
    let files = SECRETS.node_files(&node, BootstrapRole::Agent).unwrap();
    let card: String = files.iter().map(|file| file.content.expose()).collect();
    let own = [SECRETS.agent_password.expose(), SECRETS.node_passwords[&node].expose()];
    for secret in every_secret(&SECRETS) {
        assert_eq!(card.contains(&secret), own.contains(&secret.as_str()));
    }
    assert!(!card.contains("PRIVATE KEY") && !card.contains("::server:"));
    let servers = SECRETS.node_files(&node, BootstrapRole::JoinServer).unwrap();
    assert!(
        servers.iter().all(|file| !file.content.expose().contains("PRIVATE KEY")),
        "servers fetch the keys"
    );
}

/// They are for servers that share an etcd: no role has them by itself.
#[test]
fn the_administrators_files_are_apart() {
    let admin = SECRETS.admin_files();
    assert!(admin[0].content.expose().starts_with("-----BEGIN CERTIFICATE-----"));
    assert!(admin[1].content.expose().contains("PRIVATE KEY"));
    for role in [BootstrapRole::InitServer, BootstrapRole::JoinServer, BootstrapRole::Agent] {
        let files = SECRETS.node_files(&name("hc-1"), role).unwrap();
        assert!(files.iter().all(|file| admin.iter().all(|admin| admin.path != file.path)));
    }
    assert!(admin.iter().all(|file| file.mode == 0o600));
}

#[test]
fn tokens_pin_the_ca_and_end_with_a_newline_in_their_files() {
    let hash = Sha256Digest::of(SECRETS.server_ca().as_bytes());
    assert_eq!(SECRETS.ca_hash(), hash);
    let files = SECRETS.node_files(&name("hc-1"), BootstrapRole::InitServer).unwrap();
    let content = |path| files.iter().find(|file| file.path == path).unwrap().content.expose();
    assert_eq!(content(TOKEN), format!("K10{hash}::server:{}\n", SECRETS.server_password.expose()));
    assert_eq!(content(AGENT_TOKEN), format!("{}\n", SECRETS.agent_password.expose()));
    let agent = SECRETS.node_files(&name("hc-2"), BootstrapRole::Agent).unwrap();
    let token = format!("K10{hash}::node:{}\n", SECRETS.agent_password.expose());
    assert!(agent.iter().any(|file| file.path == TOKEN && file.content.expose() == token));
    assert_eq!(content(NODE_PASSWORD).len(), 33);
    assert!(content("/var/lib/rancher/k3s/server/tls/server-ca.crt") == SECRETS.server_ca());
}

#[test]
fn a_node_without_a_password_is_an_error() {
    let error = SECRETS.node_files(&name("hc-9"), BootstrapRole::Agent).unwrap_err();
    assert!(error.to_string().contains("hc-9"), "{error}");
}

/// The damage that parsing reports; its text must not contain a secret.
fn damage(text: &str) -> Damage {
    let Err(Unreadable::Damaged(damage)) = parse(text) else { panic!("it was read") };
    for secret in every_secret(&SECRETS).iter().chain([&"hunter2".to_owned()]) {
        assert!(!damage.to_string().contains(secret.as_str()), "{damage}");
    }
    damage
}

#[test]
fn a_truncated_file_is_damaged_at_any_length() {
    let text = render(&SECRETS);
    let text = text.expose();
    for length in (0..text.len() - 4).step_by(97).chain([text.len() - 4]) {
        damage(&text[..length]);
    }
}

#[test]
fn damage_is_reported_by_line_and_never_quoted() {
    let text = render(&SECRETS);
    let text = text.expose();
    let server = SECRETS.server_password.expose();
    let line_of = |what: &str| Some(text.lines().position(|line| line.contains(what)).unwrap() + 1);
    let cases = [
        (text.replace("server = \"", "server = \"hunter2,"), None, "32 hexadecimal digits"),
        (text.replace("hc-2 = \"", "hc-2 = \"hunter2"), None, "a node password is not 32"),
        (text.replace(&format!("\"{server}\""), "17"), line_of(server), "value"),
        (text.replace(&format!("\"{server}\""), server), line_of(server), "TOML"),
        (text.replace("agent = ", "hunter2 = "), line_of("agent = "), "unknown or missing key"),
        (text.replace("hc-2 = ", "HC_hunter2 = "), line_of("hc-2 = "), "unknown or missing key"),
        (text.replace("[admin]", "[hunter2]"), line_of("[admin]"), "unknown or missing key"),
        (text.replace("schema = 1", "schema = 0"), None, "unknown schema"),
        ("  \n".into(), None, "empty"),
    ];
    for (text, line, cause) in cases {
        let damage = damage(&text);
        assert!(damage.cause.contains(cause), "{damage}");
        assert!(line.is_none() || damage.line == line, "{damage}: not line {line:?}");
    }
    assert_eq!(parse("schema = 2\nhunter2 = 1\n"), Err(Unreadable::Newer(2)));
}

/// Changes the secrets, writes the file, and returns the damage that parsing reports.
fn tampered(change: impl FnOnce(&mut Secrets)) -> String {
    let mut secrets = SECRETS.clone();
    change(&mut secrets);
    damage(render(&secrets).expose()).to_string()
}

#[test]
fn parts_that_do_not_match_are_damage() {
    let other = Secrets::make("home", &[], NOW).unwrap();
    let found = tampered(|s| s.authorities.client.key = other.authorities.client.key.clone());
    assert_eq!(found, "the client CA does not match its key");
    let found = tampered(|s| std::mem::swap(&mut s.authorities.etcd_peer, &mut s.authorities.etcd_server));
    assert_eq!(found, "the etcd peer CA has the wrong common name");
    let found = tampered(|s| s.authorities.server = s.admin.clone());
    assert_eq!(found, "the server CA is not a CA certificate");
    let found = tampered(|s| s.admin = other.admin.clone());
    assert_eq!(found, "the administrator's certificate is not signed by the client CA");
    let found = tampered(|s| s.authorities.client = other.authorities.client.clone());
    assert_eq!(found, "the administrator's certificate is not signed by the client CA");
    let found = tampered(|s| s.service_key = pem::rsa_private_key(b"no key"));
    assert_eq!(found, "the key for service-account tokens is not an RSA key of 2048 bits");
    let found = tampered(|s| s.admin.key = s.service_key.clone());
    assert_eq!(found, "the key of the administrator's certificate is not one PKCS#8 key in PEM format");
}

#[test]
fn a_certificate_with_one_changed_bit_is_damage() {
    for at in [4, 40, 120, 200, 300] {
        let found = tampered(|s| {
            let mut der = pem::certificate_der(&s.authorities.server.certificate).unwrap();
            der[at] ^= 1;
            s.authorities.server.certificate = pem::certificate(&der);
        });
        assert!(found.starts_with("the server CA"), "{found}");
    }
}

fn after_days(days: i64) -> Clock {
    Clock { now: NOW + days * 86400, build_time: CLOCK.build_time }
}

fn warnings(clock: Clock) -> Vec<String> {
    check::validity(&SECRETS, clock).unwrap().iter().map(ToString::to_string).collect()
}

#[test]
fn a_certificate_that_expires_soon_is_a_warning_with_its_date() {
    assert_eq!(warnings(CLOCK), Vec::<String>::new());
    assert_eq!(warnings(after_days(244)), Vec::<String>::new());
    let admin = "the administrator's certificate expires on 2027-11-21: run `hcimage rotate admin-certificate` for a new \
    one; the nodes need no change";
    assert_eq!(warnings(after_days(245)), [admin]);
    assert_eq!(warnings(after_days(400)), [admin.replace("expires", "expired")]);
    let late = warnings(after_days(9 * 365));
    assert_eq!(late.len(), 6, "{late:?}");
    assert!(late[0].starts_with("the server CA expires on 2036-11-18: "), "{late:?}");
}

#[test]
fn a_ca_that_has_expired_or_is_not_yet_valid_is_an_error() {
    let error = check::validity(&SECRETS, after_days(3650)).unwrap_err().to_string();
    assert!(error.starts_with("the server CA expired on 2036-11-18"), "{error}");
    // Some distributions set SOURCE_DATE_EPOCH to 1980.
    let early = Clock { now: NOW, build_time: 315_532_800 };
    let error = check::validity(&SECRETS, early).unwrap_err().to_string();
    assert!(error.contains("1980-01-01 is before the start of the server CA, 2020-01-01"), "{error}");
    let never = Clock { now: i64::MAX, build_time: 0 };
    assert!(matches!(check::validity(&SECRETS, never), Err(SecretsError::NoDate { .. })));
    assert!(matches!(Secrets::make("home", &[], i64::MAX), Err(SecretsError::NoDate { .. })));
}

/// Renews `item` and checks that only the part that `part` restores has changed; returns the steps.
fn renewed(item: Item, now: i64, part: impl FnOnce(&mut Secrets)) -> Vec<String> {
    let Rotation::Renewed { mut secrets, steps } = SECRETS.rotate(&item, now).unwrap() else {
        panic!("{item:?} was not renewed")
    };
    assert_ne!(*secrets, *SECRETS);
    assert_eq!(parse(render(&secrets).expose()).as_ref(), Ok(&*secrets), "the new secrets pass every check");
    part(&mut secrets);
    assert_eq!(*secrets, *SECRETS, "more than one thing changed");
    steps
}

#[test]
fn a_rotation_renews_one_item_and_lists_the_steps() {
    let later = NOW + 300 * 86400;
    let steps = renewed(Item::AdminCertificate, later, |s| s.admin = SECRETS.admin.clone());
    assert!(steps[0].contains("nodes need no change"), "{steps:?}");
    let steps = renewed(Item::AgentToken, later, |s| s.agent_password = SECRETS.agent_password.clone());
    assert!(steps[0].contains(AGENT_TOKEN) && steps[1].contains(TOKEN), "{steps:?}");
    let steps = renewed(Item::ServerToken, later, |s| s.server_password = SECRETS.server_password.clone());
    assert!(steps[0].contains("k3s token rotate") && steps[1].contains(TOKEN), "{steps:?}");
}

#[test]
fn a_renewed_administrator_certificate_gives_no_warning() {
    let clock = after_days(300);
    let Rotation::Renewed { secrets, .. } = SECRETS.rotate(&Item::AdminCertificate, clock.now).unwrap()
    else {
        panic!("not renewed")
    };
    assert_eq!(warnings(clock).len(), 1);
    assert_eq!(check::validity(&secrets, clock).unwrap(), []);
}

#[test]
fn an_item_that_cannot_be_renewed_gives_the_reason_and_the_alternative() {
    let cases = [
        (Item::NodePassword(name("hc-2")), "first password", "kubectl delete node hc-2"),
        (Item::Authorities, "trusts", "rotate-ca"),
        (Item::ServiceKey, "signed", "rotate-ca"),
    ];
    for (item, reason, hint) in cases {
        let Rotation::NotRenewable { why, instead } = SECRETS.rotate(&item, NOW).unwrap() else {
            panic!("{item:?} was renewed")
        };
        assert!(why.contains(reason) && instead[0].contains(hint), "{why} {instead:?}");
    }
}

#[test]
fn secrets_of_overlays_are_made_once_and_read_back_whatever_is_in_them() {
    let mut secrets = Secrets::make("home", &[], 1_800_000_000).unwrap();
    let overlay: DnsLabel = "shop".parse().unwrap();
    let wanted = [(overlay.clone(), [("password".to_owned(), Shape::default())].into())].into();
    assert!(secrets.add_overlays(&wanted).unwrap() && !secrets.add_overlays(&wanted).unwrap());
    let (values, salt) = secrets.overlay(&overlay);
    assert!(values["password"].expose().len() == 32 && salt.is_some_and(|salt| salt != values["password"]));
    // Somebody has written one of their own into the file.
    secrets.overlays.get_mut(&overlay).unwrap().insert("password".to_owned(), Secret::new("a\"b\\c\u{7f}\n"));
    let text = render(&secrets);
    assert_eq!(parse(text.expose()).unwrap(), secrets);
    assert_eq!(secrets.overlay(&"other".parse().unwrap()), (OverlaySecrets::new(), None));
}
