//! The kubeconfig of a build, for an API that is reached through a forwarded port.

/// A kubeconfig whose server is `https://127.0.0.1:<port>`, and whose certificate is still checked against the name or address
/// that the cluster's own kubeconfig has.
///
/// # Errors
/// A text that says what is wrong, where it is not the kubeconfig of one cluster as hcimage writes it.
pub fn forwarded(kubeconfig: &str, port: u16) -> Result<String, String> {
    let is_server = |line: &&str| line.trim_start().starts_with("server:");
    if kubeconfig.lines().filter(is_server).count() != 1 {
        return Err("it must have one `server:`".to_owned());
    }
    let mut text = String::with_capacity(kubeconfig.len().saturating_add(100));
    for line in kubeconfig.lines() {
        if is_server(&line) {
            let indent = line.len().saturating_sub(line.trim_start().len());
            let (_, url) = line.split_once(':').unwrap_or_default();
            let name = host(url).ok_or_else(|| format!("`{}` is no address of an API", line.trim()))?;
            let pad = " ".repeat(indent);
            text.push_str(&format!(
                "{pad}server: \"https://127.0.0.1:{port}\"\n{pad}tls-server-name: \"{name}\"\n"
            ));
        } else {
            text.push_str(line);
            text.push('\n');
        }
    }
    Ok(text)
}

/// The host of `"https://[fd00::1]:6443"` or `https://10.0.0.11:6443`.
fn host(url: &str) -> Option<&str> {
    let rest = url.trim().trim_matches(['"', '\'']).strip_prefix("https://")?;
    let (host, _) = rest.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ".:-".contains(c);
    (!host.is_empty() && host.chars().all(is_plain)).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_is_the_port_and_the_certificate_is_still_checked() {
        let of = |url: &str| {
            format!("clusters:\n  - cluster:\n      server: {url}\n      certificate-authority-data: QQ==\n")
        };
        for (url, name) in [
            ("\"https://10.0.0.11:6443\"", "10.0.0.11"),
            ("https://[fd00::1]:6443", "fd00::1"),
            ("\"https://k3s.example:6443\"", "k3s.example"),
        ] {
            let got = forwarded(&of(url), 4711).unwrap();
            assert!(
                got.contains(&format!(
                    "      server: \"https://127.0.0.1:4711\"\n      tls-server-name: \"{name}\"\n      certificate-"
                )),
                "{got}"
            );
        }
        let two = format!("{}{}", of("https://a:1"), of("https://b:1"));
        for bad in ["", &two, &of("http://a:1"), &of("https://a\"b:1")] {
            assert!(forwarded(bad, 1).is_err(), "{bad}");
        }
    }
}
