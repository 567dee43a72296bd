//! `hcimage.toml` on the FAT partition: what a user may still change with any text editor before the first boot.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::seed::{Address, Network, Seed, is_label};
use crate::sys::System;

/// The name of the file on the FAT partition.
pub const OVERRIDES_FILE: &str = "hcimage.toml";

/// More than any such file has; what is longer was not meant.
const LONGEST: u64 = 64 * 1024;

/// The file as the builder may lay it down: every key explained, none set.
pub const OVERRIDES_TEMPLATE: &str = "\
# What you may still change on this card before its first boot. Remove a `#` to set a value.
# Nothing in here is secret, and nothing is read any more once k3s has been started.

# The name of this node: lower-case letters, digits and hyphens.
# hostname = \"hc-1\"

# A fixed address with the length of its network's prefix, and the way out of that network.
# address = \"192.168.1.10/24\"
# gateway = \"192.168.1.1\"
# dns = [\"192.168.1.1\"]
";

/// What the user changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overrides {
    /// Another name for the node.
    pub hostname: Option<String>,
    /// A static address, or another one.
    pub address: Option<Address>,
    /// The default gateway.
    pub gateway: Option<IpAddr>,
    /// The name servers.
    pub dns: Option<Vec<IpAddr>>,
}

impl Overrides {
    /// Reads the file from the FAT partition; none there is the same as an empty one. The message names the line.
    pub fn load(sys: &dyn System, boot_dir: &Path) -> Result<Self, String> {
        let path = boot_dir.join(OVERRIDES_FILE);
        let failed = |e: io::Error| format!("reading {}: {e}", path.display());
        match sys.stat(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(e) => return Err(failed(e)),
            Ok(stat) if stat.size > LONGEST => return Err(format!("{}: it is too long", path.display())),
            Ok(_) => {}
        }
        let bytes = sys.read(&path).map_err(failed)?;
        Self::parse(&bytes).map_err(|problem| format!("{}: {problem}", path.display()))
    }

    /// Reads the text. The byte order mark of some editors is skipped.
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = str::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())?;
        let read: Self = toml::from_str(text).map_err(|e| {
            let before = e.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            format!("line {}: {}", before.matches('\n').count().saturating_add(1), e.message())
        })?;
        match &read.hostname {
            Some(name) if !is_label(name) => Err(format!(
                "hostname: {name:?} is not 1 to 63 lower-case letters, digits and hyphens, with no hyphen at the ends"
            )),
            _ => Ok(read),
        }
    }

    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The network of the seed with the changes in it, or why they do not fit.
    pub fn network(&self, seed: &Seed) -> Result<Network, String> {
        let mut network = seed.network.clone();
        let changed = self.address.is_some() || self.gateway.is_some() || self.dns.is_some();
        if changed && network.stack.is_none() {
            return Err(
                "the network service of this image cannot be changed from here: only hostname can".to_owned()
            );
        }
        if let Some(address) = self.address {
            network.address = Some(address);
            // That of the seed goes with the seed's address; it stays where it fits the new one too.
            network.gateway =
                network.gateway.filter(|gateway| address.reaches(*gateway) && address.ip() != *gateway);
        }
        if network.address.is_none() && changed {
            return Err("gateway and dns need an address beside them".to_owned());
        }
        network.gateway = self.gateway.or(network.gateway);
        if let Some(dns) = &self.dns {
            network.dns.clone_from(dns);
        }
        if self.address.is_some() && network.gateway.is_none() {
            return Err("address needs a gateway in its network beside it".to_owned());
        }
        network.check().map_err(|e| {
            e.to_string().rsplit_once("network.").map_or_else(|| e.to_string(), |(_, of)| of.to_owned())
        })?;
        Ok(network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_changes_nothing_and_shows_what_works() {
        assert_eq!(Overrides::parse(OVERRIDES_TEMPLATE.as_bytes()), Ok(Overrides::default()));
        let set: String = OVERRIDES_TEMPLATE
            .lines()
            .map(|line| if line.contains(" = ") { line.trim_start_matches("# ") } else { line })
            .flat_map(|line| [line, "\r\n"])
            .collect();
        let read = Overrides::parse(set.as_bytes()).unwrap();
        assert_eq!(read.hostname.as_deref(), Some("hc-1"));
        assert_eq!(read.dns.unwrap().len(), 1);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let table = [
            ("hostname = \"a\"\naddres = \"x\"\n", "line 2: unknown field `addres`, expected one of"),
            ("hostname = a\n", "line 1: "),
            ("\naddress = \"10.0.0.7\"\n", "line 2: \"10.0.0.7\" is not an address with its prefix"),
            ("hostname = \"A_B\"\n", "hostname: \"A_B\" is not 1 to 63"),
            ("hostname = \"a\"\nhostname = \"b\"\n", "line 2: duplicate key"),
        ];
        for (text, expected) in table {
            let found = Overrides::parse(text.as_bytes()).unwrap_err();
            assert!(found.starts_with(expected), "{found}");
        }
        assert_eq!(Overrides::parse(&[0xff]).unwrap_err(), "it is not UTF-8 text");
        assert!(Overrides::parse(b"\xef\xbb\xbfhostname = \"a\"").is_ok());
    }
}
