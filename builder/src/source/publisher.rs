//! Publishers that sign their checksum files, and the keys that they do it with.
//!
//! The keys are those of Debian's package debian-keyring and Ubuntu's ubuntu-keyring, without what others signed on them.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::openpgp::Keyring;

use super::SourceContext;
use super::error::{Result, SourceError};
use super::url::SourceUrl;

/// Servers, the part of their addresses where everything is signed, and the keys.
const KNOWN: [(&[&str], &str, &str); 2] = [
    (
        &["cdimage.ubuntu.com", "cloud-images.ubuntu.com", "old-releases.ubuntu.com", "releases.ubuntu.com"],
        "/",
        include_str!("../../keys/ubuntu.asc"),
    ),
    // Its cloud images, on the same server, have no signature.
    (&["cdimage.debian.org"], "/debian-cd/", include_str!("../../keys/debian-cd.asc")),
];

/// What signatures are called, behind the name of the file: Ubuntu's, Debian's, and others'.
const ENDINGS: [&str; 4] = [".gpg", ".sign", ".asc", ".sig"];

/// The longest signature in bytes.
const LIMIT: u64 = 64 << 10;

/// The keys of the publisher whose server it is; none for one that is not known to sign.
pub(super) fn keys_of(url: &SourceUrl) -> Result<Option<Keyring>> {
    let is_theirs = |(hosts, path, _): &&(&[&str], &str, &str)| {
        hosts.contains(&url.host().as_str()) && url.as_url().path().starts_with(path)
    };
    let Some((_, _, keys)) = KNOWN.iter().find(is_theirs) else { return Ok(None) };
    let damaged = |error: crate::openpgp::OpenPgpError| SourceError::BadRecord {
        file: url.host(),
        problem: format!("its keys in hcimage: {error}"),
    };
    Keyring::read(keys.as_bytes()).map(Some).map_err(damaged)
}

/// Whether the text of the file at `of` is signed by one of the keys; the signature lies beside it. Returns the key's
/// fingerprint.
pub(super) fn verify(cx: &SourceContext<'_>, of: &SourceUrl, text: &str, keys: &Keyring) -> Result<String> {
    let invalid = |problem: String| SourceError::BadRecord { file: of.to_string(), problem };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    for ending in ENDINGS {
        let at = of.beside(ending);
        let answer = cx.fetcher.ask(&at, &Default::default(), LIMIT, cx.interrupt)?;
        if answer.status == reqwest::StatusCode::NOT_FOUND {
            continue;
        }
        if !answer.status.is_success() {
            return Err(SourceError::Status { url: at.to_string(), status: answer.status });
        }
        return keys
            .verify_detached(text.as_bytes(), &answer.body, now)
            .map_err(|error| invalid(format!("{error} (by {at})")));
    }
    Err(invalid(format!(
        "its publisher signs it, and there is no signature beside it ({}): somebody may have changed the files",
        ENDINGS.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_known_publishers_can_be_read() {
        for (url, is_known) in [
            ("https://cdimage.ubuntu.com/releases/24.04/release/a.img.xz", true),
            ("https://cloud-images.ubuntu.com/noble/current/a.img", true),
            ("https://cdimage.debian.org/debian-cd/current/a.iso", true),
            ("https://cdimage.debian.org/images/cloud/bookworm/latest/a.raw", false),
            ("https://cdimage.ubuntu.com.example.org/a.img", false),
            ("https://cdimage.ubuntu.com:8443/a.img", false),
        ] {
            let keys = keys_of(&url.parse().unwrap()).unwrap();
            assert_eq!(keys.is_some_and(|keys| !keys.is_empty()), is_known, "{url}");
        }
    }
}
