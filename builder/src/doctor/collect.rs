//! An archive for a report of a bug: from an allow-list, with all secrets masked, and bounded.

use std::io::{self, Write};
use std::path::Path;

use hc_firstboot::report::STATUS_FILE;
use hc_firstboot::seed::SEED_PATH;
use hc_firstboot::state::STATE_PATH;
use tar::{EntryType, Header};
use tempfile::NamedTempFile;

use super::card::{Card, TEXT};
use super::files;
use crate::fs::ext4::Ext4;

/// Most bytes of the archive.
const MOST: usize = 16 << 20;
/// Most names in a list of files.
const MOST_NAMES: usize = 20_000;

/// Files of the root that are taken: settings of the boot, of firstboot and of k3s. No file that is a secret as a whole.
const ROOT: [&str; 10] = [
    SEED_PATH,
    STATE_PATH,
    "/var/lib/hcimage/check-config.txt",
    "/etc/fstab",
    "/etc/os-release",
    "/etc/hostname",
    "/etc/rancher/k3s/config.yaml",
    "/etc/systemd/journald.conf",
    "/etc/systemd/journald.conf.d/10-hcimage.conf",
    "/var/lib/dpkg/arch",
];
/// Directories of such files.
const DIRS: [&str; 3] = [
    "/etc/rancher/k3s/config.yaml.d",
    "/etc/systemd/system/k3s.service.d",
    "/etc/systemd/system/k3s-agent.service.d",
];
/// Files of the boot partition.
const BOOT: [&str; 4] = [STATUS_FILE, "cmdline.txt", "config.txt", "hcimage.toml"];
/// Directories whose names are listed.
const LISTS: [(&str, usize); 7] = [
    ("/etc/hcimage", 2),
    ("/etc/rancher", 4),
    ("/var/lib/hcimage", 3),
    ("/var/lib/rancher/k3s", 3),
    ("/var/log", 3),
    ("/boot", 3),
    ("/etc/systemd/system", 2),
];

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// A file of that name is there.
    #[error("{0} exists already: give another name")]
    Exists(String),
    /// It cannot be written.
    #[error("writing {path}")]
    Write {
        /// The archive.
        path: String,
        /// Why not.
        source: io::Error,
    },
}

/// Writes the archive under a temporary name, and gives it its own at the end; a file that is there is never replaced.
///
/// # Errors
/// Where a file of that name is there, or it cannot be written.
pub fn collect(card: &Card, output: &str, to: &Path) -> Result<(), CollectError> {
    let shown = to.display().to_string();
    let failed = |source| CollectError::Write { path: shown.clone(), source };
    if to.symlink_metadata().is_ok() {
        return Err(CollectError::Exists(shown.clone()));
    }
    let dir = to.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(dir).map_err(failed)?;
    let mut archive = Archive { bytes: Vec::new(), card };
    archive.add("doctor.txt", output);
    archive.facts();
    archive.files();
    let mut builder = tar::Builder::new(&mut file);
    for (name, text) in &archive.bytes {
        append(&mut builder, name, text.as_bytes()).map_err(failed)?;
    }
    builder.finish().map_err(failed)?;
    drop(builder);
    file.flush().and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    file.persist_noclobber(to).map(drop).map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => CollectError::Exists(shown.clone()),
        _ => failed(error.error),
    })
}

fn append(builder: &mut tar::Builder<&mut NamedTempFile>, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_size(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    header.set_mode(0o644);
    builder.append_data(&mut header, name, bytes)
}

struct Archive<'a> {
    /// Names and texts, masked.
    bytes: Vec<(String, String)>,
    card: &'a Card,
}

impl Archive<'_> {
    /// A text, masked, as far as there is room.
    fn add(&mut self, name: &str, text: &str) {
        let used: usize = self.bytes.iter().map(|(_, text)| text.len()).sum();
        // Before it is masked, which costs more than it to be left out.
        if used.saturating_add(text.len()) > MOST {
            return;
        }
        let text = self.card.mask.text(text);
        let name = self.card.mask.text(name.trim_start_matches('/'));
        if used.saturating_add(text.len()) <= MOST {
            self.bytes.push((name, text));
        }
    }

    fn facts(&mut self) {
        let facts = &self.card.facts;
        if let Some(Ok(table)) = &facts.table {
            let rows = table.partitions.iter().map(|partition| {
                let (number, start, size) = (partition.number, partition.start, partition.size);
                format!("{number}\t{start}\t{size}\t{}\n", partition.kind)
            });
            let rows: String = rows.collect();
            self.add("partitions.txt", &format!("{}\nnumber\tstart\tbytes\tkind\n{rows}", table.kind));
        }
        let systems = serde_json::to_string_pretty(&facts.file_systems).unwrap_or_default();
        self.add("file-systems.json", &systems);
        for (number, log) in facts.logs.iter().enumerate() {
            let mut text = format!("# {}\n", log.name);
            log.lines.iter().for_each(|line| {
                text.push_str(line);
                text.push('\n');
            });
            self.add(&format!("logs/{number}.log"), &text);
        }
    }

    fn files(&mut self) {
        let card = self.card;
        if let Some(boot) = &card.boot {
            for name in BOOT {
                if let Some(text) = boot.text(name, TEXT) {
                    self.add(&format!("boot/{name}"), &text);
                }
            }
            self.add(
                "boot/names.txt",
                &boot.names().iter().flat_map(|name| [name, "\n"]).collect::<String>(),
            );
        }
        let Some(root) = &card.root else { return };
        let of_dirs = DIRS.iter().flat_map(|dir| files::walk(root, dir, 0, 100));
        let paths: Vec<String> = ROOT
            .iter()
            .map(|path| (*path).to_owned())
            .chain(of_dirs.map(|found| found.path.to_string()))
            .collect();
        for path in paths {
            if let Some(text) = files::text(root, &path, TEXT) {
                self.add(&format!("root{path}"), &text);
            }
        }
        self.add("root/names.txt", &names(root));
    }
}

fn names(root: &Ext4) -> String {
    let found = LISTS.iter().flat_map(|(dir, depth)| files::walk(root, dir, *depth, MOST_NAMES));
    let line = |found: files::Found| format!("{:04o}\t{}\t{}\n", found.mode, found.size, found.path);
    found.take(MOST_NAMES).map(line).collect()
}
