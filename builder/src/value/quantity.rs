//! Amounts of memory and room, as Kubernetes writes them.

use std::str::FromStr;

use hc_common::value::ValueError;
use serde::Deserialize;

/// A whole amount such as `10Gi` or `500M` (Kubernetes API, `resource.Quantity`; fractions and exponents are left out).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Quantity {
    text: String,
    bytes: u64,
}

/// Endings with their factors.
const ENDINGS: [(&str, u64); 9] = [
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("k", 1000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("", 1),
];

impl Quantity {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The amount.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl TryFrom<String> for Quantity {
    type Error = ValueError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl FromStr for Quantity {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = ENDINGS.iter().find_map(|(ending, factor)| {
            let digits = text.strip_suffix(ending)?;
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse::<u64>().ok().filter(|_| is_number)?.checked_mul(*factor)
        });
        match parsed {
            Some(bytes) => Ok(Self { text: text.to_owned(), bytes }),
            None => Err(ValueError::new("quantity", text, "is invalid", "use the form 10Gi or 500M")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_amounts_are_read() {
        for (text, bytes) in
            [("0", 0), ("10Gi", 10 << 30), ("500M", 500_000_000), ("64Ki", 65536), ("7k", 7000)]
        {
            assert_eq!(text.parse::<Quantity>().unwrap().bytes(), bytes, "{text}");
        }
        for bad in ["", "Gi", "1.5Gi", "-1", "+1", "1 Gi", "1gi", "1e3", "99999999999Ti"] {
            assert!(bad.parse::<Quantity>().is_err(), "{bad}");
        }
    }
}
