//! Which file of systemd-networkd decides over an interface, and which name udev gives it (systemd.network(5),
//! systemd.link(5)).

use super::at_boot::Setting;
use super::files::{FileError, Files, by_name};
use super::port::Port;
use crate::text::{glob, ini};

/// Where the files are; of one name the first directory counts.
pub(super) const DIRS: [&str; 4] = [
    "/etc/systemd/network",
    "/run/systemd/network",
    "/usr/local/lib/systemd/network",
    "/usr/lib/systemd/network",
];

/// A file of systemd-networkd.
pub(super) struct NetworkFile {
    pub(super) name: String,
    pub(super) path: String,
    text: String,
}

/// All files of one kind, in the order in which systemd looks at them.
pub(super) fn all(files: &dyn Files, ending: &str) -> Result<Vec<NetworkFile>, FileError> {
    let found = by_name(files, &DIRS, ending)?;
    Ok(found.into_iter().map(|(name, path, text)| NetworkFile { name, path, text }).collect())
}

impl NetworkFile {
    /// Whether the file is for a port. `unknown` is the answer of conditions that cannot be judged beforehand.
    pub(super) fn is_for(&self, port: &Port<'_>, unknown: bool) -> bool {
        let conditions = ini::entries(&self.text);
        let conditions: Vec<_> = conditions.iter().filter(|entry| entry.section == "Match").collect();
        let mut keys: Vec<&str> = conditions.iter().map(|entry| entry.key).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.iter().all(|key| {
            let mut words: Vec<&str> = Vec::new();
            for entry in conditions.iter().filter(|entry| entry.key == *key) {
                // An empty value takes back those before it.
                if entry.value.is_empty() {
                    words.clear();
                }
                words.extend(entry.value.split_ascii_whitespace());
            }
            words.is_empty() || is_met(key, &words, port, unknown)
        })
    }

    /// The first value of a key, and its line.
    pub(super) fn value(&self, section: &str, key: &str) -> Option<(String, usize)> {
        let mut entries = ini::entries(&self.text).into_iter();
        entries.find(|entry| entry.section == section && entry.key == key).map(|e| (e.value, e.line))
    }
}

/// Whether a condition is met. A word with `!` in front turns the whole list round.
fn is_met(key: &str, words: &[&str], port: &Port<'_>, unknown: bool) -> bool {
    let inverted = words.iter().any(|word| word.starts_with('!'));
    let words: Vec<&str> = words.iter().map(|word| word.trim_start_matches('!')).collect();
    let kind = if port.is_wireless() { "wlan" } else { "ether" };
    match key {
        "Name" | "OriginalName" if inverted => {
            port.has_name(|name| words.iter().all(|word| !glob::matches(word, name)))
        }
        "Name" | "OriginalName" => words.iter().any(|word| port.fits(word)),
        "MACAddress" | "PermanentMACAddress" if port.mac().is_some() => {
            words.iter().any(|word| port.has_mac(word)) != inverted
        }
        "Type" => words.iter().any(|word| glob::matches(word, kind)) != inverted,
        // A port is no bridge, bond, tunnel or the like.
        "Kind" => inverted,
        _ => unknown,
    }
}

/// The setting of another file that systemd-networkd takes instead of `own`, or that changes it. None in the middle:
/// `own` comes first. The answer for a port that no file is for is `Ok(None)` without `own`.
pub(super) fn before(own: &str, port: &Port<'_>, files: &dyn Files) -> Result<Option<Setting>, FileError> {
    for file in all(files, ".network")? {
        if file.name.as_str() < own && file.is_for(port, port.maybe()) {
            let effect = format!("it is for {} and comes before hcimage's file {own}", port.text());
            let cure =
                "remove the file from the image, or rename it so that it comes later, such as 50-lan.network";
            return Ok(Some(Setting::new(file.path, effect, cure)));
        }
    }
    for (path, text) in drop_ins(own, files)? {
        if !ini::entries(&text).is_empty() {
            let effect = format!("it changes hcimage's file {own}");
            return Ok(Some(Setting::new(path, effect, "remove the file from the image")));
        }
    }
    Ok(None)
}

/// The first file that may be for a port.
pub(super) fn of_port(port: &Port<'_>, files: &dyn Files) -> Result<Option<NetworkFile>, FileError> {
    Ok(all(files, ".network")?.into_iter().find(|file| file.is_for(port, true)))
}

fn drop_ins(own: &str, files: &dyn Files) -> Result<Vec<(String, String)>, FileError> {
    let mut found = Vec::new();
    for dir in DIRS {
        found.extend(files.dir(&format!("{dir}/{own}.d"), ".conf")?);
    }
    Ok(found)
}

/// The setting of a link file that gives the port another name than the one by which the node's files know it. `known`
/// says whether they know a port of that name.
pub(super) fn renamed(
    port: &Port<'_>,
    known: impl Fn(&str) -> bool,
    files: &dyn Files,
) -> Result<Option<Setting>, FileError> {
    for file in all(files, ".link")? {
        if !file.is_for(port, false) {
            continue;
        }
        // Of the files that match the first one holds, whether it gives a name or not.
        let Some((name, line)) = file.value("Link", "Name") else { return Ok(None) };
        let same = known(&name);
        return Ok((!same).then(|| {
            let effect = format!("it renames {} to {name}", port.text());
            let cure =
                format!("set `interface = \"{name}\"` for the node, or remove the file from the image");
            Setting::in_line(&file.path, line, effect, cure)
        }));
    }
    Ok(None)
}
