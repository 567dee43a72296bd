//! Debian's docker-registry, which takes only tokens that a server of tokens has signed; that server takes only the identity
//! token, by POST.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hcimage::arch::Arch;
use hcimage::images::{Credentials, RegistryAccess, RegistryHosts};
use hcimage::value::Secret;
use hcimage_testkit::desk::{Desk, chain};
use hcimage_testkit::oci_layout::{Layout, Packed, multi};
use hcimage_testkit::registry::{LAYOUT_NAME, Registry};
use hcimage_testkit::tools::run;
use serde_json::json;

use crate::registry_server::{Answer, Server, mirror, status};
use crate::{bundle_with, fetched};

const FORM: &str = "grant_type=refresh_token&service=shop&client_id=hcimage&scope=repository%3Ashop%2Fweb%3Apull&\
                    refresh_token=geheim";

/// A key, with a certificate by itself.
#[derive(Clone)]
struct Signer(PathBuf);

impl Signer {
    fn new(dir: &Path) -> Self {
        fs::create_dir_all(dir).unwrap();
        run(Command::new("openssl").current_dir(dir).args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=tokens",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
        ]));
        Self(dir.to_owned())
    }

    fn certificate(&self) -> PathBuf {
        self.0.join("cert.pem")
    }

    /// A token to pull `shop/web`, as "Token Authentication Implementation" of the distribution project has it.
    fn token(&self) -> String {
        let der = Command::new("openssl")
            .args(["x509", "-outform", "DER", "-in"])
            .arg(self.certificate())
            .output()
            .unwrap();
        let header = json!({"typ": "JWT", "alg": "RS256", "x5c": [STANDARD.encode(der.stdout)]});
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let claims = json!({
            "iss": "tokens", "sub": "pull", "aud": "shop", "jti": "1", "iat": now, "nbf": now - 60, "exp": now + 300,
            "access": [{"type": "repository", "name": "shop/web", "actions": ["pull"]}],
        });
        let encode = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let text = self.0.join("signed");
        fs::write(&text, &signed).unwrap();
        let signature = Command::new("openssl")
            .args(["dgst", "-sha256", "-sign"])
            .arg(self.0.join("key.pem"))
            .arg(&text)
            .output()
            .unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.stdout))
    }
}

#[test]
fn a_real_registry_gives_its_image_for_an_identity_token_and_for_no_other() {
    let desk = Desk::new();
    let dir = desk.path("registry");
    let signer = Signer::new(&desk.path("signer"));
    let signing = signer.clone();
    let tokens = Server::start(move |request, _| {
        if (request.method.as_str(), request.body.as_str()) != ("POST", FORM) {
            return status(401);
        }
        let body = json!({"access_token": signing.token(), "expires_in": 300}).to_string().into_bytes();
        Answer { status: 200, body, ..Answer::default() }
    });
    let auth = format!(
        "auth:\n  token: {{realm: \"http://{}/token\", service: shop, issuer: tokens, rootcertbundle: {:?}}}\n",
        tokens.address,
        signer.certificate()
    );
    // Filled while it asks nobody.
    let open = Registry::start(&dir, "", "");
    let mut layout = Layout::new(&desk.path("shop"));
    let layer = layout.layer(Packed::Gzip, &[("bin/web", b"web")]);
    let index = multi(&layout, &["arm64"], &[layer]);
    layout.add(Some(LAYOUT_NAME), index);
    open.push(&layout, &format!("127.0.0.1:{}/shop/web:1.2", open.port), &[]);
    drop(open);
    let registry = Registry::start(&dir, "", &auth);

    let fetch = |desk: &Desk, token: &str| {
        let mut hosts = RegistryHosts::default();
        let mirror = mirror(&format!("127.0.0.1:{}", registry.port), &[]);
        hosts.mirrors.insert("registry.example".to_owned(), vec![mirror]);
        let credentials = Some(Credentials::IdentityToken(Secret::new(token)));
        hosts.access.insert(tokens.address.to_string(), RegistryAccess { credentials, ca: None });
        bundle_with(desk, &hosts, &[fetched("registry.example/shop/web:1.2")], Arch::Aarch64)
    };
    fetch(&desk, "geheim").unwrap();
    let said = chain(&fetch(&Desk::new(), "geheimer").unwrap_err());
    assert!(!said.contains("geheim"), "{said}");
    let posts = tokens.requests();
    assert!(posts.iter().all(|request| request.method == "POST"), "{posts:?}");
}
