//! Keeping secrets out of what a person may publish: the report lies on FAT, where anybody can read it.
//!
//! By form, since a log line may come from any program: tokens of k3s, long runs of hex or base64, passwords of URLs and
//! data source names, and the value after a name like `token` or `password`. A form that is too wide hides a word that
//! was harmless; one that is too narrow publishes a password.

mod pair;

/// What stands instead of a secret.
pub(crate) const STARS: &str = "***";

/// Hex runs of this length or more are taken for a secret: node passwords have 32, token hashes 64.
const HEX: usize = 32;

/// Base64 runs of this length or more: the key of a certificate, a service account's token.
const BASE64: usize = 32;

/// Hides what looks like a secret in one line of a log.
pub fn mask(line: &str) -> String {
    let mut masked = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(pair) = pair::first(rest) {
        masked.push_str(&mask_words(pair.before));
        masked.push_str(pair.open);
        masked.push_str(STARS);
        rest = pair.after;
    }
    masked.push_str(&mask_words(rest));
    masked
}

/// The value of the first secret's name in a line; the rest of the line, since a file's value may have blanks.
pub(crate) fn secret_of_line(line: &str) -> Option<&str> {
    let pair = pair::first(line)?;
    let value = line.get(pair.before.len() + pair.open.len()..)?.trim();
    match pair.open.chars().last() {
        Some(quote @ ('"' | '\'')) => value.strip_suffix(quote),
        _ => Some(value),
    }
}

/// The password of the first URL or data source name in a line.
pub(crate) fn password_of_url(line: &str) -> Option<&str> {
    line.split([' ', '"', '\'']).find_map(credentials).map(|(_, password, _)| password)
}

/// Text without a secret's name in it, word by word.
fn mask_words(text: &str) -> String {
    map_runs(text, |c| !c.is_whitespace() && !matches!(c, '"' | '\''), mask_word)
}

/// The text with each run of characters that are `of_run` replaced, and all between them as it is.
fn map_runs(text: &str, of_run: impl Fn(char) -> bool, replace: impl Fn(&str) -> String) -> String {
    let mut mapped = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (run, after) = rest.split_at(rest.find(|c| !of_run(c)).unwrap_or(rest.len()));
        mapped.push_str(&replace(run));
        let (between, after) = after.split_at(after.find(&of_run).unwrap_or(after.len()));
        mapped.push_str(between);
        rest = after;
    }
    mapped
}

fn mask_word(word: &str) -> String {
    // The token's form is `K10<64 hex>::<user>:<password>`: no blank in it, so it ends with the word.
    if let Some((before, after)) = word.split_once("K10") {
        let hex = after.bytes().take_while(u8::is_ascii_hexdigit).count();
        if hex >= HEX || after.contains("::") {
            return format!("{before}{STARS}");
        }
    }
    match credentials(word) {
        Some((user, _, host)) => format!("{user}:{STARS}{}", mask_runs(host)),
        None => mask_runs(word),
    }
}

/// `postgres://me:pw@host/db`, `me:pw@tcp(host)/db`: what is before the password's colon, the password, and the rest with its
/// `@`. A password may contain any of the separators, so it ends at the last `@`; but an image's `name:tag@sha256:…` has none.
fn credentials(word: &str) -> Option<(&str, &str, &str)> {
    let (before, host) = word.split_at(word.rfind('@')?);
    if host.starts_with("@sha256:") || host.starts_with("@sha512:") {
        return None;
    }
    let user_at = before.find("://").map_or(0, |scheme| scheme + 3);
    let colon = user_at + before.get(user_at..)?.find(':')?;
    let (user, password) = (before.get(..colon)?, before.get(colon + 1..)?);
    (!password.is_empty()).then_some((user, password, host))
}

/// Runs of characters that no word has: long hex numbers, and base64 with capitals, small letters and digits.
fn mask_runs(word: &str) -> String {
    let of_run = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '_' | '-' | '=');
    map_runs(word, of_run, |run| if is_base64(run) { STARS.to_owned() } else { mask_hex(run) })
}

/// A path has parts of few characters, but for disks by their serial numbers; base64 has a slash seldom.
fn is_base64(run: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| run.bytes().any(|b| kind(&b));
    run.split('/').map(str::len).max().unwrap_or(0) * 2 >= BASE64
        && run.len() >= BASE64
        && !run.starts_with("/dev/")
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_digit)
}

fn mask_hex(run: &str) -> String {
    let is_hex = |c: char| c.is_ascii_hexdigit();
    map_runs(run, is_hex, |number| if number.len() >= HEX { STARS } else { number }.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn hidden(line: &str, expected: &str) {
        assert_eq!(mask(line), expected, "{line}");
    }

    fn hex() -> String {
        "0123456789abcdef".repeat(4)
    }

    #[test]
    fn tokens_and_long_runs_are_hidden() {
        let hex = hex();
        hidden(&format!("join K10{hex}::node:pw failed"), "join *** failed");
        hidden(&format!("token K10{hex}::node:pw is wrong"), "token *** is wrong");
        hidden(&format!("\"K10{hex}::server:x\""), "\"***\"");
        hidden(&format!("hash {hex}, want"), "hash ***, want");
        hidden(&format!("sha256:{hex}"), "sha256:***");
        hidden(&format!("image a/b:1.2@sha256:{hex} not found"), "image a/b:1.2@sha256:*** not found");
        let jwt =
            "eyJhbGciOiJSUzI1NiIsImtpZCI6IkxvbmcifQ.eyJpc3MiOiJrdWJlcm5ldGVzL3NlcnZpY2VhY2NvdW50In0.c2lnbmVk";
        hidden(&format!("got {jwt}"), "got ***.***.c2lnbmVk");
        hidden("MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7", "***");
    }

    #[test]
    fn passwords_of_urls_and_data_sources_are_hidden() {
        hidden(
            "dial postgres://k3s:hun:t@r2@db:5432/k3s: refused",
            "dial postgres://k3s:***@db:5432/k3s: refused",
        );
        hidden("mysql://me:pw@tcp(db:3306)/k3s", "mysql://me:***@tcp(db:3306)/k3s");
        hidden("me:pw@tcp(db)/k3s", "me:***@tcp(db)/k3s");
        hidden("proxy=http://u:p@proxy:3128", "proxy=http://u:***@proxy:3128");
        hidden("https://:onlypassword@host", "https://:***@host");
        hidden("host=db user=k3s password=pw dbname=k3s", "host=db user=k3s password=*** dbname=k3s");
        hidden("https://user@host:6443 git@host:path", "https://user@host:6443 git@host:path");
    }

    #[test]
    fn the_value_after_a_secrets_name_is_hidden() {
        hidden("--token=abc --node-ip=1.2.3.4", "--token=*** --node-ip=1.2.3.4");
        hidden("--token abc --node-ip 1.2.3.4", "--token *** --node-ip 1.2.3.4");
        hidden("k3s server --etcd-s3-secret-key=X --debug", "k3s server --etcd-s3-secret-key=*** --debug");
        hidden("--etcd-s3-access-key \"X Y\" --debug", "--etcd-s3-access-key \"***\" --debug");
        hidden("K3S_TOKEN=abc x", "K3S_TOKEN=*** x");
        hidden("agent-token: abc", "agent-token: ***");
        hidden("vpn-auth = 'name=tailscale,joinKey=k'", "vpn-auth = '***'");
        hidden("psk=12345678", "psk=***");
        hidden("Passphrase:  x y", "Passphrase:  *** y");
    }

    #[test]
    fn json_is_hidden_with_and_without_blanks_and_when_it_is_quoted_again() {
        hidden(r#"{"password":"x","user":"y"}"#, r#"{"password":"***","user":"y"}"#);
        hidden(r#"{"token": "abc"}"#, r#"{"token": "***"}"#);
        hidden(r#"{"token": "abc", "n": 1}"#, r#"{"token": "***", "n": 1}"#);
        hidden(r#"{"password":"x \" y","user":"z"}"#, r#"{"password":"***","user":"z"}"#);
        hidden(r#"msg="{\"password\":\"x y\",\"u\":1}""#, r#"msg="{\"password\":\"***\",\"u\":1}""#);
        hidden(r#"{"clientSecret":null}"#, r#"{"clientSecret":***"#);
    }

    #[test]
    fn the_rest_of_an_authorization_line_is_hidden() {
        hidden("Authorization: Basic bm9kZTpwdw==", "Authorization: ***");
        hidden("> authorization:Bearer abc def", "> authorization:***");
        hidden("sent Bearer abc to it", "sent Bearer *** to it");
        hidden(r#"{"Authorization":"Basic YQ==","a":"b"}"#, r#"{"Authorization":"***","a":"b"}"#);
    }

    #[test]
    fn what_is_not_secret_stays() {
        for line in [
            "starting k3s v1.36.2+k3s1 (deadbeef)",
            "grün ↦ ü",
            "",
            "secret \"shop\" not found",
            "token-file=/etc/rancher/k3s/token is missing",
            "--agent-token-file /etc/rancher/k3s/token",
            "the token is wrong",
            "/var/lib/rancher/k3s/agent/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/12/fs",
            "no disk at /dev/disk/by-id/nvme-Samsung_SSD_980_S64DNX0R1",
            "Tokens: 3, none expired",
            "imagePullSecrets: [shop]",
            "token=",
            "password:",
        ] {
            assert_eq!(mask(line), line);
        }
    }
}
