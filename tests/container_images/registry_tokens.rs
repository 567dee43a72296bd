//! Who gets which credentials: registries, servers of tokens, and what they send us to.

use std::collections::BTreeSet;
use std::sync::Mutex;

use hcimage::arch::Arch;
use hcimage::images::{Credentials, Login, RegistryAccess, RegistryHosts, bundles};
use hcimage::progress::{Progress, Silent, Task};
use hcimage::source::SourceContext;
use hcimage::value::Secret;
use hcimage_testkit::desk::Desk;

use crate::fetched;
use crate::registry_server::{Answer, Pages, Request, Server, fetch, mirror, status, with};

/// With characters that a form has to encode.
const IDENTITY_TOKEN: &str = "geheim+/=&";

/// The form that sends it for `shop/web`.
const FORM: &str = "grant_type=refresh_token&service=shop&client_id=hcimage&scope=repository%3Ashop%2Fweb%3Apull&\
                    refresh_token=geheim%2B%2F%3D%26";

/// The user `pull` with the password `geheim`, known for these hosts.
fn password_for(hosts: &[&str]) -> RegistryHosts {
    let login = Login { username: "pull".to_owned(), password: Secret::new("geheim".to_owned()) };
    known_for(hosts, &Credentials::Password(login))
}

fn identity_token_for(hosts: &[&str]) -> RegistryHosts {
    known_for(hosts, &Credentials::IdentityToken(Secret::new(IDENTITY_TOKEN)))
}

fn known_for(hosts: &[&str], credentials: &Credentials) -> RegistryHosts {
    let access = |host: &&str| {
        ((*host).to_owned(), RegistryAccess { credentials: Some(credentials.clone()), ca: None })
    };
    RegistryHosts { access: hosts.iter().map(access).collect(), ..RegistryHosts::default() }
}

/// A registry with a server of tokens; both answer on addresses of their own.
fn with_tokens(pages: &Pages, token: &str) -> (Server, Server) {
    let answer = format!("{{\"token\":\"{token}\"}}").into_bytes();
    let tokens = Server::start(move |_, _| Answer { status: 200, body: answer.clone(), ..Answer::default() });
    let realm = format!("Bearer realm=\"http://{}/token\",service=\"shop\"", tokens.address);
    let (pages, wanted) = (pages.clone(), format!("Bearer {token}"));
    let registry = Server::start(move |request, _| match &request.authorization {
        Some(given) if *given == wanted => pages.answer(request),
        _ => with(status(401), "WWW-Authenticate", &realm),
    });
    (registry, tokens)
}

#[test]
fn a_token_is_fetched_where_the_registry_says_and_no_password_goes_to_another_host() {
    let pages = Pages::shop(&Desk::new());
    let (registry, tokens) = with_tokens(&pages, "t0ken");
    let host = registry.address.to_string();
    // As a mirror, a server of this machine is reached without TLS although it has credentials.
    let mut hosts = password_for(&[&host]);
    hosts.mirrors.insert("registry.example".to_owned(), vec![mirror(&host, &[])]);
    fetch(&Desk::new(), &hosts, "registry.example/shop/web:1.2").unwrap();
    let asked = tokens.requests();
    assert!(
        asked.iter().all(|request| request.path.contains("scope=repository%3Ashop%2Fweb%3Apull")),
        "{asked:?}"
    );
    assert!(asked.iter().all(|request| request.authorization.is_none()), "{asked:?}");

    // Who names the server of tokens as well means it.
    let mut hosts = password_for(&[&host, &tokens.address.to_string()]);
    hosts.mirrors.insert("registry.example".to_owned(), vec![mirror(&host, &[])]);
    fetch(&Desk::new(), &hosts, "registry.example/shop/web:1.2").unwrap();
    let last: Vec<_> = tokens.requests().into_iter().filter_map(|request| request.authorization).collect();
    assert_eq!(last, ["Basic cHVsbDpnZWhlaW0="]);
}

#[test]
fn neither_token_nor_password_follows_a_redirect_to_another_host() {
    let pages = Pages::shop(&Desk::new());
    let blobs = pages.clone();
    let storage = Server::start(move |request, _| blobs.answer(request));
    let (served, place) = (pages.clone(), storage.address);
    let registry = Server::start(move |request, _| {
        if request.authorization.as_deref() != Some("Basic cHVsbDpnZWhlaW0=") {
            return with(status(401), "WWW-Authenticate", "Basic realm=\"x\"");
        }
        if request.path.contains("/blobs/") {
            return with(status(307), "Location", &format!("http://{place}{}", request.path));
        }
        served.answer(request)
    });
    let key = registry.address.to_string();
    let mut hosts = password_for(&[&key]);
    hosts.mirrors.insert("registry.example".to_owned(), vec![mirror(&key, &[])]);
    fetch(&Desk::new(), &hosts, "registry.example/shop/web:1.2").unwrap();
    let there = storage.requests();
    assert!(!there.is_empty() && there.iter().all(|request| request.authorization.is_none()), "{there:?}");
}

/// As a mirror, a server of this machine is reached without TLS although it has credentials.
fn behind_a_mirror(mut hosts: RegistryHosts, address: &str) -> RegistryHosts {
    hosts.mirrors.insert("registry.example".to_owned(), vec![mirror(address, &[])]);
    hosts
}

/// What is told of the mirror of a registry that is not there.
fn mirror_error(hosts: &RegistryHosts) -> String {
    let (desk, told) = (Desk::new(), Told::default());
    let cx = SourceContext { progress: &told, ..desk.tools() };
    let sources = BTreeSet::from([vec![fetched("registry.example/shop/web:1.2")]]);
    bundles(&cx, &mut desk.lock(), hosts, &sources, Arch::Aarch64).unwrap_err();
    told.0
        .into_inner()
        .unwrap()
        .into_iter()
        .find(|text| text.contains("mirror"))
        .expect("the mirror is told of")
}

/// Keeps what the user is told.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Progress for Told {
    fn start(&self, what: &str, total: Option<u64>) -> Box<dyn Task> {
        Silent.start(what, total)
    }

    fn message(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

/// A registry that is its own server of tokens, which answers a form so.
fn with_own_tokens(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Server {
    let pages = Pages::shop(&Desk::new());
    Server::start(move |request, _| match &request.authorization {
        _ if request.path.starts_with("/token") => answer(request),
        Some(given) if given == "Bearer t0ken" => pages.answer(request),
        _ => {
            // The realm is at the address that was asked.
            let realm = format!("Bearer realm=\"http://{}/token\",service=\"shop\"", request.host);
            with(status(401), "WWW-Authenticate", &realm)
        }
    })
}

fn granted() -> Answer {
    let body = br#"{"access_token": "t0ken", "expires_in": 300, "refresh_token": "another"}"#.to_vec();
    Answer { status: 200, body, ..Answer::default() }
}

#[test]
fn an_identity_token_is_exchanged_at_the_registrys_own_server_of_tokens() {
    let registry = with_own_tokens(|request| if request.method == "POST" { granted() } else { status(405) });
    let host = registry.address.to_string();
    let hosts = behind_a_mirror(identity_token_for(&[&host]), &host);
    fetch(&Desk::new(), &hosts, "registry.example/shop/web:1.2").unwrap();
    let posts: Vec<_> =
        registry.requests().into_iter().filter(|request| request.path.starts_with("/token")).collect();
    assert_eq!(posts.len(), 1, "{posts:?}");
    for post in posts {
        assert_eq!((post.method.as_str(), post.path.as_str(), post.body.as_str()), ("POST", "/token", FORM));
        assert_eq!(post.content_type.as_deref(), Some("application/x-www-form-urlencoded"));
        assert_eq!(post.authorization, None);
    }
}

#[test]
fn a_server_of_tokens_on_another_host_gets_an_identity_token_only_by_its_own_name() {
    let pages = Pages::shop(&Desk::new());
    let (registry, tokens) = with_tokens(&pages, "t0ken");
    let (host, other) = (registry.address.to_string(), tokens.address.to_string());
    let hosts = behind_a_mirror(identity_token_for(&[&host]), &host);
    fetch(&Desk::new(), &hosts, "registry.example/shop/web:1.2").unwrap();
    let asked = tokens.requests();
    assert!(!asked.is_empty());
    for request in asked {
        assert_eq!(
            (request.method.as_str(), request.authorization, request.body.as_str()),
            ("GET", None, "")
        );
        assert!(!request.path.contains("geheim"), "{}", request.path);
    }
    let hosts = behind_a_mirror(identity_token_for(&[&other]), &host);
    fetch(&Desk::new(), &hosts, "registry.example/shop/web:1.2").unwrap();
    assert_eq!(tokens.requests().last().map(|request| request.body.clone()).as_deref(), Some(FORM));
}

#[test]
fn a_refused_identity_token_is_told_with_what_to_do_and_is_not_shown() {
    let to_another = Server::start(|_, _| granted());
    let elsewhere = format!("http://{}/token", to_another.address);
    type Refusal = Box<dyn Fn(&Request) -> Answer + Send + Sync>;
    let refusals: [(Refusal, &[&str]); 7] = [
        (Box::new(|_| status(401)), &["not accepted", "docker login"]),
        (Box::new(|_| status(400)), &["not accepted", "expired"]),
        (Box::new(|_| status(404)), &["takes no identity tokens", "user name and password"]),
        (
            Box::new(move |_| with(status(307), "Location", &elsewhere)),
            &["another address", "not sent there"],
        ),
        (Box::new(|_| Answer { status: 200, body: b"{}".to_vec(), ..Answer::default() }), &["gave none"]),
        (
            Box::new(|_| Answer { status: 200, body: vec![b' '; 1 << 20], ..Answer::default() }),
            &["more than 65536 bytes"],
        ),
        // What it was sent is not repeated, either.
        (
            Box::new(|request| Answer {
                status: 500,
                body: request.body.clone().into(),
                ..Answer::default()
            }),
            &["500"],
        ),
    ];
    for (refusal, words) in refusals {
        let registry = with_own_tokens(refusal);
        let host = registry.address.to_string();
        let said = mirror_error(&behind_a_mirror(identity_token_for(&[&host]), &host));
        for word in words {
            assert!(said.contains(word), "{word}: {said}");
        }
        assert!(!said.contains("geheim"), "{said}");
    }
    assert!(to_another.requests().is_empty(), "{:?}", to_another.requests());
}

#[test]
fn a_registry_that_wants_a_password_gets_no_identity_token() {
    let registry = Server::start(|_, _| with(status(401), "WWW-Authenticate", "Basic realm=\"x\""));
    let host = registry.address.to_string();
    let said = mirror_error(&behind_a_mirror(identity_token_for(&[&host]), &host));
    assert!(said.contains("Basic") && said.contains("`username`"), "{said}");
    assert!(registry.requests().iter().all(|request| request.authorization.is_none()));
}
