//! The command with which people steer Onset.

use std::process::ExitCode;

fn main() -> ExitCode {
    init::cli::run(std::env::args_os())
}
