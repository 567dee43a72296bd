//! Which partition of the image a name leads to.

use std::fmt;

use crate::formats::device::{DeviceName, KernelName};

use super::super::image::PartitionRole;
use super::{Chain, Leads, PartitionNames};

impl PartitionNames {
    /// Whether the name is one of this partition's, wherever its disk is. UUIDs are compared without regard to case.
    pub fn is_named(&self, name: &DeviceName) -> bool {
        let same = |own: &Option<String>, other: &String| own.as_ref() == Some(other);
        let same_id =
            |own: &Option<String>, id: &str| own.as_ref().is_some_and(|own| own.eq_ignore_ascii_case(id));
        match name {
            DeviceName::Label(label) => same(&self.label, label),
            DeviceName::PartLabel(label) => same(&self.partlabel, label),
            DeviceName::Uuid(uuid) => same_id(&self.uuid, uuid),
            DeviceName::PartUuid(uuid, 0) => same_id(&self.partuuid, uuid),
            _ => false,
        }
    }

    /// The name for a configuration: the one that the kernel knows without help.
    fn best_name(&self) -> String {
        let names = [("PARTUUID", &self.partuuid), ("UUID", &self.uuid), ("LABEL", &self.label)];
        let name = names.into_iter().find_map(|(tag, value)| Some(format!("{tag}={}", value.as_ref()?)));
        name.unwrap_or_else(|| format!("a name of partition {}", self.number))
    }
}

impl fmt::Display for PartitionNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "partition {}", self.number)?;
        match (self.role, &self.label) {
            (Some(role), Some(label)) => write!(f, " ({}, {label:?})", role.as_str()),
            (Some(role), None) => write!(f, " ({})", role.as_str()),
            (None, Some(label)) => write!(f, " ({label:?})"),
            (None, None) => Ok(()),
        }
    }
}

impl Chain<'_> {
    /// The partition of the image that has the name.
    pub(super) fn named(&self, name: &DeviceName) -> Option<&PartitionNames> {
        let all = &self.facts.partitions;
        if let DeviceName::PartUuid(uuid, offset) = name
            && *offset != 0
        {
            let base = self.named(&DeviceName::PartUuid(uuid.clone(), 0))?;
            let number = i64::from(base.number).checked_add(*offset)?;
            return all.iter().find(|partition| i64::from(partition.number) == number);
        }
        all.iter().find(|partition| partition.is_named(name))
    }

    /// Where a name leads that must lead to the partition with this role.
    pub(super) fn device(&self, text: &str, role: PartitionRole) -> Leads {
        let name = DeviceName::parse(text);
        let Some(wanted) = self.partition(role) else { return Leads::To("no partition".to_owned()) };
        let hint =
            format!("use {}, which is the {} partition of this image", wanted.best_name(), role.as_str());
        match &name {
            DeviceName::Kernel(kernel) => self.of_machine(kernel, wanted, hint),
            DeviceName::ByPath => {
                Leads::unsure("names the plug of a disk, so the image starts only in that plug", hint)
            }
            DeviceName::ById => Leads::nowhere("names one certain disk by its serial number", hint),
            _ => match self.named(&name) {
                Some(found) if found.number == wanted.number => Leads::To(found.to_string()),
                Some(found) => Leads::nowhere(format!("leads to {found}"), hint),
                None => Leads::nowhere(nothing(&name), hint),
            },
        }
    }

    /// A name of the kernel's: right only on some media.
    fn of_machine(&self, name: &KernelName, wanted: &PartitionNames, hint: String) -> Leads {
        match name.partition {
            Some(number) if number == wanted.number => {}
            Some(number) => return Leads::nowhere(format!("names partition {number} of a disk"), hint),
            None => return Leads::nowhere("names a whole disk", hint),
        }
        let driver = name.driver;
        let depends = || {
            Leads::unsure(
                format!("is right only on {driver}, and while no other disk comes first"),
                hint.clone(),
            )
        };
        let Some(media) = self.board.map(|board| board.media).filter(|media| !media.is_empty()) else {
            return depends();
        };
        let fitting = media.iter().filter(|medium| medium.is_driven_by(driver)).count();
        let list = || media.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match fitting {
            0 => Leads::nowhere(format!("is {driver}, and the board boots from {}", list()), hint),
            // A disk of the kind `disk` may have two drivers.
            all if all == media.len() && name.first && !media.contains(&super::Medium::Disk) => {
                Leads::To(format!("{wanted} on {driver}"))
            }
            _ => depends(),
        }
    }
}

fn nothing(name: &DeviceName) -> &'static str {
    match name {
        DeviceName::Label(_) => "names no file system of this image: none has this label",
        DeviceName::Uuid(_) => "names no file system of this image: the ID is of another disk",
        DeviceName::PartLabel(_) => "names no partition of this image: none has this name",
        DeviceName::PartUuid(..) => "names no partition of this image: the ID is of another disk",
        _ => "names no partition of this image",
    }
}
