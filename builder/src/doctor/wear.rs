//! What an eMMC says of its own wear, where this machine is its host: a USB reader does not pass it on, and SD cards have no
//! such registers that are the same for all (kernel, `Documentation/driver-api/mmc/mmc-dev-attrs`).

use std::fmt;
use std::fs;
use std::path::Path;

/// Two estimates of the life that was used, and the state of the spare blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Wear {
    /// The larger of both estimates, in tenths of the life: 1 means up to 10 %, 11 means that it is over; none where it is
    /// not told.
    pub tenths: Option<u8>,
    /// `PRE_EOL_INFO`: 1 normal, 2 80 % of the spare blocks are used, 3 urgent; none where it is not told.
    pub spares: Option<u8>,
}

impl fmt::Display for Wear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.tenths.map(|tenths| format!("up to {} %", u32::from(tenths).saturating_mul(10)));
        let spares = match self.spares {
            Some(1) => "enough",
            Some(2) => "few",
            Some(3) => "almost none",
            _ => "not told",
        };
        write!(
            f,
            "used {} of its life, spare blocks: {spares}",
            percent.as_deref().unwrap_or("an unknown part")
        )
    }
}

impl Wear {
    /// Reads the attributes of a disk such as `/dev/mmcblk0`; none where it has none.
    pub fn of_disk(path: &Path) -> Option<Self> {
        let name = fs::canonicalize(path).ok()?;
        let name = name.file_name()?.to_str().filter(|name| name.starts_with("mmcblk"))?;
        let dir = Path::new("/sys/class/block").join(name).join("device");
        let read = |attribute: &str| fs::read_to_string(dir.join(attribute)).ok();
        Self::parse(&read("life_time")?, &read("pre_eol_info").unwrap_or_default())
    }

    /// From the texts of the attributes, `0x01 0x02` and `0x01`.
    pub fn parse(life_time: &str, pre_eol_info: &str) -> Option<Self> {
        let numbers = |text: &str| -> Vec<u8> {
            let words = text.split_whitespace();
            let numbers = words.filter_map(|word| u8::from_str_radix(word.trim_start_matches("0x"), 16).ok());
            // 0 means that it is not told.
            numbers.filter(|number| *number != 0).collect()
        };
        let wear = Self {
            tenths: numbers(life_time).into_iter().max(),
            spares: numbers(pre_eol_info).first().copied(),
        };
        (wear.tenths.is_some() || wear.spares.is_some()).then_some(wear)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worse_estimate_counts_and_zero_is_unknown() {
        for (life, spares, want) in [
            ("0x01 0x02\n", "0x01\n", Some((Some(2), Some(1)))),
            ("0x0b 0x00\n", "0x03\n", Some((Some(11), Some(3)))),
            ("0x00 0x00\n", "0x00\n", None),
            ("nonsense", "", None),
        ] {
            let found = Wear::parse(life, spares).map(|wear| (wear.tenths, wear.spares));
            assert_eq!(found, want, "{life}");
        }
    }
}
