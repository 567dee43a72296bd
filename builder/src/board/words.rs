//! The words of a profile that reach file names, the kernel and QEMU: each has one strict form, since a profile may be a
//! stranger's. Options of QEMU's machines can write files and load programs.

use super::{Board, Qemu};

/// A word of a profile that is not of its form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {key}: expected {expected}, found {found:?}")]
pub struct InvalidWord {
    key: &'static str,
    expected: &'static str,
    found: String,
}

/// Options of QEMU's machines that only say how the machine is built, each with a plain value.
const MACHINE_OPTIONS: [&str; 9] =
    ["acpi", "gic-version", "highmem", "hpet", "its", "secure", "smm", "usb", "virtualization"];

/// The longest word.
const LONGEST: usize = 64;

pub(super) fn check(board: &Board) -> Result<(), InvalidWord> {
    let Board { name, device_trees, console, qemu, .. } = board;
    let Qemu { machine, cpu, console: serial, device_tree } = qemu;
    let is_name =
        |name: &str| is_word(name, "-") && !name.starts_with('-') && name == name.to_ascii_lowercase();
    require("name", name, "lowercase letters, digits and hyphens", is_name(name))?;
    for tree in device_trees.iter().chain(device_tree) {
        require("device tree", tree, "the name of a file", is_word(tree, "-_.+") && !tree.starts_with('.'))?;
    }
    require(
        "machine",
        machine,
        "the name of a QEMU machine, and of its options only such as highmem=off",
        is_machine(machine),
    )?;
    require("cpu", cpu, "the name of a QEMU processor", is_word(cpu, "-_."))?;
    for console in console.iter().chain([serial]) {
        let expected = "a serial device such as ttyS0 or serial0,115200";
        require("console", console, expected, is_word(console, ",") && !console.starts_with(','))?;
    }
    Ok(())
}

fn is_machine(text: &str) -> bool {
    let mut parts = text.split(',');
    let option = |option: &str| {
        option
            .split_once('=')
            .is_some_and(|(key, value)| MACHINE_OPTIONS.contains(&key) && is_word(value, "-"))
    };
    parts.next().is_some_and(|name| is_word(name, "-_.")) && parts.all(option)
}

fn is_word(text: &str, others: &str) -> bool {
    (1..=LONGEST).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

fn require(key: &'static str, found: &str, expected: &'static str, good: bool) -> Result<(), InvalidWord> {
    if good { Ok(()) } else { Err(InvalidWord { key, expected, found: found.chars().take(80).collect() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_has_only_options_that_build_it() {
        for good in
            ["virt", "q35", "raspi3b", "virt,highmem=off", "pc-q35-9.2,smm=off,usb=on", "virt,gic-version=3"]
        {
            assert!(is_machine(good), "{good}");
        }
        for bad in [
            "",
            "virt,dumpdtb=/home/u/file",
            "virt,dumpdtb=file",
            "virt,dtb=x",
            "virt,kernel=x",
            "virt,highmem",
            "virt,highmem=off,",
            "virt,,x=y",
            "virt -drive file=/x",
            "virt,memory-backend=x",
            "virt,firmware=/x",
            "virt,type=/x",
            "virt,highmem=/x",
            "virt\n",
        ] {
            assert!(!is_machine(bad), "{bad}");
        }
    }

    #[test]
    fn a_profile_with_another_word_is_refused_by_its_key() {
        let good = include_str!("../../../board-profiles/cm4.toml");
        let profile = |from: &str, to: &str| {
            assert!(good.contains(from), "{from}");
            let board: Board = toml::from_str(&good.replacen(from, to, 1)).unwrap();
            check(&board)
        };
        assert_eq!(profile("cm4", "cm4"), Ok(()));
        for (from, to, key) in [
            ("name = \"cm4\"", "name = \"../../x\"", "name"),
            ("\"virt\"", "\"virt,dumpdtb=/any/file\"", "machine"),
            ("\"cortex-a72\"", "\"max,x=/y\"", "cpu"),
            ("\"ttyAMA0\"", "\"ttyAMA0 init=/bin/sh\"", "console"),
            ("\"serial0,115200\"", "\"tty0\\u001b[2J\"", "console"),
            ("[\"bcm2711\"]", "[\"../bcm2711\"]", "device tree"),
        ] {
            let error = profile(from, to).unwrap_err().to_string();
            assert!(error.starts_with(&format!("invalid {key}: expected ")), "{error}");
        }
    }
}
