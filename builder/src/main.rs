//! The program: parse, dispatch, print the error chain, exit.

use std::process::ExitCode;

use hcimage::cli;

fn main() -> ExitCode {
    cli::main()
}
