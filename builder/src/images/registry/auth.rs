//! How a registry wants to know who asks: a password, or a token that another server gives for credentials.
//!
//! Formats: RFC 7617 (Basic), and of the distribution project "Token Authentication Specification" (Bearer) and "Oauth2 Token
//! Authentication", which is for identity tokens.

use reqwest::header::{HeaderValue, WWW_AUTHENTICATE};
use serde::Deserialize;

use crate::source::fetch::Answer;
use crate::source::url::SourceUrl;
use crate::value::Secret;

/// What a registry asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    /// A token from this address.
    Bearer {
        realm: String,
        service: Option<String>,
    },
}

impl Challenge {
    /// That of an answer; none where it has none that is known.
    pub(super) fn of(answer: &Answer) -> Option<Self> {
        let headers = answer.headers.get_all(WWW_AUTHENTICATE).iter();
        let mut found: Vec<Self> =
            headers.filter_map(|value| value.to_str().ok()).flat_map(Self::parse).collect();
        // A token is given to a password, and not the other way round.
        found.sort_by_key(|challenge| *challenge == Self::Basic);
        found.into_iter().next()
    }

    fn parse(header: &str) -> Vec<Self> {
        let challenges = http_auth::parse_challenges(header).unwrap_or_default();
        let known = challenges.iter().filter_map(|challenge| {
            let parameter = |name: &str| {
                let mut params = challenge.params.iter();
                params.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_unescaped())
            };
            match challenge.scheme.to_ascii_lowercase().as_str() {
                "basic" => Some(Self::Basic),
                "bearer" => Some(Self::Bearer { realm: parameter("realm")?, service: parameter("service") }),
                _ => None,
            }
        });
        known.collect()
    }
}

/// The address that gives a token to pull `repository`.
pub(super) fn token_url(realm: &SourceUrl, service: Option<&str>, repository: &str) -> SourceUrl {
    let scope = scope(repository);
    let service = service.map(|service| ("service", service));
    realm.with_query(service.into_iter().chain([("scope", scope.as_str())]))
}

/// The form that asks for a token to pull `repository` in exchange for an identity token.
pub(super) fn token_form(service: Option<&str>, repository: &str, identity_token: &Secret) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "refresh_token");
    if let Some(service) = service {
        form.append_pair("service", service);
    }
    form.append_pair("client_id", "hcimage").append_pair("scope", &scope(repository));
    form.append_pair("refresh_token", identity_token.expose()).finish()
}

fn scope(repository: &str) -> String {
    format!("repository:{repository}:pull")
}

/// Whether the credentials of a registry may be sent to `realm`, which the registry names: to itself, and to what belongs to it
/// by its name.
pub(super) fn belongs(realm: &str, registry: &str) -> bool {
    let name = |host: &str| host.rsplit_once(':').map_or(host.to_owned(), |(host, _)| host.to_owned());
    realm == registry || name(realm).ends_with(&format!(".{}", name(registry)))
}

/// The token in an answer.
pub(super) fn token(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Token {
        token: Option<String>,
        access_token: Option<String>,
    }
    let Token { token, access_token } = serde_json::from_slice(body).ok()?;
    token.or(access_token).filter(|token| !token.is_empty())
}

/// The header of a token, which no message shows.
pub(super) fn bearer(token: &str) -> Option<HeaderValue> {
    secret(&format!("Bearer {token}"))
}

pub(super) fn secret(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_parsed_and_a_token_comes_first() {
        let bearer = |realm: &str, service: Option<&str>| Challenge::Bearer {
            realm: realm.into(),
            service: service.map(Into::into),
        };
        let of = |text| Challenge::parse(text);
        assert_eq!(of(r#"Basic realm="x""#), [Challenge::Basic]);
        assert_eq!(
            of(
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#
            ),
            [bearer("https://auth.docker.io/token", Some("registry.docker.io"))]
        );
        assert_eq!(of(r#"bearer REALM="https://a/t""#), [bearer("https://a/t", None)]);
        for bad in ["", "Bearer", "Digest realm=\"x\", nonce=\"y\"", "Bearer service=\"x\""] {
            assert_eq!(of(bad), [], "{bad}");
        }
    }

    #[test]
    fn an_identity_token_is_encoded_in_a_form() {
        let token = Secret::new("a+b&c=d/e");
        assert_eq!(
            token_form(Some("registry.docker.io"), "shop/web", &token),
            "grant_type=refresh_token&service=registry.docker.io&client_id=hcimage&scope=repository%3Ashop%2Fweb%3Apull&\
             refresh_token=a%2Bb%26c%3Dd%2Fe"
        );
    }

    #[test]
    fn credentials_go_to_the_registry_and_what_belongs_to_it() {
        assert!(belongs("ghcr.io", "ghcr.io") && belongs("auth.docker.io", "docker.io"));
        for (realm, registry) in [
            ("evil.example", "docker.io"),
            ("evildocker.io", "docker.io"),
            ("docker.io.evil.example", "docker.io"),
            ("gitlab.com", "registry.gitlab.com"),
            ("127.0.0.1:5001", "127.0.0.1:5000"),
        ] {
            assert!(!belongs(realm, registry), "{realm} {registry}");
        }
    }
}
