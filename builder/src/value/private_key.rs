//! Private keys, where something else was expected.

/// Whether a text looks like a private key: in PEM of any kind (PKCS#1, PKCS#8, SEC1, OpenSSH, SSH2, PGP), of PuTTY, or of age.
pub fn is_private_key(text: &str) -> bool {
    let text = text.to_ascii_uppercase();
    ["PRIVATE KEY", "PUTTY-USER-KEY-FILE", "PRIVATE-LINES:", "AGE-SECRET-KEY-"]
        .iter()
        .any(|mark| text.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_private_key_is_known() {
        for text in [
            "-----BEGIN OPENSSH PRIVATE KEY-----",
            "-----BEGIN RSA PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----",
            "-----BEGIN ENCRYPTED PRIVATE KEY-----",
            "-----BEGIN EC PRIVATE KEY-----",
            "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----",
            "-----BEGIN PGP PRIVATE KEY BLOCK-----",
            "PuTTY-User-Key-File-3: ssh-ed25519",
            "x\nAGE-SECRET-KEY-1QQQ",
        ] {
            assert!(is_private_key(text), "{text}");
        }
        for text in
            ["ssh-ed25519 AAAA me@laptop", "-----BEGIN CERTIFICATE-----", "-----BEGIN PUBLIC KEY-----", ""]
        {
            assert!(!is_private_key(text), "{text}");
        }
    }
}
