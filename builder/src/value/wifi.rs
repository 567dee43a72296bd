//! What joins a wireless network.

use std::fmt;
use std::str::FromStr;

use super::error::ValueError;
use super::secret::Secret;

/// The name of a wireless network: 1 to 32 bytes (IEEE 802.11, section 9.4.2.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ssid(String);

impl Ssid {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Ssid {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text.len() > 32 || text.chars().any(char::is_control) {
            let cure = "write the network's name as the router shows it";
            return Err(ValueError::new("SSID", text, "is not 1 to 32 bytes of text", cure));
        }
        Ok(Self(text.to_owned()))
    }
}

/// A passphrase of 8 to 63 printable ASCII characters, or the 64 hex digits that WPA makes of it. Does not print.
#[derive(Debug, Clone)]
pub struct Psk(Secret);

impl Psk {
    /// The text, to be written where the node reads it.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl FromStr for Psk {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let passphrase = (8..=63).contains(&text.len()) && text.bytes().all(|b| matches!(b, b' '..=b'~'));
        let key = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if !passphrase && !key {
            return Err(ValueError::hidden(
                "Wi-Fi password",
                "is neither 8 to 63 plain characters nor 64 hex digits",
                "write the password that other devices use",
            ));
        }
        Ok(Self(Secret::new(text)))
    }
}

/// Two capital letters of ISO 3166: which channels and powers are allowed where the node stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CountryCode(String);

impl CountryCode {
    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CountryCode {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 2 || !text.bytes().all(|b| b.is_ascii_uppercase()) {
            let cure = "write the country where the node stands, such as DE or US";
            return Err(ValueError::new("country", text, "is not two capital letters", cure));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Ssid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for CountryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_countries() {
        assert!("Café 5 GHz".parse::<Ssid>().is_ok() && "x".repeat(32).parse::<Ssid>().is_ok());
        assert!("".parse::<Ssid>().is_err() && "x".repeat(33).parse::<Ssid>().is_err());
        assert!("DE".parse::<CountryCode>().is_ok());
        for bad in ["", "de", "DEU", "D1"] {
            assert!(bad.parse::<CountryCode>().is_err(), "{bad}");
        }
    }

    #[test]
    fn passwords_are_checked_and_never_shown() {
        let key = "0123456789abcdef".repeat(4);
        for good in ["hunter2!", "with some spaces", &key] {
            let psk: Psk = good.parse().unwrap();
            assert_eq!(psk.expose(), good);
            assert!(!format!("{psk:?}").contains(good));
        }
        for bad in ["hunter2", "hünter22", &"x".repeat(64), "a\nbcdefgh"] {
            let error = bad.parse::<Psk>().unwrap_err().to_string();
            assert!(!error.contains(bad), "{error}");
        }
    }
}
