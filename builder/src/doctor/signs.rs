//! Words of the kernel that tell of a dying card or a weak power supply.

use super::findings::{Finding, Severity};
use crate::exit_class::ExitClass;

/// What some lines of a log mean.
struct Sign {
    /// Any of these in a line; `&` separates words that must all be in it.
    words: &'static [&'static str],
    meaning: &'static str,
    advice: &'static str,
    severity: Severity,
}

const REPLACE: &str = "save what you need of it, and flash another card: a card that fails once fails again; if a new one does \
    too, it is the reader, the slot or the power supply";

/// Messages of Linux 5.10 to 6.12; the most telling first.
const SIGNS: [Sign; 4] = [
    Sign {
        words: &["EXT4-fs error", "EXT4-fs&emounting filesystem read-only", "Detected aborted journal"],
        meaning: "the kernel found the file system damaged while the node ran",
        advice: REPLACE,
        severity: Severity::Problem,
    },
    Sign {
        words: &[
            "I/O error, dev mmcblk",
            "I/O error, dev sd",
            "I/O error, dev nvme",
            "Buffer I/O error on dev",
        ],
        meaning: "a disk did not read or write",
        advice: REPLACE,
        severity: Severity::Problem,
    },
    Sign {
        words: &[
            "mmc&Timeout waiting for hardware",
            "mmc&error -110",
            "mmc&error -84",
            "Card stuck being busy",
            "Card stuck in programming state",
        ],
        meaning: "the card did not answer its slot in time",
        advice: "push it in again, and check the power supply; if it happens again, use another card",
        severity: Severity::Problem,
    },
    Sign {
        words: &["Under-voltage detected", "Undervoltage detected"],
        meaning: "the board had too little voltage, which also damages what is written to a card meanwhile",
        advice: "use the board's own power supply and a short, thick cable, and unplug what it feeds by USB",
        severity: Severity::Warning,
    },
];

/// A finding for each sign, with how often it was seen and its last line.
pub(super) fn of_kernel<'a>(lines: impl Iterator<Item = &'a str> + Clone) -> Vec<Finding> {
    let seen = |sign: &'static Sign| {
        let matching = lines.clone().filter(|line| sign.words.iter().any(|words| has(line, words)));
        let (count, last) = matching.fold((0_usize, ""), |(count, _), line| (count.saturating_add(1), line));
        (count > 0).then(|| {
            let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
            let what = format!("{} ({times}, last: {})", sign.meaning, last.trim());
            Finding::new(sign.severity, what, sign.advice, ExitClass::Failed)
        })
    };
    SIGNS.iter().filter_map(seen).collect()
}

fn has(line: &str, words: &str) -> bool {
    words.split('&').all(|word| line.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_real_kernels_are_told_in_words() {
        for (line, words) in [
            ("mmc0: Timeout waiting for hardware interrupt.", "did not answer"),
            ("mmcblk0: error -110 sending status command, retrying", "did not answer"),
            (
                "I/O error, dev mmcblk0, sector 5767200 op 0x1:(WRITE) flags 0x800 phys_seg 1 prio class 2",
                "read or write",
            ),
            (
                "EXT4-fs error (device mmcblk0p2): ext4_find_entry:1455: inode #2: comm systemd: reading directory",
                "damaged",
            ),
            ("EXT4-fs (mmcblk0p2): Remounting filesystem read-only", "damaged"),
            ("hwmon hwmon1: Undervoltage detected!", "voltage"),
            ("EXT4-fs (mmcblk0p2): mounted filesystem with ordered data mode", ""),
            ("mmc0: new high speed SDXC card at address aaaa", ""),
        ] {
            let found = of_kernel([line].into_iter());
            let told: Vec<&str> = found.iter().map(|finding| finding.what.as_str()).collect();
            assert!(told.len() == usize::from(!words.is_empty()), "{line}: {told:?}");
            assert!(told.iter().all(|what| what.contains(words)), "{line}: {told:?}");
        }
        let twice =
            of_kernel(["x Under-voltage detected! (0x00050005)", "y Under-voltage detected!"].into_iter());
        assert!(twice[0].what.contains("2 times, last: y"), "{twice:?}");
    }
}
