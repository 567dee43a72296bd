//! Everything in an image that would make swap.

use crate::formats::{dphys_swapfile, fstab, zram_generator};
use crate::fs::{ImagePath, Kind};

use super::super::error::OsError;
use super::super::facts::Swap;
use super::super::image::{OsImage, fixed};
use super::super::snapshot::Snapshot;
use super::cloud_init::CloudFiles;
use super::{Probe, bad_path, installed, root};
use crate::disk::PartitionType;

/// Where a unit of the image may lie; the first one that has it counts (systemd.unit(5)).
const UNITS: [&str; 3] = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

/// systemd's GPT generator switches on what has this type where fstab has no line for it (Discoverable Partitions
/// Specification).
const GPT_SWAP: uuid::Uuid = uuid::uuid!("0657fd6d-a4ab-43c4-84e5-0933c84b4f4f");

impl Probe<'_> {
    pub(super) fn swap(
        &self,
        image: &OsImage,
        files: &mut Snapshot,
        status: &str,
        cloud: Option<&CloudFiles>,
    ) -> Result<Vec<Swap>, OsError> {
        let mut found = Vec::new();
        let config = files.take_text(self.tree, &fixed(dphys_swapfile::PATH)).map_err(root)?;
        if let Some(config) = config {
            let file = self.swap_file(dphys_swapfile::PATH, &dphys_swapfile::swap_file(config))?;
            found.push(Swap::DphysSwapfile { file });
        }
        // By its generator, which is what makes the swap; the package's name is only where that comes from.
        let rpi = self.exists("/usr/lib/systemd/system-generators/rpi-swap-generator")?;
        if rpi {
            found.push(Swap::RpiSwap);
        }
        if !rpi && self.zram_generator(files)? {
            found.push(Swap::ZramGenerator);
        }
        for (package, unit) in [("zram-tools", "zramswap.service"), ("zram-config", "zram-config.service")] {
            if installed(status, package)? {
                found.push(Swap::ZramService { unit: unit.to_owned() });
            }
        }
        let fstab = files.take_text(self.tree, &fixed(fstab::PATH)).map_err(root)?.unwrap_or_default();
        for device in fstab::swaps(fstab) {
            let file = match device.starts_with('/') && !device.starts_with("/dev/") {
                true => self.swap_file(fstab::PATH, &device)?,
                false => None,
            };
            found.push(Swap::Fstab { device, file });
        }
        found.extend(self.swap_units()?.into_iter().map(|unit| Swap::Unit { unit }));
        found.extend(cloud.map(CloudFiles::swap).unwrap_or_default());
        let partitions = image.table().partitions.iter();
        let of_swap = partitions.filter(|partition| partition.kind == PartitionType::OtherGpt(GPT_SWAP));
        found.extend(of_swap.map(|partition| Swap::GptPartition { number: partition.number }));
        Ok(found)
    }

    /// Whether zram-generator is installed and one of its files has a device in it.
    fn zram_generator(&self, files: &mut Snapshot) -> Result<bool, OsError> {
        if !self.exists("/usr/lib/systemd/system-generators/zram-generator")? {
            return Ok(false);
        }
        let ours = files.take_text(self.tree, &fixed(zram_generator::PATH)).map_err(root)?;
        let text = match ours {
            Some(text) => Some(text.to_owned()),
            None => self.text("/usr/lib/systemd/zram-generator.conf", 1 << 16)?,
        };
        Ok(text.is_some_and(|text| zram_generator::has_device(&text)))
    }

    /// The file, if it was made already.
    fn swap_file(&self, config: &str, path: &str) -> Result<Option<ImagePath>, OsError> {
        let bad = |problem: String| OsError::File { path: config.to_owned(), problem };
        let file = ImagePath::parse(path).map_err(|error| bad(error.to_string()))?;
        let made = self.tree.kind(&file).map_err(root)? == Some(Kind::File);
        Ok(made.then_some(file))
    }

    /// Swap units (systemd.swap(5)), each once. One that is masked already switches nothing on.
    fn swap_units(&self) -> Result<Vec<String>, OsError> {
        let (mut seen, mut units) = (Vec::new(), Vec::new());
        for dir in UNITS {
            let dir = self.tree.resolve(&fixed(dir)).map_err(root)?;
            if self.tree.stat(&dir).map_err(root)?.is_none() {
                continue;
            }
            for entry in self.tree.list(&dir).map_err(root)? {
                if !entry.name.ends_with(".swap") || seen.contains(&entry.name) {
                    continue;
                }
                let path = dir.join(&entry.name).map_err(|bad| bad_path(&entry.name, &bad))?;
                let masked =
                    entry.kind == Kind::Symlink && self.tree.read_link(&path).map_err(root)? == "/dev/null";
                seen.push(entry.name.clone());
                if !masked {
                    units.push(entry.name);
                }
            }
        }
        Ok(units)
    }
}
