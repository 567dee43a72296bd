//! cloud-init, by what runs: which package it comes from is a matter of the release (`cloud-init-base` since Ubuntu 24.10).

use crate::formats::cloud_cfg::{self, DataSources};
use crate::formats::user_data::{self, effects};
use crate::fs::{ImagePath, Kind};

use super::super::error::OsError;
use super::super::facts::Swap;
use super::super::first_boot::{CloudInit, UserDataEffect};
use super::super::image::fixed;
use super::{Probe, bad_path, root};

/// No file of cloud-init's configuration is larger.
const LIMIT: u64 = 1 << 20;

/// The program, what finds its data source, and what starts it. Any of them is enough: a half of it does no harm if it is
/// taken for the whole.
const RUNS: [&str; 5] = [
    "/usr/bin/cloud-init",
    "/usr/lib/cloud-init/ds-identify",
    "/usr/lib/systemd/system-generators/cloud-init-generator",
    "/usr/lib/systemd/system/cloud-init-local.service",
    "/usr/lib/systemd/system/cloud-init-main.service",
];

/// Its files.
pub(super) struct CloudFiles {
    /// Its own configuration, in the order in which it is read.
    configuration: Vec<(ImagePath, String)>,
    /// User data and vendor data that are texts.
    seeds: Vec<(ImagePath, String)>,
    disabled: bool,
}

impl Probe<'_> {
    pub(super) fn cloud_files(&self, arguments: &str) -> Result<Option<CloudFiles>, OsError> {
        let mut runs = false;
        for path in RUNS {
            runs |= self.exists(path)?;
        }
        if !runs {
            return Ok(None);
        }
        let main = fixed(cloud_cfg::PATH);
        let mut configuration = vec![(main, self.text(cloud_cfg::PATH, LIMIT)?.unwrap_or_default())];
        let dir = self.tree.resolve(&fixed(cloud_cfg::DIR)).map_err(root)?;
        if self.tree.kind(&dir).map_err(root)? == Some(Kind::Dir) {
            // Sorted already, as cloud-init reads them.
            for entry in self.tree.list(&dir).map_err(root)? {
                if entry.name.ends_with(".cfg") {
                    let path = dir.join(&entry.name).map_err(|bad| bad_path(&entry.name, &bad))?;
                    let text = self.text(path.as_str(), LIMIT)?.unwrap_or_default();
                    configuration.push((path, text));
                }
            }
        }
        let mut seeds = Vec::new();
        let beside_boot = user_data::NAMES.map(|name| format!("{}/{name}", self.boot_dir));
        for path in beside_boot.iter().map(String::as_str).chain(user_data::PATHS) {
            let path = self.tree.resolve(&fixed(path)).map_err(root)?;
            let stat = self.tree.stat(&path).map_err(root)?;
            if stat.is_none_or(|stat| stat.kind != Kind::File || stat.size > LIMIT) {
                continue;
            }
            // What is no text is an error when the image is planned, and to be seen here.
            if let Ok(text) = String::from_utf8(self.tree.read(&path, LIMIT).map_err(root)?) {
                seeds.push((path, text));
            }
        }
        let by_word = arguments.split_whitespace().any(|word| word == "cloud-init=disabled");
        let disabled = by_word || self.exists("/etc/cloud/cloud-init.disabled")?;
        Ok(Some(CloudFiles { configuration, seeds, disabled }))
    }
}

impl CloudFiles {
    pub(super) fn facts(&self) -> CloudInit {
        let DataSources { list, seed } = cloud_cfg::datasources(self.texts());
        let effects = self.seeds.iter().flat_map(|(file, text)| {
            let of_file = |effect: user_data::Effect| UserDataEffect {
                file: file.clone(),
                key: effect.key.to_owned(),
                does: effect.does.to_owned(),
            };
            effects(text).into_iter().map(of_file)
        });
        CloudInit { disabled: self.disabled, datasources: list, seed, effects: effects.collect() }
    }

    /// The settings by which it would switch swap on.
    pub(super) fn swap(&self) -> Vec<Swap> {
        let found = |file: &ImagePath, key: &str| Swap::CloudInit { file: file.clone(), key: key.to_owned() };
        let own = cloud_cfg::swap_keys(self.texts());
        let own =
            own.into_iter().filter_map(|(number, key)| Some(found(&self.configuration.get(number)?.0, key)));
        let seeds = self.seeds.iter();
        let of_seeds =
            seeds.flat_map(|(file, text)| user_data::swap_keys(text).into_iter().map(|key| found(file, key)));
        own.chain(of_seeds).collect()
    }

    fn texts(&self) -> impl Iterator<Item = &str> {
        self.configuration.iter().map(|(_, text)| text.as_str())
    }
}
