//! A password hash as in the shadow file.

use std::str::FromStr;

use hc_common::value::Secret;
use hc_common::value::ValueError;

/// A hash of crypt(5), such as `$6$salt$…` or `$y$…`. `Debug` hides it.
#[derive(Debug, Clone)]
pub struct PasswordHash(Secret);

/// Secure methods that the libcrypt of Debian bullseye and later supports.
const METHODS: [&str; 6] = ["$y$", "$gy$", "$7$", "$6$", "$5$", "$2b$"];

impl PasswordHash {
    /// The hash, for the shadow file.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl FromStr for PasswordHash {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = |cause: &str| {
            let hint = "use the output of `mkpasswd --method=yescrypt` or `openssl passwd -6`";
            Err(ValueError::hidden("password hash", cause, hint))
        };
        if !METHODS.iter().any(|method| text.starts_with(method)) {
            return refuse("does not begin with a method such as $y$ or $6$");
        }
        // A colon or newline would start another field or another user.
        let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b':' | b'*' | b'!' | b';' | b'\\');
        let complete =
            text.split('$').count() >= 4 && text.rsplit('$').next().is_some_and(|hash| hash.len() >= 20);
        if !complete || !text.bytes().all(plain) {
            return refuse("is incomplete");
        }
        Ok(Self(Secret::new(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_checked_and_never_shown() {
        let sha512 = format!("$6$salt${}", "x".repeat(86));
        let bcrypt = format!("$2b$10${}", "x".repeat(53));
        for good in [sha512.as_str(), "$y$j9T$abc$0123456789012345678901234567890123456789012", &bcrypt] {
            let hash: PasswordHash = good.parse().unwrap();
            assert_eq!(hash.expose(), good);
            assert!(!format!("{hash:?}").contains("salt"));
        }
        for bad in
            ["hunter2", "", "$1$salt$abcdefghijklmnopqrstuv", "$6$salt$short", &format!("{sha512}:0:0")]
        {
            let error = bad.parse::<PasswordHash>().unwrap_err().to_string();
            assert!(bad.is_empty() || !error.contains(bad), "{error}");
        }
    }
}
