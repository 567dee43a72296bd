//! Registries of container images.

use std::fmt;
use std::str::FromStr;

use reqwest::Url;

use hc_common::value::Host;
use hc_common::value::ValueError;

/// A registry as in image names: `docker.io`, `registry.home.lan:5000`, or `*` for all registries.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistryName(String);

impl RegistryName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RegistryName {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let host = match text.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok_and(|port| port > 0) => host,
            _ => text,
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        // A registry on the node itself is common.
        let local = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok();
        if text == "*" || local || host.parse::<Host>().is_ok() {
            return Ok(Self(text.to_owned()));
        }
        Err(ValueError::new(
            "registry",
            text,
            "is not the registry part of an image name",
            "use a host, with its port if needed, such as docker.io or registry.home.lan:5000",
        ))
    }
}

impl fmt::Display for RegistryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The address of a registry: http or https, without user name, query and fragment. Its text stays as it is: for k3s a mirror at
/// `https://registry.home.lan:443` is another one than the registry itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryUrl {
    url: Url,
    text: String,
}

impl RegistryUrl {
    /// Whether the connection is unencrypted.
    pub fn is_plain_http(&self) -> bool {
        self.url.scheme() == "http"
    }

    /// The host as it is written, with its port if given: the key of a registry's credentials.
    pub fn host(&self) -> &str {
        authority_and_path(&self.text).split('/').next().unwrap_or_default()
    }

    /// Whether it has a path.
    pub fn has_path(&self) -> bool {
        !matches!(self.url.path(), "" | "/")
    }
}

impl FromStr for RegistryUrl {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The text is not shown: it may hold a password.
        let refuse = |cause: &str, hint: &str| ValueError::hidden("registry address", cause, hint);
        const FORM: &str = "use the form https://registry.home.lan:5000";
        let url = Url::parse(text).map_err(|_| refuse("is not a valid URL", FORM))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse("is neither http nor https", FORM));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refuse(
                "has a user name or password",
                "move them to [registries.configs.\"<registry>\".auth]",
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("has a query or a fragment", FORM));
        }
        // The parser mends what others do not read: tabs, backslashes, slashes too many or too few.
        let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        if !is_plain || authority_and_path(text).is_empty() || authority_and_path(text).starts_with('/') {
            return Err(refuse("is not a valid URL", FORM));
        }
        Ok(Self { url, text: text.trim_end_matches('/').to_owned() })
    }
}

fn authority_and_path(text: &str) -> &str {
    text.split_once("://").map_or("", |(_, rest)| rest)
}

impl fmt::Display for RegistryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_host_or_all_is_a_registry_name() {
        for good in [
            "docker.io",
            "registry.home.lan:5000",
            "*",
            "192.168.1.5:5000",
            "localhost:5000",
            "[fd00::1]:5000",
        ] {
            assert_eq!(good.parse::<RegistryName>().unwrap().as_str(), good);
        }
        for bad in ["", "https://docker.io", "docker.io/library", "a b", "docker.io:0", "docker.io:99999"] {
            assert!(bad.parse::<RegistryName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_registry_address_is_checked_and_its_secrets_are_not_shown() {
        let url: RegistryUrl = "https://registry.home.lan:5000/".parse().unwrap();
        assert_eq!(
            (url.to_string().as_str(), url.host()),
            ("https://registry.home.lan:5000", "registry.home.lan:5000")
        );
        // The port makes it another mirror for k3s.
        let url: RegistryUrl = "https://registry.home.lan:443/v2".parse().unwrap();
        assert_eq!(
            (url.to_string().as_str(), url.host()),
            ("https://registry.home.lan:443/v2", "registry.home.lan:443")
        );
        assert!("http://10.0.0.1/v2".parse::<RegistryUrl>().unwrap().is_plain_http());
        for bad in [
            "",
            "registry.home.lan:5000",
            "ftp://x",
            "https://u:secret@x",
            "https://x?y=secret",
            "https://",
            "https:/x",
            "https:x",
            "https:///x",
            "https:\\\\x",
            "https://x\ty",
        ] {
            let error = bad.parse::<RegistryUrl>().unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
