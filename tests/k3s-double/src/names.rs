//! RFC 1123 names as Kubernetes demands them of its objects.

/// A subdomain name: labels of `a-z0-9-` joined by dots, each with a letter or digit at both ends, 253 at most.
pub(crate) fn is_subdomain(name: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let label = |label: &str| {
        let bytes = label.as_bytes();
        let inside = bytes.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        inside && edge(bytes.first()) && edge(bytes.last())
    };
    name.len() <= 253 && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::is_subdomain;

    #[test]
    fn good_names() {
        for name in ["a", "hc-1", "10-metallb", "a.b-c.d", "0"] {
            assert!(is_subdomain(name), "{name}");
        }
    }

    #[test]
    fn bad_names() {
        for name in ["", "a_b", "A", "-a", "a-", "a..b", ".a", "a b", &"a".repeat(254)] {
            assert!(!is_subdomain(name), "{name}");
        }
    }
}
