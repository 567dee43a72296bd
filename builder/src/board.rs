//! Board profiles: one TOML file per board, compiled in, and overridden by a directory of the user's.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::arch::Arch;
use crate::exit_class::{Classified, ExitClass};
use crate::local_file::{self, TEXT_LIMIT};
use crate::openpgp::Keyring;
use crate::os::{Hardware, Medium, PiKernel};
use crate::source::url::SourceUrl;
use crate::value::Quantity;
use crate::value::{FirmwareSetting, Role};

mod words;

pub use words::InvalidWord;

/// The profiles that are compiled in, by file name.
const BUILT_IN: [(&str, &str); 13] = [
    ("cm4.toml", include_str!("../../board-profiles/cm4.toml")),
    ("cm5.toml", include_str!("../../board-profiles/cm5.toml")),
    ("pc.toml", include_str!("../../board-profiles/pc.toml")),
    ("pc-arm64.toml", include_str!("../../board-profiles/pc-arm64.toml")),
    ("pi2.toml", include_str!("../../board-profiles/pi2.toml")),
    ("pi3.toml", include_str!("../../board-profiles/pi3.toml")),
    ("pi4.toml", include_str!("../../board-profiles/pi4.toml")),
    ("pi5.toml", include_str!("../../board-profiles/pi5.toml")),
    ("qemu-amd64.toml", include_str!("../../board-profiles/qemu-amd64.toml")),
    ("qemu-arm64.toml", include_str!("../../board-profiles/qemu-arm64.toml")),
    ("turing-pi-2-cm4.toml", include_str!("../../board-profiles/turing-pi-2-cm4.toml")),
    ("turing-pi-2-cm5.toml", include_str!("../../board-profiles/turing-pi-2-cm5.toml")),
    ("zero2w.toml", include_str!("../../board-profiles/zero2w.toml")),
];

/// What hcimage knows of a board.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Board {
    /// Its name for `--board`.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// What its processor runs.
    pub architecture: Arch,
    /// How it finds its kernel.
    pub boot: BootMethod,
    /// The image to build from when the user names none.
    pub base: Option<DefaultBase>,
    /// The roles that a node on it can have; both where the profile does not say.
    #[serde(default = "both_roles")]
    pub roles: Vec<Role>,
    /// A warning for every plan of a node on it.
    pub warning: Option<Warning>,
    /// What its root file system lies on.
    #[serde(default)]
    pub storage: Storage,
    /// The memory of the largest one that is sold; none where it can be anything.
    pub memory: Option<Quantity>,
    /// What it can boot from.
    #[serde(default)]
    pub media: Vec<Medium>,
    /// Which of the kernels on a Raspberry Pi's FAT it loads; none where the boot loader's configuration names it.
    pub kernel: Option<PiKernel>,
    /// How the names of the device trees for its processor begin: a Raspberry Pi boots no image that has none of them.
    #[serde(default, rename = "device-trees")]
    pub device_trees: Vec<String>,
    /// The conditional filters of a Raspberry Pi's `config.txt` that are for it; none where the profile does not say.
    #[serde(default, rename = "firmware-filters")]
    pub filters: Vec<String>,
    /// The serial port of the console, as Raspberry Pi OS and Ubuntu name it among the
    /// kernel's arguments: `serial0,115200`. Only shown; it is written nowhere.
    pub console: Option<String>,
    /// What a Raspberry Pi's `config.txt` must say for it, besides what stock images say.
    #[serde(default, rename = "config-txt")]
    pub config_txt: Vec<FirmwareSetting>,
    /// The QEMU machine that stands in for it.
    pub qemu: Qemu,
    /// What the user must know before flashing.
    pub flash: Option<Flash>,
}

/// How a board finds its kernel and the kernel's arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BootMethod {
    /// The Pi's firmware reads `config.txt` and `cmdline.txt` from a FAT partition.
    RaspberryPi,
    /// GRUB reads `grub.cfg`.
    Grub,
}

/// What a board's root file system usually lies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Storage {
    /// An SD card or eMMC: slow when a write has to be durable, and worn by many small ones.
    Card,
    /// A hard disk or SSD.
    #[default]
    Disk,
}

fn both_roles() -> Vec<Role> {
    vec![Role::Server, Role::Agent]
}

/// Where the default base comes from.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct DefaultBase {
    /// The image, or an address that leads to it; `<image>.sha256` must lie beside what it leads to.
    pub url: SourceUrl,
    /// OpenPGP keys in ASCII armour: one of them must have signed the checksum file.
    #[serde(default)]
    pub signed_by: Option<Keyring>,
}

/// The QEMU machine that stands in for a board.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Qemu {
    /// The value of `-M`.
    pub machine: String,
    /// The value of `-cpu`.
    pub cpu: String,
    /// The device behind the first serial port, for `console=`.
    pub console: String,
    /// Where QEMU's machine is the board itself and no stand-in: which of the image's device trees describes it. Its disks
    /// and network are then on SD and USB.
    #[serde(rename = "device-tree")]
    pub device_tree: Option<String>,
}

/// A warning for every plan of a node on a board.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Warning {
    /// The problem, without a full stop.
    pub message: String,
    /// What to do about it, likewise.
    #[serde(rename = "cure")]
    pub hint: String,
}

/// What the user must know before flashing.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flash {
    /// One or two sentences.
    pub notes: String,
}

/// Why a board cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    /// No profile has the name.
    #[error("unknown board {name:?}; known boards: {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// The names that exist, separated by commas.
        known: String,
    },
    /// A profile cannot be read.
    #[error("reading the board profile {path}")]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A word of a profile is not one that it can be.
    #[error("reading the board profile {path}")]
    Word {
        /// The file.
        path: PathBuf,
        /// The word.
        #[source]
        word: InvalidWord,
    },
    /// A profile is malformed.
    #[error("reading the board profile {path}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, column and what is wrong.
        #[source]
        source: Box<toml::de::Error>,
    },
}

impl Classified for BoardError {
    fn class(&self) -> Option<ExitClass> {
        Some(match self {
            Self::Unknown { .. } => ExitClass::Usage,
            Self::Read { .. } | Self::Malformed { .. } | Self::Word { .. } => ExitClass::Failed,
        })
    }
}

impl Board {
    /// What of it decides how an image boots.
    pub fn hardware(&self) -> Hardware<'_> {
        let filters = Some(self.filters.as_slice()).filter(|filters| !filters.is_empty());
        Hardware { kernel: self.kernel, filters, media: &self.media }
    }
}

/// All boards, by name.
#[derive(Debug)]
pub struct Boards(BTreeMap<String, Board>);

impl Boards {
    /// The compiled-in profiles, and over them those of `dir`, if one is given.
    pub fn load(dir: Option<&Path>) -> Result<Self, BoardError> {
        let mut boards = BTreeMap::new();
        for (file, text) in BUILT_IN {
            let board = parse(Path::new(file), text)?;
            boards.insert(board.name.clone(), board);
        }
        if let Some(dir) = dir {
            for board in read_dir(dir)? {
                boards.insert(board.name.clone(), board);
            }
        }
        Ok(Self(boards))
    }

    /// Whether a compiled-in profile takes its base from that server.
    pub fn names_host(host: &str) -> bool {
        let built_in = BUILT_IN.iter().filter_map(|(file, text)| parse(Path::new(file), text).ok());
        built_in.filter_map(|board| board.base).any(|base| base.url.host() == host)
    }

    /// All boards, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Board> {
        self.0.values()
    }

    /// The names of all boards, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The board of that name.
    pub fn get(&self, name: &str) -> Result<&Board, BoardError> {
        self.0.get(name).ok_or_else(|| BoardError::Unknown {
            name: name.to_owned(),
            known: self.names().collect::<Vec<_>>().join(", "),
        })
    }
}

fn parse(path: &Path, text: &str) -> Result<Board, BoardError> {
    let board: Board = toml::from_str(text)
        .map_err(|source| BoardError::Malformed { path: path.to_owned(), source: Box::new(source) })?;
    words::check(&board).map_err(|word| BoardError::Word { path: path.to_owned(), word })?;
    Ok(board)
}

fn read_dir(dir: &Path) -> Result<Vec<Board>, BoardError> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| BoardError::Read { path, source }
    };
    let mut boards = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed(dir))? {
        let path = entry.map_err(failed(dir))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = local_file::read_text(&path, TEXT_LIMIT).map_err(failed(&path))?;
            boards.push(parse(&path, &text)?);
        }
    }
    Ok(boards)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_profile_is_named_as_its_file() {
        let boards = Boards::load(None).unwrap();
        for (file, _) in BUILT_IN {
            let name = file.strip_suffix(".toml").unwrap();
            assert_eq!(boards.get(name).unwrap().name, name);
        }
        assert_eq!(boards.0.len(), BUILT_IN.len());
    }

    #[test]
    fn a_profile_is_complete() {
        for board in Boards::load(None).unwrap().iter() {
            assert!(!board.media.is_empty() && !board.qemu.console.is_empty(), "{}", board.name);
            assert_eq!(!board.filters.is_empty(), board.boot == BootMethod::RaspberryPi, "{}", board.name);
            assert_eq!(board.kernel.is_some(), board.boot == BootMethod::RaspberryPi, "{}", board.name);
            assert!(board.flash.is_some(), "{}: what to do with the image", board.name);
            assert!(board.console.is_some() || board.name.starts_with("pc"), "{}: its console", board.name);
        }
    }

    #[test]
    fn an_unknown_board_is_answered_with_the_known_ones() {
        let error = Boards::load(None).unwrap().get("cm5x").unwrap_err().to_string();
        assert_eq!(
            error,
            "unknown board \"cm5x\"; known boards: cm4, cm5, pc, pc-arm64, pi2, pi3, pi4, pi5, qemu-amd64, qemu-arm64, turing-pi-2-cm4, turing-pi-2-cm5, zero2w"
        );
    }

    #[test]
    fn a_users_profile_overrides_and_a_typo_in_it_is_shown() {
        let dir = tempfile::tempdir().unwrap();
        let mine = include_str!("../../board-profiles/cm4.toml").replace("CM4 Lite", "mine");
        let marked = format!("\u{feff}{}", mine.replace('\n', "\r\n"));
        fs::write(dir.path().join("x.toml"), marked).unwrap();
        let boards = Boards::load(Some(dir.path())).unwrap();
        assert!(boards.get("cm4").unwrap().title.contains("mine"));

        fs::write(dir.path().join("y.toml"), "name = \"y\"\ntitel = \"typo\"\n").unwrap();
        let error = Boards::load(Some(dir.path())).unwrap_err();
        let BoardError::Malformed { source, .. } = error else { panic!("{error}") };
        assert!(source.to_string().contains("titel"), "{source}");
    }
}
