//! The Host field against DNS rebinding: a page of a stranger, whose name leads to this node for a moment, must not read it.

use std::net::IpAddr;

/// Whether `host`, the value of the Host field, is a name of this node: the address that the connection came in at, another
/// `address` of the node, one of its `names`, or that with `.local`. The port may be another one, by a forwarding.
pub fn is_own_name(host: &str, at: IpAddr, addresses: &[String], names: &[&str]) -> bool {
    let Some(name) = without_port(host) else { return false };
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    if let Ok(address) = bare.parse::<IpAddr>() {
        let address = address.to_canonical();
        return address == at.to_canonical() || addresses.iter().any(|own| own.parse() == Ok(address));
    }
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let plain = name.strip_suffix(".local").unwrap_or(&name);
    let is_mine = names.iter().any(|own| !own.is_empty() && own.eq_ignore_ascii_case(plain));
    is_mine || (name == "localhost" && at.to_canonical().is_loopback())
}

/// The host without its port; `None` if what is there is no port. An IPv6 address is in brackets (RFC 3986, 3.2.2).
fn without_port(host: &str) -> Option<&str> {
    let end = if host.starts_with('[') { host.find(']')? + 1 } else { host.find(':').unwrap_or(host.len()) };
    let (name, port) = host.split_at_checked(end)?;
    let is_port = |port: &str| port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_nodes_own_names_are_answered() {
        let at: IpAddr = "::ffff:192.168.1.7".parse().unwrap();
        let addresses = ["192.168.1.7".to_owned(), "fd00::7".to_owned()];
        let names = ["hc-1", ""];
        for (host, expected) in [
            ("192.168.1.7", true),
            ("192.168.1.7:8680", true),
            ("192.168.1.7:80", true),
            ("[fd00::7]:8680", true),
            ("[FD00:0::7]", true),
            ("hc-1", true),
            ("HC-1.local:8680", true),
            ("hc-1.local.", true),
            ("192.168.1.8", false),
            ("[fd00::8]", false),
            ("hc-1.evil.example", false),
            ("evil.example", false),
            ("evil.local", false),
            ("localhost", false),
            (".local", false),
            ("", false),
            ("local", false),
            ("hc-1:x", false),
            ("hc-1:123456", false),
            ("hc-1:80:80", false),
            ("[fd00::7", false),
            ("hc-1@evil.example", false),
            ("hc-1.local.evil.example", false),
        ] {
            assert_eq!(is_own_name(host, at, &addresses, &names), expected, "{host:?}");
        }
        let here = "127.0.0.1".parse().unwrap();
        assert!(is_own_name("localhost:8680", here, &[], &[]) && is_own_name("127.0.0.1", here, &[], &[]));
        assert!(!is_own_name("evil.example", here, &[], &[""]));
    }
}
