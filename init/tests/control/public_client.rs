//! A Varlink client that knows nothing of Onset but its description.

use std::{path::Path, process::Command};

use super::Server;

/// `make test-varlink` and `make test` put the client into a place of its own, and name its Python here.
const PYTHON: &str = "ONSET_VARLINK_PYTHON";

#[test]
fn a_public_client_lists_starts_and_watches() {
    let Some(python) = std::env::var_os(PYTHON) else {
        println!("skipped: {PYTHON} is not set; `make test-varlink` fetches the client");
        return;
    };
    let server = Server::new(&[("db", "exec db\n"), ("shop", "exec shop\n")]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/control/public_client.py");
    let output = Command::new(python).arg(script).arg(&server.socket).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "varlink: listed, started, watched, refused and stopped\n"
    );
}
