//! Mount units (systemd.mount(5)): file systems that are mounted without a line in `/etc/fstab`.

use hc_common::text::ini;

/// Where the units of the image's owner lie. They win over those of `/etc/fstab` for the same mount point.
pub const DIR: &str = "/etc/systemd/system";

/// What a mount unit says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountUnit {
    /// The device: a tag such as `LABEL=data`, or a path.
    pub what: String,
    /// The mount point.
    pub point: String,
    /// The file system's type; empty for any.
    pub fstype: String,
}

/// What a unit mounts; none for one that systemd refuses or that is empty, as a masked one is.
pub fn parse(text: &str) -> Option<MountUnit> {
    let mut unit = MountUnit { what: String::new(), point: String::new(), fstype: String::new() };
    for entry in ini::entries(text).iter().filter(|entry| entry.section == "Mount") {
        match entry.key {
            "What" => unit.what = entry.value.trim_matches('"').to_owned(),
            "Where" => unit.point = entry.value.trim_matches('"').to_owned(),
            "Type" => entry.value.clone_into(&mut unit.fstype),
            _ => {}
        }
    }
    (!unit.what.is_empty() && !unit.point.is_empty()).then_some(unit)
}

/// The name of the unit that mounts there (systemd-escape(1), `--path`).
pub fn name(point: &str) -> String {
    let mut name = String::new();
    for (part, text) in point.split('/').filter(|part| !part.is_empty()).enumerate() {
        name.push_str(if part == 0 { "" } else { "-" });
        for (place, byte) in text.bytes().enumerate() {
            let is_first = part == 0 && place == 0;
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b':' | b'_' => name.push(char::from(byte)),
                b'.' if !is_first => name.push('.'),
                _ => name.push_str(&format!("\\x{byte:02x}")),
            }
        }
    }
    if name.is_empty() { "-.mount".to_owned() } else { name + ".mount" }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn the_last_value_counts_and_a_unit_without_device_is_none() {
        let text = "[Unit]\nDescription=a\n[Mount]\nWhat=/dev/sda1\nWhere=/srv/a\nWhat=LABEL=b\nType=ext4\n[Install]\nWhat=c\n";
        let want = MountUnit { what: "LABEL=b".into(), point: "/srv/a".into(), fstype: "ext4".into() };
        assert_eq!(parse(text), Some(want));
        assert_eq!(parse("[Mount]\nWhere=/srv/a\n"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn a_unit_is_named_as_by_systemd() {
        for point in ["/srv/data", "/", "/mnt/usb disk", "/.hidden/.x", "/a-b/c", "//srv//ü/", "/x:y_z.q"] {
            let output = Command::new("systemd-escape").args(["--path", "--suffix=mount", point]).output();
            let output = output.expect("systemd-escape");
            assert_eq!(name(point), String::from_utf8(output.stdout).unwrap().trim_end(), "{point}");
        }
    }
}
