//! The command line: one file a command, each its arguments and a few lines of glue.

mod ask;
mod boards;
mod build;
mod build_args;
mod build_first;
mod cache;
mod cat;
mod diff;
mod doctor;
mod exit;
mod flash;
mod images;
mod init;
mod inspect;
mod ls;
mod output;
mod overlays;
mod place;
mod plan;
mod rotate;
#[cfg(unix)]
mod run;
#[cfg(unix)]
mod run_images;
#[cfg(unix)]
mod run_view;
mod update;
mod vendor;
mod watch;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::interrupt::Interrupt;
use crate::progress;
use crate::session::Session;
use crate::source::base::{self, UnpackedBase};

/// Turn stock Raspberry Pi OS, Debian and Ubuntu images into k3s appliances, offline.
#[derive(Debug, Parser)]
#[command(name = "hcimage", version, max_term_width = 80, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  hcimage build --board cm4
  hcimage build --board cm4 --hostname pi-1 --address 192.168.1.10/24 \\
      --gateway 192.168.1.1 --dns 192.168.1.1
  hcimage init
  hcimage inspect raspios.img
  hcimage cat hc-1-cm4.img:/boot/firmware/cmdline.txt

Exit codes:
  0 done   1 failed   2 wrong usage   3 image or board not supported
  4 an input is damaged or not what was promised";

#[derive(Debug, Subcommand)]
enum Command {
    Init(Box<init::Args>),
    Build(Box<build::Args>),
    Plan(Box<plan::Args>),
    Boards(boards::Args),
    Inspect(inspect::Args),
    Ls(ls::Args),
    Cat(cat::Args),
    Diff(diff::Args),
    Doctor(doctor::Args),
    Rotate(rotate::Args),
    Flash(Box<flash::Args>),
    #[cfg(unix)]
    Run(Box<run::Args>),
    Watch(watch::Args),
    Update(Box<update::Args>),
    Vendor(Box<vendor::Args>),
    Images(Box<images::Args>),
    Overlays(overlays::Args),
    Cache(cache::Args),
}

/// Runs the program with the process's arguments.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    match cli.command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if output::is_output_closed(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Without stderr there is nowhere to report to.
            let _ = exit::print_chain(&mut output::stderr(), &error);
            ExitCode::from(exit::class(&error).code())
        }
    }
}

/// Prints what is wrong with the arguments, or the help that was asked for: an argument may be the name of a foreign file.
fn refuse(error: &clap::Error) -> ExitCode {
    let text = error.render();
    // Without a stream there is nowhere to report to.
    let _ = match error.use_stderr() {
        true => write!(output::stderr(), "{text}"),
        false if output::coloured() => write!(output::coloured_stdout(), "{}", text.ansi()),
        false => write!(output::stdout(), "{text}"),
    };
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1))
}

/// The user's cache, progress on stderr, and Ctrl-C caught from now on.
fn session() -> anyhow::Result<Session> {
    let interrupt = Interrupt::install().context("catching Ctrl-C")?;
    Ok(Session::of_user(interrupt, progress::on_stderr())?)
}

/// An image that can be read.
struct Readable {
    path: PathBuf,
    /// A copy that must not be kept is removed with this.
    _unpacked: Option<UnpackedBase>,
}

/// A raw image itself. A packed one is unpacked: a stock image into the cache, once; one that hcimage built holds secrets,
/// and is removed after use.
fn unpacked(image: &Path) -> anyhow::Result<Readable> {
    if !base::is_packed(image)? {
        return Ok(Readable { path: image.to_owned(), _unpacked: None });
    }
    let unpacked = base::obtain_file(&session()?.cx(), image)?;
    Ok(Readable { path: unpacked.image.clone(), _unpacked: Some(unpacked) })
}

impl Command {
    fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Init(args) => args.run(),
            Self::Build(args) => args.run(),
            Self::Plan(args) => args.run(),
            Self::Boards(args) => args.run(),
            Self::Inspect(args) => args.run(),
            Self::Ls(args) => args.run(),
            Self::Cat(args) => args.run(),
            Self::Diff(args) => args.run(),
            Self::Doctor(args) => args.run(),
            Self::Rotate(args) => args.run(),
            Self::Flash(args) => args.run(),
            #[cfg(unix)]
            Self::Run(args) => args.run(),
            Self::Watch(args) => args.run(),
            Self::Update(args) => args.run(),
            Self::Vendor(args) => args.run(),
            Self::Images(args) => args.run(),
            Self::Overlays(args) => args.run(),
            Self::Cache(args) => args.run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cluster::DataDisk;
    use crate::source::INPUT_FORMATS;

    #[test]
    fn the_command_line_is_well_formed_and_explained() {
        let mut command = Cli::command();
        command.clone().debug_assert();
        command.build();
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            assert!(sub.get_about().is_some(), "{} has no help", sub.get_name());
            for argument in sub.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {}", sub.get_name(), argument.get_id());
            }
        }
    }

    #[test]
    fn help_says_what_is_the_default_and_what_is_unpacked() {
        let mut command = Cli::command();
        command.build();
        let help = command.find_subcommand_mut("build").unwrap().render_long_help().to_string();
        let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for text in [INPUT_FORMATS, &format!("a disk labelled {} is used", DataDisk::DEFAULT_LABEL)] {
            assert!(words.contains(text), "{text}: {words}");
        }
    }

    #[test]
    fn help_fits_80_columns() {
        let mut command = Cli::command();
        command.build();
        let names: Vec<_> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
        for name in names {
            let help = command.find_subcommand_mut(&name).unwrap().render_long_help().to_string();
            for line in help.lines() {
                assert!(line.chars().count() <= 80, "{name}: {line}");
            }
        }
    }
}
