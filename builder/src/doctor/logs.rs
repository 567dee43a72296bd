//! The ends of the logs that lie on a card, masked.

use std::time::Duration;

use hc_firstboot::report::{LAST_WORDS_PATH, date};

use super::facts::{Log, Speaker};
use super::files::{self, Found};
use super::mask::Mask;
use crate::formats::systemd_journal::{Entry, Journal};
use crate::fs::Kind;
use crate::fs::ext4::Ext4;

const JOURNALS: &str = "/var/log/journal";
const CONTAINERD: &str = "/var/lib/rancher/k3s/agent/containerd/containerd.log";
/// Logs of pods; only those of k3s' own components are of interest here, and nobody else's are read.
const PODS: &str = "/var/log/pods";
const OWN_PODS: &str = "kube-system_";

/// Largest journal that is read; Debian's default makes them of 128 MiB at most.
const JOURNAL_BYTES: u64 = 128 << 20;
/// Journals that are read, the latest first.
const MOST_JOURNALS: usize = 2;
/// Entries of one journal.
const MOST_ENTRIES: usize = 2000;
/// Largest log of which the end is read.
const LOG_BYTES: u64 = 256 << 20;
/// Bytes of the end of a log.
const TAIL: usize = 64 << 10;
const POD_TAIL: usize = 8 << 10;
const MOST_PODS: usize = 20;

/// All of them, and what could not be read.
pub(super) fn read(root: &Ext4, mask: &Mask, notes: &mut Vec<String>) -> Vec<Log> {
    let mut logs = last_words(root, mask);
    logs.extend(journals(root, mask, notes));
    logs.extend(text_log(root, CONTAINERD, TAIL, mask));
    let pods = files::walk(root, PODS, 2, 4000).into_iter().filter(|found| {
        found.kind == Kind::File && found.path.as_str().starts_with(&format!("{PODS}/{OWN_PODS}"))
    });
    logs.extend(pods.take(MOST_PODS).filter_map(|found| text_log(root, found.path.as_str(), POD_TAIL, mask)));
    logs
}

fn lines(text: &str, mask: &Mask) -> Vec<String> {
    mask.text(text).lines().map(str::to_owned).collect()
}

fn text_log(root: &Ext4, at: &str, most: usize, mask: &Mask) -> Option<Log> {
    let text = files::tail(root, &files::path(at)?, LOG_BYTES, most)?;
    Some(Log { name: mask.text(at), speaker: Speaker::Other, lines: lines(&text, mask) })
}

/// What firstboot has saved when it failed, in sections.
fn last_words(root: &Ext4, mask: &Mask) -> Vec<Log> {
    let Some(text) = files::text(root, LAST_WORDS_PATH, 1 << 20) else { return Vec::new() };
    let sections = text.split("\n== ").skip(1).filter_map(|section| section.split_once(" ==\n"));
    sections
        .map(|(name, text)| Log {
            name: format!("{LAST_WORDS_PATH}, {name}"),
            speaker: match name {
                "kernel" => Speaker::Kernel,
                "k3s" => Speaker::K3s,
                _ => Speaker::Other,
            },
            lines: lines(text, mask),
        })
        .collect()
}

fn journals(root: &Ext4, mask: &Mask, notes: &mut Vec<String>) -> Vec<Log> {
    let is_system = |found: &Found| {
        let name = found.path.name().unwrap_or_default();
        found.kind == Kind::File && name.starts_with("system") && name.contains(".journal")
    };
    let mut found: Vec<Found> = files::walk(root, JOURNALS, 1, 1000).into_iter().filter(is_system).collect();
    // The one in use is `system.journal`; the names of older ones begin with `system@` and end with their times.
    found.sort_by(|a, b| b.path.cmp(&a.path));
    found.sort_by_key(|found| found.path.name() != Some("system.journal"));
    found.iter().take(MOST_JOURNALS).flat_map(|found| journal(root, found, mask, notes)).collect()
}

fn journal(root: &Ext4, found: &Found, mask: &Mask, notes: &mut Vec<String>) -> Vec<Log> {
    let name = found.path.as_str();
    let bytes = match files::read(root, name, JOURNAL_BYTES) {
        Ok(bytes) => bytes,
        Err(error) => {
            notes.push(format!("{name} is not read: {error}"));
            return Vec::new();
        }
    };
    let tail = match Journal::parse(&bytes) {
        Ok(journal) => journal.tail(MOST_ENTRIES),
        Err(error) => {
            notes.push(format!("{name} is not read: {error}"));
            return Vec::new();
        }
    };
    if tail.unreadable > 0 {
        notes.push(format!("{name}: {} entries or fields of it are torn", tail.unreadable));
    }
    let of = |speaker: Speaker, what: &str| {
        let entries = tail.entries.iter().filter(|entry| speaker_of(entry) == speaker);
        let text: String = entries.map(line).collect();
        Log { name: format!("{name}, {what}"), speaker, lines: lines(&text, mask) }
    };
    let logs =
        [of(Speaker::Kernel, "kernel"), of(Speaker::K3s, "k3s"), of(Speaker::Other, "everything else")];
    logs.into_iter().filter(|log| !log.lines.is_empty()).collect()
}

fn speaker_of(entry: &Entry) -> Speaker {
    match entry.unit.as_str() {
        _ if entry.is_kernel => Speaker::Kernel,
        "k3s.service" | "k3s-agent.service" => Speaker::K3s,
        _ => Speaker::Other,
    }
}

fn line(entry: &Entry) -> String {
    let time = date(Duration::from_micros(entry.realtime));
    format!("{time} {}: {}\n", entry.identifier, entry.message.replace('\n', "\n    "))
}
