//! What the overlay `authentik` tells the API server of its tokens, on a real one. authentik itself is played: `openssl s_server` has
//! the two files that it would answer with, and tokens with the claims of its own scope mappings are signed by openssl.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hcimage::cluster::Checked;
use hcimage_testkit::tools::run;
use serde_json::{Value, json};

use crate::clusters::{ONE, load};
use crate::control_plane::{ControlPlane, end, ports};

/// The name in the overlay's settings; here another host has it.
const HOST: &str = "https://auth.example.org";

/// The API server asks again every ten seconds.
const LIMIT: Duration = Duration::from_secs(90);

/// What is wrong.
pub(crate) fn check() -> Vec<String> {
    let issuer = Issuer::make();
    let checked = issuer.overlay();
    let mut found = Vec::new();
    let mut expect = |what: &str, is_so: bool| {
        if !is_so {
            found.push(format!("authentik's logins: {what}"));
        }
    };
    let mut plane = ControlPlane::new();
    // Nobody listens at the issuer's address yet.
    plane.start_with(&issuer.arguments(&checked));
    let admin = issuer.token(&json!({"groups": ["kubernetes-admins", "system:masters"]}));
    // A controller puts together what the role `view` may do.
    let _controllers = plane.start_controllers(&[]).map(|child| Ending(Some(child)));
    expect("a token is taken before its issuer was asked", who(&plane, &admin).0 == 401);
    let _serving = issuer.serve();
    let began = Instant::now();
    let mut answer = who(&plane, &admin);
    while answer.0 != 201 && began.elapsed() < LIMIT {
        sleep(Duration::from_millis(500));
        answer = who(&plane, &admin);
    }
    let user = &answer.1["status"]["userInfo"];
    let groups: Vec<&str> =
        user["groups"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    expect(&format!("who it is: {answer:?}"), user["username"] == "oidc:kim");
    expect("the group is not known", groups.contains(&"oidc:kubernetes-admins"));
    expect("a group of Kubernetes can be had from authentik", !groups.contains(&"system:masters"));
    expect("a group gets in before it is bound", status(&plane, &admin, "/api/v1/secrets") == 403);
    for file in &checked.cluster.overlays[0].shown.files {
        for text in file.text.split("\n---\n").filter(|text| text.contains("kind: ClusterRoleBinding")) {
            let path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
            plane.write_text("POST", path, "application/yaml", text);
        }
    }
    let viewer = issuer.token(&json!({"groups": ["kubernetes-viewers"]}));
    let other = issuer.token(&json!({"groups": ["family"]}));
    wait_until(|| status(&plane, &admin, "/api/v1/secrets") == 200);
    wait_until(|| status(&plane, &viewer, "/api/v1/pods") == 200);
    for (name, token, path, expected) in [
        ("an admin", &admin, "/api/v1/secrets", 200),
        ("a viewer", &viewer, "/api/v1/pods", 200),
        ("a viewer", &viewer, "/api/v1/secrets", 403),
        ("another group", &other, "/api/v1/pods", 403),
        ("for another client", &issuer.token(&json!({"aud": "shop"})), "/api/v1/pods", 401),
        ("expired", &issuer.token(&json!({"exp": 1_000_000_000})), "/api/v1/pods", 401),
        (
            "of another issuer",
            &issuer.token(&json!({"iss": "https://else.example.org/"})),
            "/api/v1/pods",
            401,
        ),
    ] {
        let seen = status(&plane, token, path);
        expect(&format!("{name}: {path} is {seen}, expected {expected}"), seen == expected);
    }
    found
}

fn wait_until(mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() && began.elapsed() < LIMIT {
        sleep(Duration::from_millis(200));
    }
}

/// Who the server takes the bearer for.
fn who(plane: &ControlPlane, token: &str) -> (u16, Value) {
    let review = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}).to_string();
    let more = ["--header", "Content-Type: application/json", "--data-binary", &review];
    ask(plane, token, "/apis/authentication.k8s.io/v1/selfsubjectreviews", &more)
}

fn status(plane: &ControlPlane, token: &str, path: &str) -> u16 {
    ask(plane, token, path, &[]).0
}

fn ask(plane: &ControlPlane, token: &str, path: &str, more: &[&str]) -> (u16, Value) {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "30", "--write-out", "\n%{http_code}", "--cacert"]);
    curl.arg(plane.path("server-ca.crt")).args(["--header", &format!("Authorization: Bearer {token}")]);
    // A server that refuses the bearer may not read the rest, which curl takes for an error of its own.
    let output = curl.args(more).arg(format!("https://127.0.0.1:{}{path}", plane.port)).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = said.rsplit_once('\n').unwrap_or(("", "0"));
    (status.parse().unwrap_or(0), serde_json::from_str(body).unwrap_or_default())
}

/// A process that ends with the test, whatever happens.
struct Ending(Option<Child>);

impl Drop for Ending {
    fn drop(&mut self) {
        end(self.0.take());
    }
}

/// Its files: a certificate for `localhost` with its key, the key of tokens, and what it answers.
struct Issuer {
    dir: tempfile::TempDir,
    port: u16,
}

impl Issuer {
    fn make() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let [port] = ports();
        let issuer = Self { dir, port };
        let subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
        let made = [
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", "tls.key", "-out",
            "tls.crt",
        ];
        issuer.openssl(&[&made[..], &subject[..]].concat());
        issuer.openssl(&["genrsa", "-out", "token.key", "2048"]);
        let modulus = issuer.openssl(&["rsa", "-in", "token.key", "-modulus", "-noout"]);
        let hex = modulus.trim().strip_prefix("Modulus=").unwrap().to_owned();
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
        let key = json!({"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "it", "e": "AQAB",
                         "n": URL_SAFE_NO_PAD.encode(bytes)});
        let at = issuer.address();
        let discovery = json!({"issuer": at, "jwks_uri": format!("{at}jwks"),
                               "authorization_endpoint": format!("{at}authorize"), "token_endpoint": format!("{at}token"),
                               "response_types_supported": ["code"], "subject_types_supported": ["public"],
                               "id_token_signing_alg_values_supported": ["RS256"]});
        issuer.put("jwks", &json!({"keys": [key]}));
        issuer.put(".well-known/openid-configuration", &discovery);
        issuer
    }

    fn openssl(&self, arguments: &[&str]) -> String {
        run(Command::new("openssl").current_dir(&self.dir).args(arguments))
    }

    /// As the overlay makes it, but for the host.
    fn address(&self) -> String {
        format!("https://localhost:{}/application/o/kubernetes/", self.port)
    }

    /// An answer below that address.
    fn put(&self, name: &str, answer: &Value) {
        let path = self.dir.path().join("application/o/kubernetes").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, answer.to_string()).unwrap();
    }

    fn serve(&self) -> Ending {
        let mut command = Command::new("openssl");
        command.current_dir(&self.dir).args(["s_server", "-WWW", "-cert", "tls.crt", "-key", "tls.key"]);
        command.arg("-accept").arg(self.port.to_string());
        Ending(Some(
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap(),
        ))
    }

    fn overlay(&self) -> Checked {
        let ca = fs::read_to_string(self.dir.path().join("tls.crt")).unwrap();
        let mut table =
            String::from("[overlays.authentik]\nhost = \"auth.example.org\"\nhttps = true\nkubectl = true\n");
        let _ = writeln!(table, "ca = {}", toml::Value::String(ca));
        load(Path::new("/nowhere"), &table, ONE).unwrap_or_else(|report| panic!("{report}"))
    }

    /// What k3s gives the API server, with the file where it is here.
    fn arguments<'a>(&self, checked: &'a Checked) -> Vec<(&'a str, String)> {
        let needs = &checked.cluster.overlays[0].needs;
        let [file] = &needs.files[..] else { panic!("one file is expected: {:?}", needs.files) };
        let here = self.dir.path().join("ca.pem");
        fs::write(&here, &file.text).unwrap();
        let given = needs.server["kube-apiserver-arg"].as_array().unwrap();
        let local = format!("https://localhost:{}", self.port);
        let value = |text: &str| text.replace(HOST, &local).replace(&file.path, &here.display().to_string());
        given
            .iter()
            .map(|one| one.as_str().unwrap().split_once('=').unwrap())
            .map(|(name, text)| (name, value(text)))
            .collect()
    }

    /// A token of Kim's with these claims in place of the usual ones.
    fn token(&self, claims: &Value) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let mut all = json!({"iss": self.address(), "aud": "kubernetes", "sub": "1b4e28ba-2fa1-11d2-883f-0016d3cca427",
                             "iat": now, "exp": now + 900, "preferred_username": "kim", "groups": ["kubernetes-admins"]});
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({"alg": "RS256", "kid": "it", "typ": "JWT"})), part(&all));
        fs::write(self.dir.path().join("signed"), &signed).unwrap();
        self.openssl(&["dgst", "-sha256", "-sign", "token.key", "-out", "signature", "signed"]);
        let signature = fs::read(self.dir.path().join("signature")).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
