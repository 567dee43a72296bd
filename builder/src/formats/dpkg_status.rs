//! `/var/lib/dpkg/status`: the packages of an image.

use super::deb822;
use super::debian_version::{DebianVersion, VersionError};

/// The path of the file.
pub const PATH: &str = "/var/lib/dpkg/status";

/// The longest one in bytes: that of a full desktop is below 8 MiB.
pub const LIMIT: u64 = 32 << 20;

/// A completely installed package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its version, as written.
    pub version: &'a str,
    /// `arm64`, `all`.
    pub architecture: &'a str,
}

/// All completely installed packages, in the order of the file.
///
/// The file is a list of paragraphs of `Field: value` lines (deb-control(5)); the third word of `Status` is the state.
pub fn installed(status: &str) -> impl Iterator<Item = Installed<'_>> {
    deb822::paragraphs(status).filter_map(|paragraph| {
        let text = |name: &str| paragraph.field(name).map(deb822::Value::text);
        let state = paragraph.field("Status")?.words().nth(2)?;
        let (name, version) = text("Package").zip(text("Version"))?;
        let architecture = text("Architecture").unwrap_or_default();
        (state == "installed").then_some(Installed { name, version, architecture })
    })
}

/// The version of an installed package; `None` if it is absent, removed or not completely installed.
pub fn installed_version(status: &str, package: &str) -> Result<Option<DebianVersion>, VersionError> {
    let found = installed(status).find(|found| found.name == package);
    found.map(|found| found.version.parse()).transpose()
}

/// The number of completely installed packages.
pub fn count_installed(status: &str) -> usize {
    let states = status.lines().filter_map(|line| line.strip_prefix("Status:"));
    states.filter(|state| state.split_ascii_whitespace().nth(2) == Some("installed")).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Package: iptables\nStatus: install ok installed\nArchitecture: arm64\nVersion: 1.8.7-1\n\
         Description: rules\n Package: decoy\n Version: 9\n\n\
         Package: gone\nStatus: deinstall ok config-files\nVersion: 1.0\n\n\
         Package: half\nStatus: install ok half-configured\nVersion: 2.0\n\n\
         Package: odd\nStatus: install ok installed\nVersion: 1 2\n\n\
         Package: last\nStatus: hold ok installed\nVersion: 1:3.0-2";

    #[test]
    fn all_installed_packages_are_listed_with_their_architecture() {
        let found: Vec<_> = installed(STATUS).map(|found| (found.name, found.architecture)).collect();
        assert_eq!(found, [("iptables", "arm64"), ("odd", ""), ("last", "")]);
    }

    #[test]
    fn only_installed_packages_have_a_version() {
        for (package, want) in [
            ("iptables", Some("1.8.7-1")),
            ("last", Some("1:3.0-2")),
            ("gone", None),
            ("half", None),
            ("decoy", None),
            ("absent", None),
            ("", None),
        ] {
            let found = installed_version(STATUS, package).unwrap();
            assert_eq!(found.map(|v| v.to_string()).as_deref(), want, "{package}");
        }
        assert!(installed_version(STATUS, "odd").is_err());
        assert_eq!(installed_version("", "iptables"), Ok(None));
        assert_eq!(count_installed(STATUS), 3);
    }
}
