//! `/etc/crypttab`: encrypted volumes that are opened at boot (crypttab(5)).

/// The path of the file.
pub const PATH: &str = "/etc/crypttab";

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its line, counted from 1.
    pub line: usize,
    /// Its name below `/dev/mapper`.
    pub name: String,
    /// The encrypted device.
    pub device: String,
    /// Where the key is; `none` or `-` for a passphrase from the console.
    pub key: String,
    options: Vec<String>,
}

impl Volume {
    /// Whether the system starts without it: it is not opened at boot, or may be missing, or has a key that is made anew,
    /// as for swap.
    pub fn is_optional(&self) -> bool {
        let has = |option: &&str| self.options.iter().any(|known| known == option);
        ["nofail", "noauto", "swap"].iter().any(has) || self.key.starts_with("/dev/")
    }
}

/// All volumes, in the order of the file.
pub fn volumes(text: &str) -> Vec<Volume> {
    let volume = |(line, text): (usize, &str)| {
        let mut fields = text.split_whitespace();
        let name = fields.next().filter(|name| !name.starts_with('#'))?;
        let device = fields.next()?;
        let key = fields.next().unwrap_or("none").to_owned();
        let options = fields.next().unwrap_or_default().split(',').map(str::to_owned).collect();
        Some(Volume { line, name: name.to_owned(), device: device.to_owned(), key, options })
    };
    (1..).zip(text.lines()).filter_map(volume).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_optional_by_its_options_or_its_key() {
        let text = "# c\ndata UUID=1 none luks\nmore UUID=2 /etc/key luks,nofail\nswap /dev/sdb2 /dev/urandom swap\nbare /dev/sdc\n";
        let found: Vec<_> =
            volumes(text).into_iter().map(|v| (v.line, v.name.clone(), v.is_optional())).collect();
        let want = [(2, "data", false), (3, "more", true), (4, "swap", true), (5, "bare", false)];
        assert_eq!(found, want.map(|(line, name, optional)| (line, name.to_owned(), optional)));
    }
}
