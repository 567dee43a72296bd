//! Which bases the project's own tests have tried on which boards, compiled in.

use serde::Serialize;

/// Written by `make support-table`.
const PROOFS: &str = include_str!("../../board-profiles/proofs.tsv");

/// What was tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// An image was built, and checked by external tools.
    Edited,
    /// The image also booted in QEMU, and its node became Ready.
    Booted,
}

/// One base on one board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// The base image, by the name of the recipe in `tests/bases`; `-like` are look-alikes.
    pub base: &'static str,
    /// What was tested.
    pub level: Level,
}

/// All tested bases of a board; booted ones first.
pub fn of_board(board: &str) -> Vec<Proof> {
    let lines = PROOFS.lines().filter(|line| !line.starts_with('#'));
    let mut proofs: Vec<Proof> = lines
        .filter_map(|line| {
            let (base, rest) = line.split_once('\t')?;
            let (name, level) = rest.split_once('\t')?;
            let level = match level {
                "booted" => Level::Booted,
                "edited" => Level::Edited,
                _ => return None,
            };
            (name == board).then_some(Proof { base, level })
        })
        .collect();
    proofs.sort_by_key(|proof| proof.level == Level::Edited);
    proofs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read() {
        for line in PROOFS.lines().filter(|line| !line.starts_with('#')) {
            let words: Vec<&str> = line.split('\t').collect();
            let [base, board, level] = words[..] else { panic!("{line}") };
            let read = of_board(board).iter().any(|proof| proof.base == base);
            assert_eq!(read, level != "refused", "{line}");
        }
    }
}
