//! What a network service would do at the next start of the machine, by its files.

use std::fmt;

/// What sets up the node's port at the next start of the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AtBoot {
    /// Files of hcimage, or of the base and with the same result.
    AsWanted,
    /// A setting of the base, whatever the files of hcimage say.
    Otherwise(Setting),
    /// Nothing, and the setting that is the reason for it, if one is.
    Nothing(Option<Setting>),
}

impl AtBoot {
    /// The setting that keeps the service from doing what is wanted.
    pub fn obstacle(self) -> Option<Setting> {
        match self {
            Self::AsWanted => None,
            Self::Otherwise(setting) | Self::Nothing(Some(setting)) => Some(setting),
            Self::Nothing(None) => Some(Setting {
                place: "the files of the network service".to_owned(),
                effect: "no file sets up the node's port".to_owned(),
                cure: "name the node's `interface`".to_owned(),
            }),
        }
    }
}

/// A setting of the base that decides over the node's port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The file, with the line or the section.
    pub place: String,
    /// What it does to the port.
    pub effect: String,
    /// What to change, so that hcimage's files decide.
    pub cure: String,
}

impl Setting {
    pub(super) fn new(place: impl Into<String>, effect: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { place: place.into(), effect: effect.into(), cure: cure.into() }
    }

    /// In a line of a file.
    pub(super) fn in_line(
        path: &str,
        line: usize,
        effect: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self::new(format!("{path}, line {line}"), effect, cure)
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.effect, self.cure)
    }
}
