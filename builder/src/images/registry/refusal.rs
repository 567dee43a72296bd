//! What a registry or its server of tokens refuses, and what to do about it.

use reqwest::StatusCode;

use crate::source::SourceError;
use crate::source::url::SourceUrl;
use crate::value::ImageReference;

/// The registry of `key` does not give out `name`.
pub(super) fn of_registry(
    key: &str,
    name: &ImageReference,
    url: &SourceUrl,
    status: StatusCode,
) -> SourceError {
    let problem = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => format!(
            "{key} does not give out {name} ({status}): it does not exist, or needs credentials; run `docker login {key}`, \
             or set them in [registries.configs.\"{key}\".auth]"
        ),
        StatusCode::NOT_FOUND if url.to_string().contains("sha256:") => format!(
            "{key} has no longer what {name} stood for (404); `hcimage update {name}` takes what it stands for now"
        ),
        StatusCode::NOT_FOUND => format!("{key} has no {name} (404): check name and tag"),
        status => format!("the registry answered {status}"),
    };
    bad_answer(url, problem)
}

/// The server of tokens of `key` gives none for an identity token.
pub(super) fn of_identity_token(key: &str, url: &SourceUrl, status: StatusCode) -> SourceError {
    let problem = match status {
        // An invalid grant is 400 in OAuth 2.0 (RFC 6749, 5.2).
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => format!(
            "the identity token for {key} is not accepted ({status}): it may have expired; run `docker login {key}`, or set a \
             new one in [registries.configs.\"{key}\".auth]"
        ),
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => format!(
            "the server of tokens of {key} takes no identity tokens ({status}): set user name and password instead"
        ),
        status if status.is_redirection() => format!(
            "the server of tokens of {key} sends us to another address ({status}); the identity token is not sent there: set \
             user name and password instead"
        ),
        status => format!("the server of tokens of {key} answered {status}"),
    };
    bad_answer(url, problem)
}

/// The registry wants a password, and there is only an identity token.
pub(super) fn of_token_for_password(key: &str, url: &SourceUrl) -> SourceError {
    let problem = format!(
        "{key} wants a user name with a password (Basic), and the credentials for it are an identity token: set `username` and \
         `password` in [registries.configs.\"{key}\".auth], or log in with a password"
    );
    bad_answer(url, problem)
}

fn bad_answer(url: &SourceUrl, problem: String) -> SourceError {
    SourceError::BadAnswer { url: url.to_string(), problem }
}
