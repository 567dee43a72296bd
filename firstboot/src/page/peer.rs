//! Who may see the page.

use std::net::IpAddr;

/// Whether an address is of the local network, or of this machine: private (RFC 1918), link-local (RFC 3927, RFC 4291), unique
/// local (RFC 4193), loopback. A node with a public address must not tell the internet how it stands.
pub fn is_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(four) => four.is_private() || four.is_link_local() || four.is_loopback(),
        IpAddr::V6(six) => six.is_unique_local() || six.is_unicast_link_local() || six.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_neighbours_are_answered() {
        for (address, expected) in [
            ("10.1.2.3", true),
            ("172.16.0.1", true),
            ("172.31.255.255", true),
            ("172.32.0.1", false),
            ("192.168.178.2", true),
            ("192.169.0.1", false),
            ("169.254.9.9", true),
            ("127.0.0.1", true),
            ("100.64.0.1", false),
            ("8.8.8.8", false),
            ("0.0.0.0", false),
            ("255.255.255.255", false),
            ("::ffff:192.168.1.1", true),
            ("::ffff:8.8.8.8", false),
            ("::192.168.1.1", false),
            ("64:ff9b::c0a8:101", false),
            ("2002:c0a8:101::1", false),
            ("::1", true),
            ("fe80::1", true),
            ("febf::1", true),
            ("fec0::1", false),
            ("fc00::1", true),
            ("fdff::1", true),
            ("fe00::1", false),
            ("2001:db8::1", false),
            ("2a00:1450::1", false),
            ("ff02::1", false),
            ("::", false),
        ] {
            assert_eq!(is_local(address.parse().unwrap()), expected, "{address}");
        }
    }
}
