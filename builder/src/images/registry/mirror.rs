//! Mirrors of a registry.

use crate::source::error::Result;
use crate::source::url::SourceUrl;
use crate::value::RegistryUrl;

use super::name_rewrite::NameRewrites;

/// A mirror that is asked before the registry itself.
#[derive(Debug, Clone)]
pub struct Mirror {
    /// The address that the API is below.
    pub(super) root: SourceUrl,
    /// What its credentials are kept under: its host as it was written, as k3s does.
    pub(super) key: String,
    pub(super) rewrites: NameRewrites,
}

impl Mirror {
    /// The mirror at `endpoint`. As for k3s, its API begins at the path of the address, and at `/v2` where it has none.
    ///
    /// # Errors
    /// When the address has no TLS and is not of this machine.
    pub fn new(endpoint: &RegistryUrl, rewrites: NameRewrites) -> Result<Self> {
        let url: SourceUrl = endpoint.to_string().parse()?;
        let root = if endpoint.has_path() { url } else { url.below("v2") };
        Ok(Self { root, key: endpoint.host().to_owned(), rewrites })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_begins_where_k3s_looks_for_it() {
        for (endpoint, root, key) in [
            ("https://mirror.lan:5000", "https://mirror.lan:5000/v2", "mirror.lan:5000"),
            ("https://mirror.lan/", "https://mirror.lan/v2", "mirror.lan"),
            ("https://mirror.lan:443/v2", "https://mirror.lan/v2", "mirror.lan:443"),
            ("https://mirror.lan/v2/hub", "https://mirror.lan/v2/hub", "mirror.lan"),
        ] {
            let mirror = Mirror::new(&endpoint.parse().unwrap(), NameRewrites::default()).unwrap();
            assert_eq!((mirror.root.to_string().as_str(), mirror.key.as_str()), (root, key), "{endpoint}");
        }
        assert!(Mirror::new(&"http://mirror.lan".parse().unwrap(), NameRewrites::default()).is_err());
    }
}
