//! PID 1, and, when it is called so, what PID 1 starts of itself.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("onset-run") => init::boot::run::main(arguments),
        _ => ExitCode::FAILURE,
    }
}
