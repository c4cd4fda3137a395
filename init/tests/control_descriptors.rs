//! A process without descriptors to spare still lets in who steers it, as soon as there are some.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    dead_code,
    reason = "tests; the server is a thread, and not all of it is used here"
)]

#[path = "control/server.rs"]
mod server;

use std::{fs::File, os::unix::net::UnixStream};

use nix::sys::resource::{Resource, setrlimit};
use serde_json::json;

use server::{Server, Talk};

#[test]
fn who_waits_outside_is_let_in_when_there_is_room_again() {
    setrlimit(Resource::RLIMIT_NOFILE, 64, 64).unwrap();
    let server = Server::new(&[("db", "exec db\n")]);
    // The connections are made while there is room for this end of them only.
    let mut waiting: Vec<Talk> = Vec::new();
    let mut filler: Vec<File> = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        filler.push(file);
    }
    for _ in 0..4 {
        filler.pop();
        match UnixStream::connect(&server.socket) {
            Ok(stream) => {
                let mut talk = Talk::new(stream);
                // At once: one that is let in and has asked nothing goes when the next one comes.
                talk.send(r#"{"method":"org.onset.Manager.GetMode"}"#);
                waiting.push(talk);
            }
            Err(error) => panic!("{error}"),
        }
    }
    // It has seen them, has no room for them, and does not spin: it looks again after a second of its own clock.
    server.pass(10);
    filler.clear();
    server.pass(1_100);
    for talk in &mut waiting {
        assert_eq!(talk.next().unwrap()["parameters"], json!({"mode": null, "modes": []}));
    }
    // Idle clients take no more than a quarter of what there is, and the next one is let in for one of them.
    let idle: Vec<UnixStream> = (0..20).map(|_| UnixStream::connect(&server.socket).unwrap()).collect();
    let limits = server.connect().call("Limits", json!({}));
    let clients = &limits["parameters"]["limits"][0];
    assert_eq!((&clients["name"], &clients["value"]), (&json!("clients"), &json!(16)));
    assert!(clients["used"].as_u64().unwrap() <= 16);
    drop(idle);
}
