//! The whole, from outside: what is made, kept, handed out and refused.

use std::sync::LazyLock;

use super::file::{Unreadable, parse, render};
use super::*;

/// 2026-11-21: where the tests' clock stands.
pub(super) const NOW: i64 = 1_795_219_200;

pub(super) const CLOCK: Clock = Clock { now: NOW, build_time: NOW - 200 * 86400 };

pub(super) fn name(text: &str) -> Hostname {
    text.parse().unwrap()
}

pub(super) fn names() -> [Hostname; 3] {
    ["hc-1", "hc-2", "hc-3"].map(name)
}

/// Made once: an RSA key takes its time.
pub(super) static SECRETS: LazyLock<Secrets> =
    LazyLock::new(|| Secrets::make("home", &names(), NOW).unwrap());

/// Everything secret in it, each as it would stand in a file.
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

/// All that a build takes from the secrets, as bytes.
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
fn what_is_read_back_gives_the_same_bytes_everywhere() {
    let text = render(&SECRETS);
    let read = parse(text.expose()).unwrap();
    assert_eq!(read, *SECRETS);
    assert_eq!(render(&read), text, "the file itself");
    assert_eq!(outputs(&read), outputs(&SECRETS), "cards and kubeconfig");
    assert_ne!(outputs(&Secrets::make("home", &names(), NOW).unwrap()), outputs(&SECRETS), "another cluster");
}

#[test]
fn line_ends_of_windows_change_nothing() {
    let read = parse(&render(&SECRETS).expose().replace('\n', "\r\n")).unwrap();
    assert_eq!(outputs(&read), outputs(&SECRETS));
}

#[test]
fn a_cluster_name_may_hold_anything() {
    let name = "a \"quoted\" name\nwith = lines and 'é' \\ ";
    let secrets = Secrets { cluster: name.into(), ..SECRETS.clone() };
    assert_eq!(parse(render(&secrets).expose()).unwrap().cluster(), name);
}

#[test]
fn new_nodes_get_passwords_and_the_others_keep_theirs() {
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
fn nothing_secret_is_printed() {
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
fn each_seat_gets_its_files_and_no_others() {
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

/// The bytes of an agent's card, searched for every secret there is: its own two are in it, and no other.
#[test]
fn an_agent_learns_nothing_but_its_own() {
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

#[test]
fn tokens_pin_the_authority_and_end_with_a_newline_in_their_files() {
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
fn a_node_that_nobody_named_is_an_error() {
    let error = SECRETS.node_files(&name("hc-9"), BootstrapRole::Agent).unwrap_err();
    assert!(error.to_string().contains("hc-9"), "{error}");
}

/// The damage that parsing reports; its text must hold nothing secret.
fn damage(text: &str) -> Damage {
    let Err(Unreadable::Damaged(damage)) = parse(text) else { panic!("it was read") };
    for secret in every_secret(&SECRETS).iter().chain([&"hunter2".to_owned()]) {
        assert!(!damage.to_string().contains(secret.as_str()), "{damage}");
    }
    damage
}

#[test]
fn half_a_file_is_damaged_wherever_it_ends() {
    let text = render(&SECRETS);
    let text = text.expose();
    for length in (0..text.len() - 4).step_by(97).chain([text.len() - 4]) {
        damage(&text[..length]);
    }
}

#[test]
fn what_is_wrong_is_told_by_line_and_never_quoted() {
    let text = render(&SECRETS);
    let text = text.expose();
    let server = SECRETS.server_password.expose();
    let line_of = |what: &str| Some(text.lines().position(|line| line.contains(what)).unwrap() + 1);
    let cases = [
        (text.replace("server = \"", "server = \"hunter2"), None, "32 hexadecimal digits"),
        (text.replace(&format!("\"{server}\""), "17"), line_of(server), "value"),
        (text.replace(&format!("\"{server}\""), server), line_of(server), "TOML"),
        (text.replace("agent = ", "hunter2 = "), line_of("agent = "), "does not belong"),
        (text.replace("hc-2 = ", "HC_hunter2 = "), line_of("hc-2 = "), "does not belong"),
        (text.replace("[admin]", "[hunter2]"), line_of("[admin]"), "does not belong"),
        (text.replace("schema = 1", "schema = 0"), None, "no such schema"),
        ("  \n".into(), None, "empty"),
    ];
    for (text, line, cause) in cases {
        let damage = damage(&text);
        assert!(damage.cause.contains(cause), "{damage}");
        assert!(line.is_none() || damage.line == line, "{damage}: not line {line:?}");
    }
    assert_eq!(parse("schema = 2\nhunter2 = 1\n"), Err(Unreadable::Newer(2)));
}

/// Exchanges two parts of the secrets, writes the file, and says what its reader finds.
fn tampered(change: impl FnOnce(&mut Secrets)) -> String {
    let mut secrets = SECRETS.clone();
    change(&mut secrets);
    damage(render(&secrets).expose()).to_string()
}

#[test]
fn pairs_that_do_not_belong_together_are_found() {
    let other = Secrets::make("home", &[], NOW).unwrap();
    let found = tampered(|s| s.authorities.client.key = other.authorities.client.key.clone());
    assert_eq!(found, "the client CA and its key do not belong together");
    let found = tampered(|s| std::mem::swap(&mut s.authorities.etcd_peer, &mut s.authorities.etcd_server));
    assert_eq!(found, "the etcd peer CA is another certificate");
    let found = tampered(|s| s.authorities.server = s.admin.clone());
    assert_eq!(found, "the server CA is not an authority");
    let found = tampered(|s| s.admin = other.admin.clone());
    assert_eq!(found, "the administrator's certificate is not signed by the client CA");
    let found = tampered(|s| s.authorities.client = other.authorities.client.clone());
    assert_eq!(found, "the administrator's certificate is not signed by the client CA");
    let found = tampered(|s| s.service_key = pem::rsa_private_key(b"no key"));
    assert_eq!(found, "the key for service-account tokens is no RSA key of 2048 bits");
    let found = tampered(|s| s.admin.key = s.service_key.clone());
    assert_eq!(found, "the administrator's certificate: its key is not one PKCS#8 key in PEM");
}

#[test]
fn one_changed_bit_in_a_certificate_is_found() {
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
fn what_ends_soon_is_told_with_its_date() {
    assert_eq!(warnings(CLOCK), Vec::<String>::new());
    assert_eq!(warnings(after_days(244)), Vec::<String>::new());
    let admin = "the administrator's certificate ends on 2027-11-21: `hcimage rotate admin-certificate` makes a new one; \
                 the nodes need nothing";
    assert_eq!(warnings(after_days(245)), [admin]);
    assert_eq!(warnings(after_days(400)), [admin.replace("ends", "ended")]);
    let late = warnings(after_days(9 * 365));
    assert_eq!(late.len(), 6, "{late:?}");
    assert!(late[0].starts_with("the server CA ends on 2036-11-18: "), "{late:?}");
}

#[test]
fn an_authority_that_is_over_or_has_not_begun_ends_the_build() {
    let error = check::validity(&SECRETS, after_days(3650)).unwrap_err().to_string();
    assert!(error.starts_with("the server CA ended on 2036-11-18"), "{error}");
    // SOURCE_DATE_EPOCH as some distributions set it: 1980.
    let early = Clock { now: NOW, build_time: 315_532_800 };
    let error = check::validity(&SECRETS, early).unwrap_err().to_string();
    assert!(error.contains("1980-01-01 is before the server CA begins, on 2020-01-01"), "{error}");
    let never = Clock { now: i64::MAX, build_time: 0 };
    assert!(matches!(check::validity(&SECRETS, never), Err(SecretsError::NoDate { .. })));
    assert!(matches!(Secrets::make("home", &[], i64::MAX), Err(SecretsError::NoDate { .. })));
}

/// What a rotation left as it was: all but what `part` replaces by the old.
fn renewed(item: Item, now: i64, part: impl FnOnce(&mut Secrets)) -> Vec<String> {
    let Rotation::Renewed { mut secrets, steps } = SECRETS.rotate(&item, now).unwrap() else {
        panic!("{item:?} was not renewed")
    };
    assert_ne!(*secrets, *SECRETS);
    assert_eq!(parse(render(&secrets).expose()).as_ref(), Ok(&*secrets), "the new one passes every check");
    part(&mut secrets);
    assert_eq!(*secrets, *SECRETS, "more than one thing changed");
    steps
}

#[test]
fn a_rotation_renews_one_thing_and_says_what_to_do() {
    let later = NOW + 300 * 86400;
    let steps = renewed(Item::AdminCertificate, later, |s| s.admin = SECRETS.admin.clone());
    assert!(steps[0].contains("nodes need nothing"), "{steps:?}");
    let steps = renewed(Item::AgentToken, later, |s| s.agent_password = SECRETS.agent_password.clone());
    assert!(steps[0].contains(AGENT_TOKEN) && steps[1].contains(TOKEN), "{steps:?}");
    let steps = renewed(Item::ServerToken, later, |s| s.server_password = SECRETS.server_password.clone());
    assert!(steps[0].contains("k3s token rotate") && steps[1].contains(TOKEN), "{steps:?}");
}

#[test]
fn a_renewed_administrator_is_warned_of_no_more() {
    let clock = after_days(300);
    let Rotation::Renewed { secrets, .. } = SECRETS.rotate(&Item::AdminCertificate, clock.now).unwrap()
    else {
        panic!("not renewed")
    };
    assert_eq!(warnings(clock).len(), 1);
    assert_eq!(check::validity(&secrets, clock).unwrap(), []);
}

#[test]
fn what_cannot_be_renewed_says_why_and_what_instead() {
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
