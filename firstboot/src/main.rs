//! `hc-firstboot`: sets up a k3s node on its first boot and reports the result.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hc_common::text::printable::printable;
use hc_firstboot::page::{self, Settings};
use hc_firstboot::report::{self, View};
use hc_firstboot::seed::{SEED_PATH, Seed};
use hc_firstboot::state::{Loaded, STATE_PATH, load};
use hc_firstboot::sys::{RealSystem, System};
use hc_firstboot::{announce, clock_gate, first_boot};
use lexopt::{Arg, ValueExt};
use signal_hook::consts::{SIGINT, SIGTERM};

const HELP: &str = "\
hc-firstboot: sets up a k3s node on its first boot and reports the result

Usage: hc-firstboot <command>

Commands:
  run         Run the phases of the first boot, or resume them
  clock-gate  Set the clock before k3s starts, with a time limit
  announce    Tell network, console and LED how it stands, until it is over
  withdraw    Take back what an announce that was killed has left
  serve       Show the report by HTTP, until some time after the node is Ready
  status      Print the progress of the first boot; with --json for programs

Options of serve:
  --listen ADDRESS:PORT  Instead of every address of the node at port 8680
  --file PATH            Instead of /run/hcimage/status.json

Options:
  -h, --help     Print this
  -V, --version  Print the version
";

enum Action {
    Run,
    ClockGate,
    Announce,
    Withdraw,
    Serve(Settings),
    Status { json: bool },
    Help,
    Version,
}

fn main() -> ExitCode {
    match parse(std::env::args_os().skip(1)) {
        Ok(action) => act(&action),
        Err(e) => {
            let _ = writeln!(io::stderr(), "hc-firstboot: {e}; see hc-firstboot --help");
            ExitCode::from(2)
        }
    }
}

fn parse(args: impl Iterator<Item = OsString>) -> Result<Action, lexopt::Error> {
    let mut parser = lexopt::Parser::from_args(args);
    let action = match parser.next()? {
        Some(Arg::Value(word)) if word == "run" => Action::Run,
        Some(Arg::Value(word)) if word == "clock-gate" => Action::ClockGate,
        Some(Arg::Value(word)) if word == "announce" => Action::Announce,
        Some(Arg::Value(word)) if word == "withdraw" => Action::Withdraw,
        Some(Arg::Value(word)) if word == "serve" => return parse_serve(&mut parser),
        Some(Arg::Value(word)) if word == "status" => return parse_status(&mut parser),
        Some(Arg::Short('h') | Arg::Long("help")) => Action::Help,
        Some(Arg::Short('V') | Arg::Long("version")) => Action::Version,
        Some(other) => return Err(other.unexpected()),
        None => return Err("missing command".into()),
    };
    match parser.next()? {
        Some(other) => Err(other.unexpected()),
        None => Ok(action),
    }
}

fn parse_serve(parser: &mut lexopt::Parser) -> Result<Action, lexopt::Error> {
    let mut settings = Settings::default();
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("listen") => settings.listen = Some(parser.value()?.parse()?),
            Arg::Long("file") => settings.file = parser.value()?.into(),
            other => return Err(other.unexpected()),
        }
    }
    Ok(Action::Serve(settings))
}

fn parse_status(parser: &mut lexopt::Parser) -> Result<Action, lexopt::Error> {
    let mut json = false;
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("json") => json = true,
            other => return Err(other.unexpected()),
        }
    }
    Ok(Action::Status { json })
}

fn act(action: &Action) -> ExitCode {
    match action {
        Action::Run => ExitCode::from(first_boot(&RealSystem).exit_code()),
        Action::ClockGate => {
            clock_gate(&RealSystem);
            ExitCode::SUCCESS
        }
        Action::Announce => announce(),
        Action::Withdraw => {
            announce::withdraw(&RealSystem, &mut complain);
            ExitCode::SUCCESS
        }
        Action::Serve(settings) => serve(settings),
        Action::Status { json } => status(*json),
        Action::Help => print(HELP),
        Action::Version => print(concat!("hc-firstboot ", env!("CARGO_PKG_VERSION"), "\n")),
    }
}

/// Until SIGTERM, so that the network hears a goodbye.
fn announce() -> ExitCode {
    let stopped = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        if let Err(e) = signal_hook::flag::register(signal, Arc::clone(&stopped)) {
            complain(&format!("catching signals: {e}"));
            return ExitCode::FAILURE;
        }
    }
    announce::announce(&RealSystem, &|| stopped.load(Ordering::Relaxed), &mut complain);
    ExitCode::SUCCESS
}

/// To the journal alone: the consoles are for the first boot.
fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "hc-firstboot: {}", printable(text));
}

fn serve(settings: &Settings) -> ExitCode {
    match page::serve(settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            let _ = writeln!(io::stderr(), "hc-firstboot: serving the page: {e}");
            ExitCode::FAILURE
        }
    }
}

fn status(json: bool) -> ExitCode {
    let state = match load(&RealSystem) {
        Loaded::Present(state) => Some(state),
        Loaded::Absent if json => None,
        Loaded::Absent => return print("the first boot has not started\n"),
        Loaded::Damaged(reason) => {
            let _ = writeln!(io::stderr(), "hc-firstboot: reading {STATE_PATH}: {reason}");
            return ExitCode::FAILURE;
        }
    };
    let bytes = RealSystem.read(Path::new(SEED_PATH)).unwrap_or_default();
    let seed = Seed::parse(&String::from_utf8_lossy(&bytes)).ok();
    let view = View::now(&RealSystem, state.as_deref(), seed.as_ref());
    print(&if json { view.json() } else { report::render(&view) })
}

fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
