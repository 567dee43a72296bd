//! The supported systems and their detection.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::OsError;

/// A family of images with the same configuration files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Raspberry Pi OS by Raspberry Pi.
    RaspberryPiOs,
    /// Debian on a Raspberry Pi, with the package raspi-firmware.
    DebianPi,
    /// Debian on a PC, booted by GRUB.
    DebianPc,
    /// Ubuntu Server for Raspberry Pi.
    UbuntuPi,
    /// Ubuntu's server and cloud images for PCs, booted by GRUB.
    UbuntuPc,
}

/// A family and its release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct System {
    /// The family.
    pub family: Family,
    /// The release's code name, `bookworm`.
    pub codename: String,
}

/// The evidence for the detection.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// `ID` of os-release.
    pub id: String,
    /// `VERSION_CODENAME` of os-release.
    pub codename: String,
    /// `PRETTY_NAME` of os-release, for the message.
    pub pretty: String,
    /// Whether `/etc/rpi-issue` exists: pi-gen writes it, Debian does not.
    pub rpi_issue: bool,
    /// Whether the package raspi-firmware is installed.
    pub raspi_firmware: bool,
    /// Whether the FAT partition has `config.txt` and `cmdline.txt`.
    pub pi_boot_files: bool,
    /// Whether the root has `/boot/grub/grub.cfg`.
    pub grub_cfg: bool,
}

const SUPPORTED: &str = "Raspberry Pi OS bullseye, bookworm and trixie, Debian bookworm and trixie on a Raspberry Pi, \
                         Debian bookworm and trixie on a PC, \
                         Ubuntu Server 22.04, 24.04, 25.10 and 26.04 on a Raspberry Pi or a PC";

impl System {
    /// The system that matches the evidence. Fails if none or more than one matches.
    pub fn recognise(evidence: &Evidence) -> Result<Self, OsError> {
        let family = match (evidence.publisher(), evidence.pi_boot_files, evidence.grub_cfg) {
            (Some(Publisher::RaspberryPi), true, false) => Some(Family::RaspberryPiOs),
            (Some(Publisher::Debian), true, false) if evidence.raspi_firmware => Some(Family::DebianPi),
            (Some(Publisher::Debian), false, true) if !evidence.raspi_firmware => Some(Family::DebianPc),
            (Some(Publisher::Ubuntu), true, false) => Some(Family::UbuntuPi),
            (Some(Publisher::Ubuntu), false, true) => Some(Family::UbuntuPc),
            _ => None,
        };
        match family {
            Some(family) if family.releases().contains(&evidence.codename.as_str()) => {
                Ok(Self { family, codename: evidence.codename.clone() })
            }
            _ => Err(OsError::System { found: evidence.to_string(), supported: SUPPORTED }),
        }
    }
}

/// The publisher of the image.
enum Publisher {
    RaspberryPi,
    Debian,
    Ubuntu,
}

impl Evidence {
    fn publisher(&self) -> Option<Publisher> {
        match (self.id.as_str(), self.rpi_issue) {
            // Raspberry Pi OS has the ID `raspbian` if its packages are built for armhf.
            ("debian" | "raspbian", true) => Some(Publisher::RaspberryPi),
            ("debian", false) => Some(Publisher::Debian),
            ("ubuntu", false) => Some(Publisher::Ubuntu),
            _ => None,
        }
    }
}

impl Family {
    fn releases(self) -> &'static [&'static str] {
        match self {
            Self::RaspberryPiOs => &["bullseye", "bookworm", "trixie"],
            Self::DebianPi | Self::DebianPc => &["bookworm", "trixie"],
            // 22.04, 24.04, 25.10 and 26.04.
            Self::UbuntuPi | Self::UbuntuPc => &["jammy", "noble", "questing", "resolute"],
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RaspberryPiOs => "Raspberry Pi OS",
            Self::DebianPi => "Debian on a Raspberry Pi",
            Self::DebianPc => "Debian on a PC",
            Self::UbuntuPi => "Ubuntu on a Raspberry Pi",
            Self::UbuntuPc => "Ubuntu on a PC",
        })
    }
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.family, self.codename)
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = [&self.pretty, &self.id].into_iter().find(|name| !name.is_empty());
        write!(f, "{}", name.map_or("a root without os-release", String::as_str))?;
        if !self.codename.is_empty() {
            write!(f, " ({})", self.codename)?;
        }
        let boot = match (self.pi_boot_files, self.grub_cfg) {
            (true, true) => "with a Pi's boot files and GRUB",
            (true, false) => "with a Pi's boot files",
            (false, true) => "with GRUB",
            (false, false) => "with neither a Pi's boot files nor GRUB",
        };
        write!(f, ", {boot}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pi() -> Evidence {
        Evidence {
            id: "debian".into(),
            codename: "bookworm".into(),
            pretty: "Debian GNU/Linux 12 (bookworm)".into(),
            pi_boot_files: true,
            ..Evidence::default()
        }
    }

    #[test]
    fn each_family_is_detected_by_its_evidence() {
        let family = |evidence: Evidence| System::recognise(&evidence).map(|system| system.family).ok();
        assert_eq!(family(Evidence { rpi_issue: true, ..pi() }), Some(Family::RaspberryPiOs));
        assert_eq!(family(Evidence { raspi_firmware: true, ..pi() }), Some(Family::DebianPi));
        let pc = Evidence { pi_boot_files: false, grub_cfg: true, ..pi() };
        assert_eq!(family(pc.clone()), Some(Family::DebianPc));

        assert_eq!(family(pi()), None, "boot files of a Pi, but of an unknown publisher");
        assert_eq!(family(Evidence { grub_cfg: true, rpi_issue: true, ..pi() }), None, "two boot loaders");
        let ubuntu = |evidence, codename: &str| Evidence {
            id: "ubuntu".into(),
            codename: codename.into(),
            ..evidence
        };
        assert_eq!(family(ubuntu(pc.clone(), "noble")), Some(Family::UbuntuPc));
        assert_eq!(family(ubuntu(pi(), "jammy")), Some(Family::UbuntuPi));
        assert_eq!(family(ubuntu(pi(), "bookworm")), None, "a release of another publisher");
        assert_eq!(family(ubuntu(Evidence { rpi_issue: true, ..pi() }, "noble")), None);
        assert_eq!(family(Evidence { codename: "buster".into(), ..pc }), None);
    }

    #[test]
    fn an_unsupported_system_is_an_error_with_the_evidence() {
        let ubuntu = Evidence {
            id: "ubuntu".into(),
            codename: "focal".into(),
            pretty: "Ubuntu 20.04.6 LTS".into(),
            pi_boot_files: true,
            ..Evidence::default()
        };
        let error = System::recognise(&ubuntu).unwrap_err().to_string();
        assert!(error.contains("found Ubuntu 20.04.6 LTS (focal), with a Pi's boot files"), "{error}");
        assert!(error.contains("supported: Raspberry Pi OS bullseye"), "{error}");
    }
}
