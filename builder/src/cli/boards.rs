//! `hcimage boards`.

use std::io::Write;
use std::path::PathBuf;

use hc_common::text::printable::printable;
use serde_json::{Value, json};

use crate::board::{Board, Boards, Storage};
use crate::support_matrix::{self, Level};
use crate::value::Role;

use super::output;

/// List the boards that images can be built for
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  hcimage boards")]
pub(super) struct Args {
    /// A directory of board profiles that override the built-in ones
    #[arg(long, value_name = "DIR")]
    profiles: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Args {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let boards = Boards::load(self.profiles.as_deref())?;
        if self.json {
            return output::print_json(&boards.iter().map(as_json).collect::<Vec<Value>>());
        }
        let mut out = output::stdout();
        let width = boards.names().map(str::len).max().unwrap_or_default();
        for board in boards.iter() {
            writeln!(out, "{:width$}  {}", printable(&board.name), printable(&board.title))?;
            writeln!(out, "{:width$}  {}", "", printable(&summary(board)))?;
            if let Some(console) = console(board) {
                writeln!(out, "{:width$}  {}", "", printable(&console))?;
            }
            writeln!(out, "{:width$}  {}", "", proved(&board.name))?;
        }
        Ok(out.flush()?)
    }
}

/// Architecture, media, roles and default base, in one line.
fn summary(board: &Board) -> String {
    let media: Vec<String> = board.media.iter().map(ToString::to_string).collect();
    let base = match &board.base {
        Some(base) => base.url.to_string(),
        None => "no default base".to_owned(),
    };
    let only = if board.roles == [Role::Agent] { ", agent only" } else { "" };
    format!("{} from {}{only}; {base}", board.architecture.debian(), media.join(", "))
}

/// The serial console, and the settings that it needs.
fn console(board: &Board) -> Option<String> {
    let settings: Vec<String> = board.config_txt.iter().map(ToString::to_string).collect();
    let set = if settings.is_empty() { String::new() } else { format!("; sets {}", settings.join(", ")) };
    board.console.as_ref().map(|console| format!("console {console}{set}"))
}

/// What was tested, in one line.
fn proved(board: &str) -> String {
    let proofs = support_matrix::of_board(board);
    let bases = |level: Level| {
        let bases = proofs
            .iter()
            .filter(|support_matrix| support_matrix.level == level)
            .map(|support_matrix| support_matrix.base);
        bases.collect::<Vec<_>>().join(", ")
    };
    let (booted, edited) = (bases(Level::Booted), bases(Level::Edited));
    match (booted.as_str(), edited.as_str()) {
        ("", "") => "not tested".to_owned(),
        ("", edited) => format!("tested: images built from {edited}"),
        (booted, "") => format!("tested: boots in QEMU from {booted}"),
        (booted, edited) => format!("tested: boots in QEMU from {booted}; images built from {edited}"),
    }
}

fn as_json(board: &Board) -> Value {
    json!({
        "name": board.name,
        "title": board.title,
        "architecture": board.architecture,
        "boot": board.boot,
        "kernel": board.kernel,
        "media": board.media,
        "slow_storage": board.storage == Storage::Card,
        "roles": board.roles.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "base": board.base.as_ref().map(|base| base.url.to_string()),
        "console": board.console,
        "config_txt": board.config_txt,
        "proofs": support_matrix::of_board(&board.name),
        "notes": board.flash.as_ref().map(|flash| &flash.notes),
    })
}
