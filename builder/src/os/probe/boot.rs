//! How the image boots: boot loader, its files, and the kernels.

use std::cell::RefCell;

use crate::formats::config_txt;
use crate::formats::kernel_modules::KernelModules;
use crate::fs::{ImagePath, Kind};

use super::super::boot::all_settings;
use super::super::error::OsError;
use super::super::facts::Bootloader;
use super::super::image::fixed;
use super::super::kernel::Kernel;
use super::{Probe, boot, root};

/// Configuration files on the FAT are a few kilobytes.
const LIMIT: u64 = 1 << 20;

/// Lists of modules have below 2 MiB.
const MODULES_LIMIT: u64 = 8 << 20;

impl Probe<'_> {
    /// GRUB where there is no `config.txt`; whether either is complete is for the recognition to say.
    pub(super) fn bootloader(&self, boot_partition: u32) -> Result<Bootloader, OsError> {
        let config_path = self.below_boot("config.txt")?;
        let Some(config) = self.text(config_path.as_str(), LIMIT)? else {
            return Ok(Bootloader::Grub { config: fixed("/boot/grub/grub.cfg") });
        };
        let bad = |problem: String| OsError::File { path: config_path.to_string(), problem };
        let failed = RefCell::new(None);
        let include = |name: &str| {
            let text = self.below_boot(name).and_then(|path| self.text(path.as_str(), LIMIT));
            text.unwrap_or_else(|error| {
                failed.borrow_mut().get_or_insert(error);
                None
            })
        };
        let unclear = |error: config_txt::Unclear| bad(error.to_string());
        let settings = config_txt::settings(&config, &include).map_err(unclear)?;
        if let Some(error) = failed.into_inner() {
            return Err(error);
        }
        let files = config_txt::boot_files(&settings).map_err(unclear)?;
        let config_txt::BootFiles { prefix, cmdline, kernels } = files;
        // The firmware drops a prefix with which it finds no kernel; then another file than ours would count.
        let needed = kernels.iter().chain([&cmdline]).map(|name| format!("{prefix}{name}"));
        for name in needed.filter(|_| !prefix.is_empty()) {
            if !self.tree.exists(&self.below_boot(&name)?).map_err(boot)? {
                return Err(bad(format!("it has os_prefix={prefix}, but {name} does not exist")));
            }
        }
        let is_named =
            settings.iter().any(|setting| setting.key == "cmdline" && !setting.condition.is_never());
        let cmdline = self.below_boot(&format!("{prefix}{cmdline}"))?;
        if is_named && !self.tree.exists(&cmdline).map_err(boot)? {
            return Err(bad(format!(
                "its line cmdline= names {cmdline}, which does not exist: remove the line, or restore the file"
            )));
        }
        let autoboot = self.text(self.below_boot(config_txt::AUTOBOOT)?.as_str(), LIMIT)?.unwrap_or_default();
        Ok(Bootloader::PiFirmware {
            cmdline,
            device_trees: self.device_trees(&prefix)?,
            prefix,
            kernels: kernels.into_iter().collect(),
            settings: all_settings(settings, &autoboot),
            boot_partition,
        })
    }

    /// In the directory that the prefix leads to; the firmware looks nowhere else.
    fn device_trees(&self, prefix: &str) -> Result<Vec<String>, OsError> {
        let dir = match prefix.rsplit_once('/') {
            Some((dir, _)) => self.below_boot(dir)?,
            None => self.boot_dir.clone(),
        };
        let names = self.tree.list(&dir).map_err(boot)?.into_iter().map(|entry| entry.name);
        Ok(names.filter(|name| name.ends_with(".dtb")).collect())
    }

    pub(super) fn below_boot(&self, name: &str) -> Result<ImagePath, OsError> {
        self.boot_dir
            .join(name)
            .map_err(|bad| OsError::File { path: self.boot_dir.to_string(), problem: bad.to_string() })
    }

    /// The kernels with modules, by release.
    pub(super) fn kernels(&self) -> Result<Vec<Kernel>, OsError> {
        let dir = self.tree.resolve(&fixed("/lib/modules")).map_err(root)?;
        if self.tree.stat(&dir).map_err(root)?.is_none() {
            return Ok(Vec::new());
        }
        let mut kernels = Vec::new();
        for entry in self.tree.list(&dir).map_err(root)? {
            let list = |name: &str| self.text(&format!("{dir}/{}/{name}", entry.name), MODULES_LIMIT);
            if entry.kind == Kind::Dir {
                let dep = list("modules.dep")?.unwrap_or_default();
                let builtin = list("modules.builtin")?.unwrap_or_default();
                let modules = KernelModules::parse(&dep, &builtin);
                kernels.push(Kernel { release: entry.name, modules });
            }
        }
        Ok(kernels)
    }
}
