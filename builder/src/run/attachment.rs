//! How a disk is plugged into a machine, so that the guest's udev gives it the name that the cluster file has for it.
//!
//! The names are those of systemd's `60-persistent-storage.rules`, by what the programs that it calls read from the disk. Of QEMU's NVMe
//! disks Linux takes neither EUI nor UUID (`NVME_QUIRK_BOGUS_NID`), and their model is QEMU's own.

use std::path::Path;
use std::process::Command;

use super::machine::{Disk, drive};

/// A disk that a node was built to find by its name in `/dev/disk/by-id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedDisk {
    /// Its file.
    pub disk: Disk,
    /// What it says of itself.
    pub identity: Identity,
}

/// What a disk says of itself, from which udev makes its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// `virtio-SERIAL`.
    Virtio(String),
    /// `ata-MODEL_SERIAL`, or `ata-MODEL` where it has no serial number.
    Ata {
        /// 40 characters at most.
        model: String,
        /// 20 characters at most, perhaps none.
        serial: String,
    },
    /// `wwn-0x…` of an ATA disk: sixteen hexadecimal digits.
    AtaWwn(String),
}

/// The disks of an AHCI controller (QEMU's `ich9-ahci`).
const PORTS: usize = 6;

impl Identity {
    /// That of the disk with a path in `/dev/disk/by-id`, if QEMU has disks that can say it.
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.strip_prefix("/dev/disk/by-id").ok()?.to_str()?;
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:+".contains(&b)) {
            return None;
        }
        if let Some(serial) = name.strip_prefix("virtio-") {
            return (1..=20).contains(&serial.len()).then(|| Self::Virtio(serial.to_owned()));
        }
        if let Some(name) = name.strip_prefix("ata-") {
            let (model, serial) = name.rsplit_once('_').unwrap_or((name, ""));
            let fits = (1..=40).contains(&model.len()) && serial.len() <= 20;
            return fits.then(|| Self::Ata { model: model.to_owned(), serial: serial.to_owned() });
        }
        let digits = name.strip_prefix("wwn-0x")?;
        let is_wwn = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        is_wwn.then(|| Self::AtaWwn(digits.to_owned()))
    }

    fn is_ata(&self) -> bool {
        matches!(self, Self::Ata { .. } | Self::AtaWwn(_))
    }
}

/// Plugs them into a generic machine, each with a controller of its kind.
pub(super) fn plug_in(command: &mut Command, disks: &[NamedDisk]) {
    let mut ports = 0_usize;
    for (number, NamedDisk { disk, identity }) in disks.iter().enumerate() {
        let drive_id = format!("named{number}");
        command.arg("-drive").arg(format!("{},if=none,id={drive_id},discard=unmap", drive(disk)));
        let mut bus = String::new();
        if identity.is_ata() {
            let (controller, port) = (ports / PORTS, ports % PORTS);
            if port == 0 {
                command.arg("-device").arg(format!("ich9-ahci,id=ahci{controller}"));
            }
            bus = format!("bus=ahci{controller}.{port}");
            ports = ports.saturating_add(1);
        }
        let device = match identity {
            Identity::Virtio(serial) => format!("virtio-blk-pci,drive={drive_id},serial={serial}"),
            Identity::Ata { model, serial } => {
                format!("ide-hd,{bus},drive={drive_id},model={model},serial={serial}")
            }
            Identity::AtaWwn(digits) => format!("ide-hd,{bus},drive={drive_id},wwn=0x{digits}"),
        };
        command.arg("-device").arg(device);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_udev_makes() {
        let of = |name: &str| Identity::of(&Path::new("/dev/disk/by-id").join(name));
        let ata = |model: &str, serial: &str| Identity::Ata { model: model.into(), serial: serial.into() };
        for (name, identity) in [
            ("ata-Samsung_SSD_870_EVO_1TB_S5Y1NJ0R", ata("Samsung_SSD_870_EVO_1TB", "S5Y1NJ0R")),
            ("ata-disk-of-ceph-1", ata("disk-of-ceph-1", "")),
            ("wwn-0x5000c500a1b2c3d4", Identity::AtaWwn("5000c500a1b2c3d4".into())),
            ("virtio-second", Identity::Virtio("second".into())),
        ] {
            assert_eq!(of(name), Some(identity), "{name}");
        }
        for name in [
            "nvme-Samsung_SSD_980_S64A",
            "usb-SanDisk_Ultra_1-0:0",
            "wwn-0x5000c500a1b2c3d4-part1",
            "nvme-eui.002538b1a2b3c4d5",
            "virtio-a-serial-number-that-is-long",
            "ata-a,b",
            "ata-",
        ] {
            assert_eq!(of(name), None, "{name}");
        }
        assert_eq!(Identity::of(Path::new("/dev/sdb")), None);
    }

    #[test]
    fn a_controller_has_six_disks() {
        let identity = Identity::of(Path::new("/dev/disk/by-id/ata-x_1")).unwrap();
        let named = NamedDisk { disk: Disk::raw("/d"), identity };
        let mut command = Command::new("qemu");
        plug_in(&mut command, &vec![named; 7]);
        let given: Vec<String> = command.get_args().map(|arg| arg.to_str().unwrap().to_owned()).collect();
        let controllers = given.iter().filter(|arg| arg.starts_with("ich9-ahci")).count();
        assert_eq!(controllers, 2);
        assert!(
            given.iter().any(|arg| arg == "ide-hd,bus=ahci1.0,drive=named6,model=x,serial=1"),
            "{given:?}"
        );
    }
}
