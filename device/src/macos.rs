//! macOS: the disks that `diskutil` lists. They are only listed here: see docs/windows-and-macos.md.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::disk::{Disk, Part};

/// All physical disks.
///
/// # Errors
/// When `diskutil` does not list them.
#[cfg(target_os = "macos")]
pub fn disks() -> std::io::Result<Vec<Disk>> {
    let ask = |words: &[&str]| {
        let mut command = std::process::Command::new("/usr/sbin/diskutil");
        crate::command::output(command.args(words), crate::command::LONGEST, crate::command::TIME)
    };
    let system: Volume = parse(&ask(&["info", "-plist", "/"])?)?;
    let list: List = parse(&ask(&["list", "-plist", "physical"])?)?;
    let system = system.disks();
    let mut disks = Vec::new();
    for entry in list.all {
        // It was just listed; where it is gone again, there is nothing to show.
        let Ok(text) = ask(&["info", "-plist", &entry.name]) else { continue };
        let info: Info = parse(&text)?;
        disks.push(disk(entry, info, &system));
    }
    Ok(disks)
}

/// `diskutil list -plist`.
#[derive(Deserialize)]
struct List {
    #[serde(rename = "AllDisksAndPartitions")]
    all: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(rename = "DeviceIdentifier")]
    name: String,
    #[serde(rename = "Partitions", default)]
    parts: Vec<RawPart>,
}

#[derive(Deserialize)]
struct RawPart {
    #[serde(rename = "DeviceIdentifier")]
    name: String,
    #[serde(rename = "Size", default)]
    size: u64,
    #[serde(rename = "VolumeName", default)]
    label: String,
}

/// `diskutil info -plist` of a disk.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Info {
    #[serde(default)]
    media_name: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    device_block_size: u64,
    #[serde(default)]
    writable_media: bool,
    /// A card in a reader that is built in is removable, a USB disk is external.
    #[serde(default)]
    removable_media_or_external_device: bool,
    #[serde(default)]
    virtual_or_physical: String,
}

/// `diskutil info -plist /`: the system's volume, and of APFS the partitions that it is made of.
#[derive(Deserialize)]
struct Volume {
    #[serde(rename = "ParentWholeDisk")]
    whole: String,
    #[serde(rename = "APFSPhysicalStores", default)]
    stores: Vec<Store>,
}

#[derive(Deserialize)]
struct Store {
    #[serde(rename = "APFSPhysicalStore")]
    name: String,
}

impl Volume {
    /// The disks that it is on.
    fn disks(&self) -> BTreeSet<String> {
        let stores = self.stores.iter().map(|store| whole(&store.name));
        stores.chain([self.whole.as_str()]).map(str::to_owned).collect()
    }
}

/// `disk0` of `disk0s2`.
fn whole(name: &str) -> &str {
    let number = name.strip_prefix("disk").unwrap_or_default();
    let digits = number.chars().take_while(char::is_ascii_digit).count();
    name.get(..digits.saturating_add(4)).unwrap_or(name)
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> std::io::Result<T> {
    plist::from_bytes(text)
        .map_err(|error| std::io::Error::other(format!("diskutil's answer is not understood: {error}")))
}

fn disk(entry: Entry, info: Info, system: &BTreeSet<String>) -> Disk {
    Disk {
        path: PathBuf::from("/dev").join(&entry.name),
        model: info.media_name.trim().to_owned(),
        size: info.size,
        sector: info.device_block_size.max(512),
        is_removable: info.removable_media_or_external_device && info.virtual_or_physical != "Virtual",
        is_read_only: !info.writable_media,
        mounts: system.contains(&entry.name).then(|| PathBuf::from("/")).into_iter().collect(),
        parts: entry
            .parts
            .into_iter()
            .map(|part| Part { name: part.name, size: part.size, label: part.label, ..Part::default() })
            .collect(),
        ..Disk::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

    use super::*;
    use crate::disk::Refusal;

    /// Samples, written after the manual of diskutil and what others show of it; none was taken from a machine.
    fn plist(body: &str) -> Vec<u8> {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \
             \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\"><dict>{body}</dict></plist>"
        )
        .into_bytes()
    }

    const LIST: &str = "<key>AllDisks</key><array><string>disk0</string><string>disk4</string></array>
        <key>AllDisksAndPartitions</key><array>
        <dict><key>Content</key><string>GUID_partition_scheme</string><key>DeviceIdentifier</key><string>disk0</string>
          <key>Partitions</key><array><dict><key>DeviceIdentifier</key><string>disk0s2</string>
          <key>Size</key><integer>494384795648</integer></dict></array><key>Size</key><integer>500277792768</integer></dict>
        <dict><key>DeviceIdentifier</key><string>disk4</string><key>Partitions</key><array><dict>
          <key>DeviceIdentifier</key><string>disk4s1</string><key>MountPoint</key><string>/Volumes/bootfs</string>
          <key>Size</key><integer>536870912</integer><key>VolumeName</key><string>bootfs</string></dict></array>
          <key>Size</key><integer>31914983424</integer></dict></array>";

    const CARD: &str =
        "<key>DeviceBlockSize</key><integer>512</integer><key>MediaName</key><string>SDXC Reader </string>
        <key>RemovableMediaOrExternalDevice</key><true/><key>Size</key><integer>31914983424</integer>
        <key>VirtualOrPhysical</key><string>Physical</string><key>WritableMedia</key><true/>";

    const BUILT_IN: &str =
        "<key>DeviceBlockSize</key><integer>4096</integer><key>MediaName</key><string>APPLE SSD</string>
        <key>RemovableMediaOrExternalDevice</key><false/><key>Size</key><integer>500277792768</integer>
        <key>VirtualOrPhysical</key><string>Physical</string><key>WritableMedia</key><true/>";

    const ROOT: &str = "<key>MountPoint</key><string>/</string><key>ParentWholeDisk</key><string>disk3</string>
        <key>APFSPhysicalStores</key><array><dict><key>APFSPhysicalStore</key><string>disk0s2</string></dict></array>";

    #[test]
    fn disks_are_what_diskutil_says_of_them() {
        let system = parse::<Volume>(&plist(ROOT)).unwrap().disks();
        let list: List = parse(&plist(LIST)).unwrap();
        let infos = [BUILT_IN, CARD].map(|text| parse::<Info>(&plist(text)).unwrap());
        let disks = list.all.into_iter().zip(infos).map(|(entry, info)| disk(entry, info, &system));
        let [built_in, card] = <[Disk; 2]>::try_from(disks.collect::<Vec<_>>()).unwrap();
        assert_eq!((card.path, card.model), (PathBuf::from("/dev/disk4"), "SDXC Reader".to_owned()));
        let part = &card.parts[0];
        assert_eq!((part.name.as_str(), part.label.as_str(), part.size), ("disk4s1", "bootfs", 536_870_912));
        // By way of the APFS container that it holds.
        assert_eq!(built_in.refusal(0, true), Some(Refusal::System("/".to_owned())));
        assert_eq!(
            (card.size, card.sector, card.is_removable, card.is_read_only),
            (31_914_983_424, 512, true, false)
        );
    }

    #[test]
    fn the_disk_of_a_partition_is_its_beginning() {
        for (name, disk) in
            [("disk0s2", "disk0"), ("disk12s1s1", "disk12"), ("disk3", "disk3"), ("x", "x"), ("", "")]
        {
            assert_eq!(whole(name), disk);
        }
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        for text in [
            &b""[..],
            b"bplist00",
            b"<plist><dict>",
            &plist("<key>AllDisksAndPartitions</key><true/>"),
            &plist(""),
        ] {
            assert!(parse::<List>(text).is_err());
        }
        assert!(parse::<List>("<array>".repeat(100_000).as_bytes()).is_err());
    }
}
