//! What the project's own tests have proved of bases on boards: compiled in, as the tests left it.

use serde::Serialize;

/// Written by `make support-table`.
const PROOFS: &str = include_str!("../../board-profiles/proofs.tsv");

/// How far the tests came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// An image was built, and judged by the checkers and by the programs that read its files.
    Edited,
    /// Besides, it booted in QEMU, and its node became Ready.
    Booted,
}

/// One base on one board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// The base image, by the name of the recipe in `tests/bases`; `-like` are look-alikes.
    pub base: &'static str,
    /// How far the tests came.
    pub level: Level,
}

/// All that is proved of images for a board.
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
