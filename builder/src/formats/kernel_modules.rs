//! The modules of a kernel, from `/lib/modules/<release>/modules.dep` and `modules.builtin`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// More names than any kernel has modules: a list with more is none.
const MOST: usize = 100_000;

/// The modules of one kernel, loadable or built in. A hyphen in a name equals an underscore, as for modprobe.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KernelModules {
    names: BTreeSet<String>,
}

impl KernelModules {
    /// Reads the two lists: lines `path/x.ko[.xz]: dependencies` (depmod's modules.dep(5)) and lines `path/x.ko`.
    pub fn parse(dep: &str, builtin: &str) -> Self {
        let loadable = dep.lines().filter_map(|line| line.split_once(':')).map(|(path, _)| path);
        Self { names: loadable.chain(builtin.lines()).filter_map(name).take(MOST).collect() }
    }

    /// Whether the kernel has the module.
    pub fn has(&self, module: &str) -> bool {
        self.names.contains(&module.replace('-', "_"))
    }

    /// The number of modules.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The modules of both kernels.
    pub fn common(&self, other: &Self) -> Self {
        Self { names: self.names.intersection(&other.names).cloned().collect() }
    }
}

fn name(path: &str) -> Option<String> {
    let file = path.trim().rsplit('/').next()?;
    let (name, _compression) = file.split_once(".ko")?;
    Some(name.replace('-', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loadable_and_built_in_modules_are_found_by_name() {
        let modules = KernelModules::parse(
            "kernel/net/bridge/br_netfilter.ko.xz: kernel/net/bridge/bridge.ko.xz\nkernel/drivers/usb-storage.ko:\n\n\
             kernel/drivers/net/veth.ko.zst:\n",
            "kernel/fs/overlayfs/overlay.ko\n",
        );
        for there in ["br_netfilter", "br-netfilter", "usb_storage", "overlay", "veth"] {
            assert!(modules.has(there), "{there}");
        }
        for absent in ["bridge", "vxlan", ""] {
            assert!(!modules.has(absent), "{absent}");
        }
        assert_eq!(KernelModules::parse("", ""), KernelModules::default());
        let other = KernelModules::parse("x/veth.ko:\n", "");
        let both = modules.common(&other);
        assert!(both.has("veth") && !both.has("overlay"));
    }
}
