//! Journals that systemd's own writer has made, compared with what journalctl reads of them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hcimage::formats::systemd_journal::{Entry, Journal, JournalError};
use hcimage_testkit::tools::run;
use hcimage_testkit::unpacked::{libraries, packages};
use serde_json::Value;

const BOOT: &str = "0123456789abcdef0123456789abcdef";

/// Entries in the export format: short and long messages, of the kernel and of units, with bytes that are no text.
fn export(count: usize) -> Vec<u8> {
    let mut text = Vec::new();
    for number in 0..count {
        let message = match number % 4 {
            0 => format!("message {number}"),
            1 => format!("long {number} {}", "abcdefgh ".repeat(200)),
            2 => format!("two lines {number}\nof a message"),
            _ => format!("bytes {number} \u{fffd}ä"),
        };
        let transport = if number % 3 == 0 { "kernel" } else { "stdout" };
        writeln!(text, "__REALTIME_TIMESTAMP={}", 1_700_000_000_000_000 + number * 1000).unwrap();
        writeln!(text, "__MONOTONIC_TIMESTAMP={}\n_BOOT_ID={BOOT}", number * 1000).unwrap();
        writeln!(text, "_TRANSPORT={transport}\nPRIORITY={}\nSYSLOG_IDENTIFIER=p{}", number % 8, number % 5)
            .unwrap();
        writeln!(text, "_SYSTEMD_UNIT=k3s.service").unwrap();
        text.extend(b"MESSAGE\n");
        text.extend(u64::try_from(message.len()).unwrap().to_le_bytes());
        text.extend(message.as_bytes());
        text.extend(b"\n\n");
    }
    text
}

/// A journal by systemd-journal-remote, which uses the writer of journald.
fn made(dir: &Path, count: usize, compact: bool) -> PathBuf {
    made_from(dir, &export(count), compact)
}

/// A journal with a message for each text.
pub(crate) fn made_of<'a>(dir: &Path, texts: impl Iterator<Item = &'a str>) -> PathBuf {
    let entry = |(number, text): (usize, &str)| {
        let time = 1_700_000_000_000_000 + number;
        format!(
            "__REALTIME_TIMESTAMP={time}\n__MONOTONIC_TIMESTAMP=1\n_BOOT_ID={BOOT}\nSYSLOG_IDENTIFIER=x\nMESSAGE=it says {text}, and\n\n"
        )
    };
    let all: String = texts.enumerate().map(entry).collect();
    made_from(dir, all.as_bytes(), true)
}

fn made_from(dir: &Path, export: &[u8], compact: bool) -> PathBuf {
    let root = packages(&["systemd-journal-remote", "libmicrohttpd12"]);
    let path = dir.join(format!("{compact}.journal"));
    let mut writer = Command::new(root.join("lib/systemd/systemd-journal-remote"))
        .env(
            "LD_LIBRARY_PATH",
            format!("{}:/lib/systemd:/usr/lib/x86_64-linux-gnu/systemd", libraries(&root)),
        )
        .env("SYSTEMD_JOURNAL_COMPACT", if compact { "1" } else { "0" })
        .arg("--output")
        .arg(&path)
        .args(["--compress=yes", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    writer.stdin.take().unwrap().write_all(export).unwrap();
    assert!(writer.wait().unwrap().success());
    path
}

/// What journalctl reads: time, boot, identifier, transport, priority and message.
fn by_journalctl(path: &Path) -> Vec<[String; 6]> {
    let text = run(Command::new("journalctl").arg("--file").arg(path).args([
        "--output=json",
        "--all",
        "--no-pager",
    ]));
    let entries = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let message = |value: &Value| match value {
        Value::Array(bytes) => {
            let bytes: Vec<u8> =
                bytes.iter().map(|byte| u8::try_from(byte.as_u64().unwrap()).unwrap()).collect();
            String::from_utf8(bytes).unwrap()
        }
        value => value.as_str().unwrap().to_owned(),
    };
    let names =
        ["__REALTIME_TIMESTAMP", "_BOOT_ID", "SYSLOG_IDENTIFIER", "_TRANSPORT", "PRIORITY", "MESSAGE"];
    entries.map(|entry| names.map(|name| message(&entry[name]))).collect()
}

fn by_us(entry: &Entry) -> [String; 6] {
    assert_eq!(entry.unit, "k3s.service");
    [
        entry.realtime.to_string(),
        entry.boot.iter().map(|byte| format!("{byte:02x}")).collect(),
        entry.identifier.clone(),
        if entry.is_kernel { "kernel" } else { "stdout" }.to_owned(),
        entry.priority.unwrap().to_string(),
        entry.message.clone(),
    ]
}

#[test]
fn all_forms_are_read_as_journalctl_reads_them() {
    let dir = tempfile::tempdir().unwrap();
    for compact in [false, true] {
        let path = made(dir.path(), 3000, compact);
        let bytes = fs::read(&path).unwrap();
        assert_eq!(bytes[12] & 16 != 0, compact, "the writer has made another form");
        assert!(bytes[12] & 8 != 0, "not compressed by zstd");
        let tail = Journal::parse(&bytes).unwrap().tail(5000);
        let theirs = by_journalctl(&path);
        assert_eq!(
            (tail.unreadable, tail.entries.len(), theirs.len()),
            (0, 3000, 3000),
            "compact: {compact}"
        );
        for (ours, theirs) in tail.entries.iter().zip(&theirs) {
            assert_eq!(by_us(ours), *theirs);
        }
        let last = Journal::parse(&bytes).unwrap().tail(10);
        assert_eq!(last.entries[..], tail.entries[2990..]);
    }
}

/// A number of the file.
fn number(bytes: &[u8], at: usize) -> usize {
    usize::try_from(u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())).unwrap()
}

/// Debian's writer packs by zstd alone, so its flags are changed to those of LZ4.
#[test]
fn what_is_packed_otherwise_is_counted_and_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut bytes = fs::read(made(dir.path(), 100, false)).unwrap();
    let (mut at, last) = (number(&bytes, 88), number(&bytes, 136));
    while at <= last {
        if bytes[at + 1] == 4 {
            bytes[at + 1] = 2;
        }
        at += number(&bytes, at + 8).next_multiple_of(8);
    }
    let tail = Journal::parse(&bytes).unwrap().tail(1000);
    assert_eq!((tail.entries.len(), tail.unreadable), (100, 25), "the long messages");
    assert!(tail.entries[0].message == "message 0" && tail.entries[1].message.is_empty());
}

/// Pages of a map that were not written yet are zeros: what was written around them is still read.
#[test]
fn a_torn_journal_is_read_as_far_as_it_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = fs::read(made(dir.path(), 3000, true)).unwrap();
    let whole = Journal::parse(&bytes).unwrap().tail(5000).entries;
    // Behind the hash tables come data and entries.
    let tables = [(104, 112), (120, 128)].map(|(at, size)| number(&bytes, at) + number(&bytes, size));
    let (first, used) = (tables.into_iter().max().unwrap(), number(&bytes, 136));
    let middle = (first + used) / 2;
    let cut = Journal::parse(&bytes[..middle]).unwrap().tail(5000);
    assert!(cut.entries.len() > 500 && cut.entries[..10] == whole[..10], "{}", cut.entries.len());
    let mut torn = bytes.clone();
    let page = middle / 4096 * 4096;
    torn[page..page + 8192].fill(0);
    let tail = Journal::parse(&torn).unwrap().tail(5000);
    assert!(tail.entries.len() > 2000, "{} entries", tail.entries.len());
    assert_eq!(tail.entries.last().map(|entry| entry.realtime), whole.last().map(|entry| entry.realtime));
    let mut changed = bytes.clone();
    for at in (208..208 + 64).chain((first..used).step_by(1997)) {
        changed[at] ^= 0xff;
        let _ = Journal::parse(&changed).map(|journal| journal.tail(50));
        changed[at] ^= 0xff;
    }
}

#[test]
fn what_is_no_journal_is_refused() {
    assert_eq!(Journal::parse(b"").unwrap_err(), JournalError::NotAJournal);
    assert_eq!(Journal::parse(&[0; 4096]).unwrap_err(), JournalError::NotAJournal);
    let mut newer = b"LPKSHHRH".to_vec();
    newer.resize(4096, 0);
    newer[12] = 64;
    assert_eq!(Journal::parse(&newer).unwrap_err(), JournalError::Unsupported(64));
}
