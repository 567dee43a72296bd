//! What is done where a registry answers "401 Unauthorized".

use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use crate::source::error::Result;
use crate::source::fetch::{Answer, Fetcher};
use crate::source::url::SourceUrl;
use crate::source::{SourceContext, SourceError};
use crate::value::ImageReference;

use super::access::{Credentials, RegistryHosts};
use super::auth::{self, Challenge};
use super::{docker_config, refusal};

/// What a server of tokens may answer, in bytes.
const TOKEN_LIMIT: u64 = 64 << 10;

/// A registry or mirror, and what is wanted of it.
pub(super) struct Asked<'a> {
    pub(super) cx: &'a SourceContext<'a>,
    pub(super) access: &'a RegistryHosts,
    pub(super) fetcher: &'a Fetcher,
    /// Where its API is.
    pub(super) root: &'a SourceUrl,
    /// What its credentials are kept under.
    pub(super) key: &'a str,
    pub(super) name: &'a ImageReference,
    /// What it calls the image.
    pub(super) repository: &'a str,
}

impl Asked<'_> {
    /// What to say in the next request, by what the registry asks for in this answer.
    pub(super) fn authorization(&self, answer: &Answer) -> Result<Option<HeaderValue>> {
        let challenge = Challenge::of(answer).ok_or_else(|| {
            bad_answer(
                &answer.url,
                "the registry wants to know who asks, in a way that is not supported: expected Basic or Bearer",
            )
        })?;
        match challenge {
            Challenge::Basic => match credentials_of(self.access, self.key)? {
                Some(Credentials::Password(login)) => Ok(login.basic()),
                Some(Credentials::IdentityToken(_)) => {
                    Err(refusal::of_token_for_password(self.key, &answer.url))
                }
                None => Err(refusal::of_registry(self.key, self.name, &answer.url, answer.status)),
            },
            Challenge::Bearer { realm, service } => self.token(&realm, service.as_deref()),
        }
    }

    /// A token for the image, from the server that the registry names.
    fn token(&self, realm: &str, service: Option<&str>) -> Result<Option<HeaderValue>> {
        let realm: SourceUrl = realm.parse()?;
        let (repository, interrupt) = (self.repository, self.cx.interrupt);
        let answer = match self.credentials_for(&realm)? {
            Some(Credentials::IdentityToken(token)) => {
                let form = auth::token_form(service, repository, &token);
                let answer = self.fetcher.submit(&realm, &form, TOKEN_LIMIT, interrupt)?;
                if answer.status != StatusCode::OK {
                    return Err(refusal::of_identity_token(self.key, &realm, answer.status));
                }
                answer
            }
            credentials => {
                let url = auth::token_url(&realm, service, repository);
                let mut headers = HeaderMap::new();
                if let Some(Credentials::Password(login)) = credentials
                    && let Some(value) = login.basic()
                {
                    headers.insert(AUTHORIZATION, value);
                }
                let answer = self.fetcher.ask(&url, &headers, TOKEN_LIMIT, interrupt)?;
                if answer.status != StatusCode::OK {
                    return Err(refusal::of_registry(self.key, self.name, &url, answer.status));
                }
                answer
            }
        };
        let token = auth::token(&answer.body);
        let token = token.ok_or_else(|| bad_answer(&realm, "the server of tokens gave none"))?;
        Ok(auth::bearer(&token))
    }

    /// The credentials that the server of tokens at `realm` gets: those of the registry only where it belongs to it.
    fn credentials_for(&self, realm: &SourceUrl) -> Result<Option<Credentials>> {
        let host = realm.host();
        if auth::belongs(&host, self.key) || host == self.root.host() {
            return credentials_of(self.access, self.key);
        }
        let own = credentials_of(self.access, &host)?;
        if own.is_none() && credentials_of(self.access, self.key)?.is_some() {
            self.cx.progress.message(&format!(
                "warning: {} sends us to {host} for a token; its credentials are not sent there; where {host} is its server of \
                 tokens, add credentials for {host}",
                self.key
            ));
        }
        Ok(own)
    }
}

/// From the cluster file, else from Docker's configuration.
fn credentials_of(access: &RegistryHosts, key: &str) -> Result<Option<Credentials>> {
    match access.access.get(key).and_then(|access| access.credentials.clone()) {
        Some(credentials) => Ok(Some(credentials)),
        None => docker_config::credentials(key),
    }
}

fn bad_answer(url: &SourceUrl, problem: &str) -> SourceError {
    SourceError::BadAnswer { url: url.to_string(), problem: problem.to_owned() }
}
