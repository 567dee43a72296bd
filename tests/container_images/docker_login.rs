//! What `docker login` has kept, as the program finds it: an identity token in the configuration or with a helper.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use hcimage_testkit::base::{K3S_VERSION, base, k3s_release};
use hcimage_testkit::desk::Desk;
use hcimage_testkit::hcimage::{hcimage, succeed};

use crate::registry_server::{Answer, Pages, Server, name, status, with};

/// Gives out `shop/web:1.2` for the identity token "geheim", at its own server of tokens.
fn registry() -> Server {
    let pages = Pages::shop(&Desk::new());
    Server::start(move |request, _| match request.authorization.as_deref() {
        _ if request.path.starts_with("/token") => {
            let is_right = request.method == "POST" && request.body.ends_with("&refresh_token=geheim");
            let body = br#"{"access_token": "t0ken"}"#.to_vec();
            if is_right { Answer { status: 200, body, ..Answer::default() } } else { status(401) }
        }
        Some("Bearer t0ken") => pages.answer(request),
        _ => {
            let realm = format!("Bearer realm=\"http://{}/token\",service=\"shop\"", request.host);
            with(status(401), "WWW-Authenticate", &realm)
        }
    })
}

fn plan(dir: &Path, server: &Server, config: &str) -> Command {
    fs::create_dir_all(dir.join("docker")).unwrap();
    fs::write(dir.join("docker/config.json"), config).unwrap();
    let mut command = hcimage(dir);
    command.args(["plan", "--board", "cm4", "--base"]).arg(base("debian-pi-arm64"));
    command.arg("--k3s").arg(k3s_release().join(K3S_VERSION)).args(["--image", &name(server)]);
    let path = format!("{}:{}", dir.join("bin").display(), std::env::var("PATH").unwrap());
    command.env("DOCKER_CONFIG", dir.join("docker")).env("PATH", path);
    command
}

#[test]
fn an_identity_token_of_docker_login_is_exchanged() {
    let (dir, server) = (tempfile::tempdir().unwrap(), registry());
    let config = |token: &str| {
        let auth = "MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwOg==";
        format!(
            "{{\"auths\": {{\"{}\": {{\"auth\": {auth:?}, \"identitytoken\": {token:?}}}}}}}",
            server.address
        )
    };
    let said =
        fail_with(&mut plan(dir.path(), &server, &config("geheimer")), &["not accepted", "docker login"]);
    assert!(!said.contains("geheim"), "{said}");
    succeed(&mut plan(dir.path(), &server, &config("geheim")));
}

#[test]
fn an_identity_token_of_a_helper_is_exchanged() {
    let (dir, server) = (tempfile::tempdir().unwrap(), registry());
    let helper = dir.path().join("bin/docker-credential-test");
    fs::create_dir_all(dir.path().join("bin")).unwrap();
    let answer = format!(
        "#!/bin/sh\n[ \"$1 $(cat)\" = \"get {}\" ] || exit 1\necho '{{\"Username\": \"<token>\", \"Secret\": \"geheim\"}}'\n",
        server.address
    );
    fs::write(&helper, answer).unwrap();
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).unwrap();
    let config = format!("{{\"credHelpers\": {{\"{}\": \"test\"}}}}", server.address);
    succeed(&mut plan(dir.path(), &server, &config));
}

fn fail_with(command: &mut Command, words: &[&str]) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    for word in words {
        assert!(said.contains(word), "{word}: {said}");
    }
    said
}
