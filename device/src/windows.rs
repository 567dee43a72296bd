//! Windows: the disks that its PowerShell lists. They are only listed here: see docs/windows-and-macos.md.

use std::path::PathBuf;

use serde::Deserialize;

use crate::disk::{Disk, Part, WINDOWS};

/// What PowerShell runs: `MSFT_Disk` and `MSFT_Partition` of the Storage module, as one JSON text in UTF-8.
#[cfg(windows)]
const SCRIPT: &str = "$ErrorActionPreference = 'Stop'; [Console]::OutputEncoding = [Text.Encoding]::UTF8; \
    ConvertTo-Json -Compress -Depth 3 -InputObject @{ \
    disks = @(Get-Disk | Select-Object Number, FriendlyName, SerialNumber, Size, LogicalSectorSize, BusType, IsBoot, IsSystem, IsReadOnly); \
    parts = @(Get-Partition | Select-Object DiskNumber, PartitionNumber, Size) }";

/// All disks.
///
/// # Errors
/// When PowerShell does not list them, which takes no rights of an administrator.
#[cfg(windows)]
pub fn disks() -> std::io::Result<Vec<Disk>> {
    let root = std::env::var_os("SystemRoot").unwrap_or_else(|| r"C:\Windows".into());
    // By its whole path: nothing of that name elsewhere is started.
    let program = PathBuf::from(root).join(r"System32\WindowsPowerShell\v1.0\powershell.exe");
    let mut command = std::process::Command::new(program);
    command.args(["-NoProfile", "-NonInteractive", "-Command", SCRIPT]);
    let text = crate::command::output(&mut command, crate::command::LONGEST, crate::command::TIME)?;
    parse(&text).map_err(std::io::Error::other)
}

/// What [`SCRIPT`] prints. A property that a disk does not have is null.
#[derive(Deserialize)]
struct Listing {
    disks: Many<RawDisk>,
    parts: Many<RawPart>,
}

/// PowerShell 5.1 makes of one object no list, and of a list sometimes an object with its length.
#[derive(Deserialize)]
#[serde(untagged)]
enum Many<T> {
    List(Vec<T>),
    Counted { value: Vec<T> },
    One(T),
    None,
}

impl<T> Many<T> {
    fn all(self) -> Vec<T> {
        match self {
            Self::List(all) | Self::Counted { value: all } => all,
            Self::One(one) => vec![one],
            Self::None => Vec::new(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawDisk {
    number: u32,
    friendly_name: Option<String>,
    serial_number: Option<String>,
    size: Option<u64>,
    logical_sector_size: Option<u64>,
    bus_type: Option<Bus>,
    is_boot: Option<bool>,
    is_system: Option<bool>,
    is_read_only: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawPart {
    disk_number: u32,
    partition_number: u32,
    size: Option<u64>,
}

/// `BusType` of `MSFT_Disk`: the name that the module shows, or the number in the class's documentation.
#[derive(Deserialize)]
#[serde(untagged)]
enum Bus {
    Name(String),
    Number(u64),
}

impl Bus {
    /// USB, SD, MMC.
    fn is_removable(&self) -> bool {
        match self {
            Self::Name(name) => matches!(name.as_str(), "USB" | "SD" | "MMC"),
            Self::Number(number) => matches!(number, 7 | 12 | 13),
        }
    }
}

fn parse(text: &[u8]) -> Result<Vec<Disk>, String> {
    // PowerShell may begin its output with a byte order mark.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let listing: Listing = serde_json::from_slice(text)
        .map_err(|error| format!("PowerShell's list of disks is not understood: {error}"))?;
    let parts = listing.parts.all();
    let mut disks: Vec<(u32, Disk)> =
        listing.disks.all().into_iter().map(|raw| (raw.number, disk(raw, &parts))).collect();
    disks.sort_by_key(|(number, _)| *number);
    Ok(disks.into_iter().map(|(_, disk)| disk).collect())
}

fn disk(raw: RawDisk, parts: &[RawPart]) -> Disk {
    let trimmed = |text: Option<String>| text.unwrap_or_default().trim().to_owned();
    let is_system = raw.is_boot == Some(true) || raw.is_system == Some(true);
    let own = parts.iter().filter(|part| part.disk_number == raw.number);
    Disk {
        path: PathBuf::from(format!(r"\\.\PhysicalDrive{}", raw.number)),
        model: trimmed(raw.friendly_name),
        serial: trimmed(raw.serial_number),
        // A reader without a card has none.
        size: raw.size.unwrap_or_default(),
        sector: raw.logical_sector_size.unwrap_or_default().max(512),
        is_removable: raw.bus_type.is_some_and(|bus| bus.is_removable()),
        is_read_only: raw.is_read_only == Some(true),
        parts: own
            .map(|part| Part {
                name: format!("partition {}", part.partition_number),
                size: part.size.unwrap_or_default(),
                ..Part::default()
            })
            .collect(),
        mounts: is_system.then(|| PathBuf::from(WINDOWS)).into_iter().collect(),
        ..Disk::default()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on has failed")]

    use super::*;
    use crate::disk::Refusal;

    /// Samples, written after the documentation of the classes; none was taken from a machine.
    const TWO: &str = r#"{"parts":[{"DiskNumber":0,"PartitionNumber":1,"Size":104857600},
        {"DiskNumber":1,"PartitionNumber":1,"Size":268435456}],
        "disks":[{"Number":1,"FriendlyName":"Generic STORAGE DEVICE ","SerialNumber":"  000000001206","Size":31914983424,
        "LogicalSectorSize":512,"BusType":"USB","IsBoot":false,"IsSystem":false,"IsReadOnly":false},
        {"Number":0,"FriendlyName":"NVMe SSD","SerialNumber":"E823_8FA6.","Size":512110190592,
        "LogicalSectorSize":512,"BusType":17,"IsBoot":true,"IsSystem":true,"IsReadOnly":false}]}"#;

    #[test]
    fn disks_are_what_powershell_says_of_them() {
        let disks = parse(TWO.as_bytes()).unwrap();
        let [system, card] = <[Disk; 2]>::try_from(disks).unwrap();
        assert_eq!(card.path, PathBuf::from(r"\\.\PhysicalDrive1"));
        assert_eq!((card.model.as_str(), card.serial.as_str()), ("Generic STORAGE DEVICE", "000000001206"));
        assert_eq!((card.size, card.sector, card.is_removable), (31_914_983_424, 512, true));
        let part = &card.parts[0];
        assert_eq!((part.name.as_str(), part.size), ("partition 1", 268_435_456));
        assert_eq!(card.refusal(0, false), None);
        assert_eq!(system.refusal(0, true), Some(Refusal::System("Windows".to_owned())));
    }

    #[test]
    fn one_disk_no_disk_and_an_empty_reader_are_understood() {
        let empty = r#"{"Number":2,"FriendlyName":null,"SerialNumber":null,"Size":0,"LogicalSectorSize":null,"BusType":12,
            "IsBoot":null,"IsSystem":null,"IsReadOnly":null}"#;
        for text in [
            format!("\u{feff}{{\"disks\":{empty},\"parts\":null}}"),
            format!("{{\"disks\":{{\"value\":[{empty}],\"Count\":1}},\"parts\":[]}}"),
        ] {
            let disks = parse(text.as_bytes()).unwrap();
            assert_eq!(disks.len(), 1, "{text}");
            assert_eq!(disks[0].refusal(0, false), Some(Refusal::Empty));
        }
        assert!(parse(br#"{"disks":[],"parts":[]}"#).unwrap().is_empty());
    }

    #[test]
    fn what_is_no_list_is_an_error_and_not_an_empty_one() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"disks":[{"Number":"x"}],"parts":[]}"#,
            &"[".repeat(100_000),
            "Get-Disk : no",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{}", text.len());
        }
    }
}
