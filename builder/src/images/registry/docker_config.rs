//! Credentials that `docker login` has kept: `$DOCKER_CONFIG/config.json`, or `~/.docker/config.json`.
//!
//! Format: docker/cli `cli/config/configfile`. A helper is a program `docker-credential-<name>` that gets the host on its input
//! and answers in JSON (docker/docker-credential-helpers).

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::local_file::{self, TEXT_LIMIT};
use crate::source::SourceError;
use crate::value::Secret;

use super::access::{Credentials, Login};

/// How Docker calls its own registry there.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// The longest time for a helper: some ask the user for a password.
const HELPER_TIME: Duration = Duration::from_secs(60);

/// What a helper may answer, in bytes.
const ANSWER_LIMIT: u64 = 64 << 10;

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Config {
    auths: BTreeMap<String, Auth>,
    creds_store: Option<String>,
    cred_helpers: BTreeMap<String, String>,
}

/// What a helper calls the user of an identity token.
const TOKEN_USER: &str = "<token>";

#[derive(Deserialize, Default)]
#[serde(default)]
struct Auth {
    auth: String,
    username: String,
    password: String,
    #[serde(rename = "identitytoken")]
    identity_token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

impl Answer {
    fn into_credentials(self) -> Credentials {
        let Self { username, secret } = self;
        let secret = Secret::new(secret);
        match username.as_str() {
            TOKEN_USER => Credentials::IdentityToken(secret),
            _ => Credentials::Password(Login { username, password: secret }),
        }
    }
}

/// What is kept for the registry of a name, such as `docker.io`.
pub(super) fn credentials(registry: &str) -> Result<Option<Credentials>, SourceError> {
    let Some(path) = path() else { return Ok(None) };
    let text = match local_file::read_text(&path, TEXT_LIMIT) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(SourceError::Io { what: format!("reading {}", path.display()), source: error });
        }
    };
    // The cause of a syntax error could show a password.
    let config: Config = serde_json::from_str(&text).map_err(|error| SourceError::BadRecord {
        file: path.display().to_string(),
        problem: format!("invalid Docker configuration in line {}: fix it, or log in again", error.line()),
    })?;
    let key = if registry == "docker.io" { DOCKER_HUB } else { registry };
    if let Some(helper) = config.cred_helpers.get(key).or(config.creds_store.as_ref())
        && let Some(found) = ask(helper, key)?
    {
        return Ok(Some(found));
    }
    let entry =
        config.auths.into_iter().find(|(name, _)| host_of(name) == host_of(key)).map(|(_, auth)| auth);
    entry.and_then(|auth| from_auth(auth).transpose()).transpose().map_err(|()| SourceError::BadRecord {
        file: path.display().to_string(),
        problem: format!(
            "the entry of {registry} is neither a user with a password nor an identity token: log in again"
        ),
    })
}

fn path() -> Option<PathBuf> {
    let of = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let dir =
        of("DOCKER_CONFIG").or_else(|| Some(of("HOME").or_else(|| of("USERPROFILE"))?.join(".docker")))?;
    Some(dir.join("config.json"))
}

/// Old entries are addresses.
fn host_of(name: &str) -> &str {
    let rest = name.split_once("://").map_or(name, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

/// None for an entry that says only that a helper knows more.
fn from_auth(auth: Auth) -> Result<Option<Credentials>, ()> {
    // Beside it, the user is a placeholder.
    if !auth.identity_token.is_empty() {
        return Ok(Some(Credentials::IdentityToken(Secret::new(auth.identity_token))));
    }
    if !auth.username.is_empty() {
        let login = Login { username: auth.username, password: Secret::new(auth.password) };
        return Ok(Some(Credentials::Password(login)));
    }
    if auth.auth.is_empty() {
        return Ok(None);
    }
    let bytes = STANDARD.decode(auth.auth.trim()).map_err(drop)?;
    let text = String::from_utf8(bytes).map_err(drop)?;
    let (username, password) = text.split_once(':').ok_or(())?;
    let password = Secret::new(password.trim_end_matches('\0').to_owned());
    Ok(Some(Credentials::Password(Login { username: username.to_owned(), password })))
}

/// Asks a helper; none where it knows nothing of the host.
fn ask(helper: &str, key: &str) -> Result<Option<Credentials>, SourceError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let program = format!("docker-credential-{helper}");
    let failed = |problem: String| SourceError::Invalid { what: program.clone(), problem };
    if helper.is_empty() || !helper.chars().all(is_plain) {
        return Err(failed("the name of a credential helper has letters, digits, - and _ only".into()));
    }
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| {
            failed(format!("{error}; Docker's configuration names it: install it, or log in again"))
        })?;
    if let Some(mut input) = child.stdin.take() {
        // A helper that reads nothing answers nothing either.
        let _ = input.write_all(key.as_bytes());
    }
    let (sender, receiver) = mpsc::sync_channel(1);
    if let Some(output) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = output.take(ANSWER_LIMIT).read_to_end(&mut bytes);
            drop(sender.send(read.map(|_| bytes)));
        });
    }
    let answer = receiver.recv_timeout(HELPER_TIME);
    if answer.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| failed(error.to_string()))?;
    match answer {
        Ok(Ok(bytes)) if status.success() => {
            let answer: Answer =
                serde_json::from_slice(&bytes).map_err(|_| failed("it gave an invalid answer".into()))?;
            Ok(Some(answer.into_credentials()))
        }
        // "credentials not found in native keychain" is an error for it, and none for us.
        Ok(_) => Ok(None),
        Err(_) => Err(failed(format!("no answer within {} seconds", HELPER_TIME.as_secs()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_user_with_a_password_or_an_identity_token_or_nothing() {
        let of = |text: &str| from_auth(serde_json::from_str(text).unwrap());
        let login = |text: &str| match of(text) {
            Ok(Some(Credentials::Password(Login { username, password }))) => {
                format!("{username} {}", password.expose())
            }
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(login(r#"{"auth": "cHVsbDpnZWhlaW0="}"#), "pull geheim");
        assert_eq!(login(r#"{"username": "pull", "password": "geheim"}"#), "pull geheim");
        // As Azure's `az acr login` writes it.
        let token = of(r#"{"auth": "MDAwMDAwMDA6", "identitytoken": "geheim"}"#);
        assert!(matches!(token, Ok(Some(Credentials::IdentityToken(token))) if token.expose() == "geheim"));
        assert!(matches!(of("{}"), Ok(None)));
        for bad in [r#"{"auth": "?"}"#, r#"{"auth": "cHVsbA=="}"#] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }
}
