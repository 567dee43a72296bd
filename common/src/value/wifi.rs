//! The credentials of a wireless network.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use ring::pbkdf2;
use zeroize::Zeroizing;

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
            let hint = "use the network's name as shown by the router";
            return Err(ValueError::new("SSID", text, "is not 1 to 32 bytes of text", hint));
        }
        Ok(Self(text.to_owned()))
    }
}

/// A passphrase of 8 to 63 printable ASCII characters, or the 64 hex digits that WPA derives from it. `Debug` hides it.
#[derive(Debug, Clone)]
pub struct Psk(Secret);

impl Psk {
    /// The text, for the file that the node reads.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl Psk {
    /// The key derived from the password and the SSID, as 64 hex digits (IEEE 802.11, annex J.4): it is enough to join
    /// this network and no other.
    pub fn key(&self, ssid: &Ssid) -> Secret {
        const ROUNDS: NonZeroU32 = NonZeroU32::MIN.saturating_add(4095);
        let psk = self.expose();
        if psk.len() == 64 {
            return self.0.clone();
        }
        let mut key = Zeroizing::new([0; 32]);
        let method = pbkdf2::PBKDF2_HMAC_SHA1;
        pbkdf2::derive(method, ROUNDS, ssid.as_str().as_bytes(), psk.as_bytes(), &mut *key);
        Secret::new(key.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
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
                "is neither 8 to 63 printable ASCII characters nor 64 hex digits",
                "use the password of the network",
            ));
        }
        Ok(Self(Secret::new(text)))
    }
}

/// A country with rules for radio (ISO 3166, two uppercase letters), which set the allowed channels and power.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CountryCode(String);

/// The countries of the kernel's regulatory database, wireless-regdb 2026.05.30. For another code the kernel keeps the
/// rules that hold everywhere, with which many channels cannot be used.
const COUNTRIES: &str = "AD AE AF AI AL AM AN AR AS AT AU AW AZ BA BB BD BE BF BG BH BL BM BN BO BR BS BT BW BY BZ CA CF CH \
    CI CL CN CO CR CU CX CY CZ DE DK DM DO DZ EC EE EG ES ET FI FM FO FR GB GD GE GF GH GI GL GP GR GT \
    GU GY HK HN HR HT HU ID IE IL IM IN IR IS IT JM JO JP KE KH KN KP KR KW KY KZ LB LC LI LK LS LT LU \
    LV MA MC MD ME MF MH MK MN MO MP MQ MR MT MU MV MW MX MY NA NG NI NL NO NP NZ OM PA PE PF PG PH PK \
    PL PM PR PT PW PY QA RE RO RS RU RW SA SE SG SI SK SM SN SR SV SX SY TC TD TG TH TN TR TT TW TZ UA \
    UG US UY UZ VA VC VE VI VN VU WF WS YE YT ZA ZW";

/// What people write, and the code that they mean.
const MEANT: [(&str, &str); 4] = [("UK", "GB"), ("EN", "GB"), ("EL", "GR"), ("SP", "ES")];

impl CountryCode {
    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CountryCode {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_known = |code: &str| code.len() == 2 && COUNTRIES.split(' ').any(|known| known == code);
        if is_known(text) {
            return Ok(Self(text.to_owned()));
        }
        let upper = text.to_ascii_uppercase();
        let meant = MEANT.iter().find(|(wrong, _)| *wrong == upper).map(|(_, meant)| (*meant).to_owned());
        let meant = meant.or_else(|| is_known(&upper).then_some(upper));
        let cause = "is not the code of a country with rules for radio (ISO 3166, two uppercase letters)";
        Err(match meant {
            Some(meant) => ValueError::new("country", text, cause, format!("write {meant}")),
            None => ValueError::new(
                "country",
                text,
                cause,
                "use the code of the country where the node is, such as DE or US",
            ),
        })
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
    fn valid_names_and_countries_are_accepted() {
        assert!("Café 5 GHz".parse::<Ssid>().is_ok() && "x".repeat(32).parse::<Ssid>().is_ok());
        assert!("".parse::<Ssid>().is_err() && "x".repeat(33).parse::<Ssid>().is_err());
        for good in ["DE", "GB", "US", "ZW", "AD"] {
            assert_eq!(good.parse::<CountryCode>().unwrap().as_str(), good);
        }
        for (bad, hint) in [
            ("UK", "write GB"),
            ("uk", "write GB"),
            ("EL", "write GR"),
            ("de", "write DE"),
            ("Us", "write US"),
            ("EU", "such as DE or US"),
            ("XX", "such as DE or US"),
            ("00", "such as DE or US"),
            ("DEU", "such as DE or US"),
            ("D1", "such as DE or US"),
            ("E D", "such as DE or US"),
            ("", "such as DE or US"),
            (" ", "such as DE or US"),
        ] {
            let error = bad.parse::<CountryCode>().unwrap_err().to_string();
            assert!(error.ends_with(hint), "{bad}: {error}");
        }
    }

    /// The second test vector of IEEE 802.11, annex J.4.
    #[test]
    fn the_key_is_that_of_the_standard() {
        let (psk, ssid): (Psk, Ssid) = ("ThisIsAPassword".parse().unwrap(), "ThisIsASSID".parse().unwrap());
        let key = psk.key(&ssid);
        assert_eq!(key.expose(), "0dc0d6eb90555ed6419756b9a15ec3e3209b63df707dd508d14581f8982721af");
        let again: Psk = key.expose().parse().unwrap();
        assert_eq!(again.key(&ssid), key);
    }

    #[test]
    fn a_password_is_checked_and_never_shown() {
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
