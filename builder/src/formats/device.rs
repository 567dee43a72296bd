//! How a text names a block device: the kernel's `root=`, the first field of fstab, GRUB's `search`.

use std::fmt;

/// How a text names a block device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceName {
    /// A file system, by its label.
    Label(String),
    /// A file system, by its UUID.
    Uuid(String),
    /// A partition, by its ID, or one that lies so many numbers behind it (`PARTNROFF`, a feature of the kernel).
    PartUuid(String, i64),
    /// A partition of a GPT, by its name.
    PartLabel(String),
    /// What a driver of the kernel calls it: the name depends on the medium and on other disks.
    Kernel(KernelName),
    /// A path that names the plug that the disk is in.
    ByPath,
    /// A path that names one disk of all that were ever made, by its serial number.
    ById,
    /// Anything else.
    Other,
}

/// A name such as `mmcblk0p2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelName {
    /// The driver.
    pub driver: Driver,
    /// Whether it is the driver's first disk.
    pub first: bool,
    /// The partition; none for the whole disk.
    pub partition: Option<u32>,
}

/// The driver of a disk, which names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Driver {
    /// SD cards and eMMC: `mmcblk0p2`.
    Mmc,
    /// USB and SATA: `sda2`.
    Scsi,
    /// NVMe: `nvme0n1p2`.
    Nvme,
    /// Disks of a virtual machine: `vda2`.
    Virtio,
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mmc => "an SD card or eMMC",
            Self::Scsi => "a disk on USB or SATA",
            Self::Nvme => "an NVMe disk",
            Self::Virtio => "a disk of a virtual machine",
        })
    }
}

/// udev's directory of links.
const LINKS: &str = "/dev/disk/by-";

impl DeviceName {
    /// Reads a name. Tags are upper-case, as the kernel and libmount have them; a value may be in quotes.
    pub fn parse(text: &str) -> Self {
        let text = unquoted(text);
        if let Some((tag, value)) = text.split_once('=') {
            return Self::of_tag(tag, unquoted(value)).unwrap_or(Self::Other);
        }
        match text.strip_prefix(LINKS).and_then(|rest| rest.split_once('/')) {
            Some(("path", _)) => Self::ByPath,
            Some(("id" | "diskseq", _)) => Self::ById,
            Some((by, name)) => {
                let value = unescaped(name);
                Self::of_tag(&by.to_ascii_uppercase(), &value).unwrap_or(Self::Other)
            }
            None => KernelName::parse(text).map_or(Self::Other, Self::Kernel),
        }
    }

    fn of_tag(tag: &str, value: &str) -> Option<Self> {
        let text = value.to_owned();
        Some(match tag {
            "LABEL" => Self::Label(text),
            "UUID" => Self::Uuid(text),
            "PARTLABEL" => Self::PartLabel(text),
            "PARTUUID" => match value.split_once("/PARTNROFF=") {
                Some((uuid, offset)) => Self::PartUuid(uuid.to_owned(), offset.parse().ok()?),
                None => Self::PartUuid(text, 0),
            },
            _ => return None,
        })
    }

    /// Whether the kernel finds it without the help of an initramfs (`block/early-lookup.c`).
    pub fn is_known_to_the_kernel(&self) -> bool {
        matches!(self, Self::PartUuid(..) | Self::PartLabel(_) | Self::Kernel(_))
    }
}

impl KernelName {
    fn parse(path: &str) -> Option<Self> {
        let name = path.strip_prefix("/dev/")?;
        let with_p = |driver, disk: &str, rest: &str| {
            let partition = match rest {
                "" => None,
                rest => Some(number(rest.strip_prefix('p')?)?),
            };
            Some(Self { driver, first: disk.chars().all(|c| c == '0'), partition })
        };
        let with_letters = |driver, rest: &str| {
            let letters = rest.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(rest.len());
            let (disk, digits) = rest.split_at_checked(letters)?;
            let partition = if digits.is_empty() { None } else { Some(number(digits)?) };
            Some(Self { driver, first: disk == "a", partition }).filter(|_| !disk.is_empty())
        };
        if let Some(rest) = name.strip_prefix("mmcblk") {
            let (disk, rest) = digits(rest)?;
            return with_p(Driver::Mmc, disk, rest);
        }
        if let Some(rest) = name.strip_prefix("nvme") {
            let (disk, rest) = digits(rest)?;
            let (space, rest) = digits(rest.strip_prefix('n')?)?;
            let found = with_p(Driver::Nvme, disk, rest)?;
            return Some(Self { first: found.first && space == "1", ..found });
        }
        let scsi = name.strip_prefix("sd").and_then(|rest| with_letters(Driver::Scsi, rest));
        scsi.or_else(|| with_letters(Driver::Virtio, name.strip_prefix("vd")?))
    }
}

fn digits(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).filter(|(digits, _)| !digits.is_empty())
}

fn number(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number| *number > 0)
}

fn unquoted(text: &str) -> &str {
    let inside = |quote: char| text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inside('"').or_else(|| inside('\'')).unwrap_or(text)
}

/// udev writes what no file name should have as `\xNN` (`encode_devnode_name` in systemd).
fn unescaped(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let code = rest.strip_prefix("\\x").and_then(|rest| rest.split_at_checked(2));
        match code.and_then(|(code, after)| Some((u8::from_str_radix(code, 16).ok()?, after))) {
            Some((byte, after)) => {
                bytes.push(byte);
                rest = after;
            }
            None => {
                bytes.extend(first.to_string().bytes());
                rest = rest.split_at_checked(first.len_utf8()).map_or("", |(_, after)| after);
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(driver: Driver, first: bool, partition: Option<u32>) -> DeviceName {
        DeviceName::Kernel(KernelName { driver, first, partition })
    }

    #[test]
    fn each_way_of_naming_a_device_is_read() {
        let label = |text: &str| DeviceName::Label(text.to_owned());
        for (text, want) in [
            ("LABEL=writable", label("writable")),
            ("LABEL=\"my root\"", label("my root")),
            ("\"LABEL=my root\"", label("my root")),
            ("LABEL='x'", label("x")),
            ("/dev/disk/by-label/my\\x20root", label("my root")),
            ("/dev/disk/by-label/gr\\xc3\\xbcn\\x2", label("grün\\x2")),
            ("UUID=\"5A0B-7C12\"", DeviceName::Uuid("5A0B-7C12".to_owned())),
            ("/dev/disk/by-uuid/5A0B-7C12", DeviceName::Uuid("5A0B-7C12".to_owned())),
            ("PARTUUID=5a0b7c12-02", DeviceName::PartUuid("5a0b7c12-02".to_owned(), 0)),
            ("PARTUUID=5a0b7c12-01/PARTNROFF=1", DeviceName::PartUuid("5a0b7c12-01".to_owned(), 1)),
            ("/dev/disk/by-partuuid/5a0b7c12-02", DeviceName::PartUuid("5a0b7c12-02".to_owned(), 0)),
            ("PARTLABEL=root", DeviceName::PartLabel("root".to_owned())),
            ("/dev/mmcblk0p2", kernel(Driver::Mmc, true, Some(2))),
            ("/dev/mmcblk1p2", kernel(Driver::Mmc, false, Some(2))),
            ("/dev/mmcblk0", kernel(Driver::Mmc, true, None)),
            ("/dev/nvme0n1p2", kernel(Driver::Nvme, true, Some(2))),
            ("/dev/nvme0n2p2", kernel(Driver::Nvme, false, Some(2))),
            ("/dev/sda2", kernel(Driver::Scsi, true, Some(2))),
            ("/dev/sdb", kernel(Driver::Scsi, false, None)),
            ("/dev/vda1", kernel(Driver::Virtio, true, Some(1))),
            ("/dev/disk/by-path/platform-fe340000.mmc-part2", DeviceName::ByPath),
            ("/dev/disk/by-id/mmc-SD32G_0x1234-part2", DeviceName::ById),
        ] {
            assert_eq!(DeviceName::parse(text), want, "{text}");
        }
    }

    #[test]
    fn what_names_no_disk_is_other() {
        for text in [
            "",
            "/dev/nfs",
            "/dev/ram0",
            "/dev/mapper/vg-root",
            "/dev/mmcblk0boot0",
            "/dev/mmcblkp2",
            "/dev/sd",
            "/dev/sda0",
            "/dev/nvme0p2",
            "label=x",
            "ZFS=rpool",
            "PARTUUID=x/PARTNROFF=y",
            "192.168.7.1:/srv",
        ] {
            assert_eq!(DeviceName::parse(text), DeviceName::Other, "{text}");
        }
    }
}
