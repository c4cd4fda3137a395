//! People with bad intentions: whatever they send, PID 1 stays small and answers the others.

use std::{io::Write as _, os::unix::net::UnixStream};

use serde_json::json;

use super::{Server, server::Talk};

fn server() -> Server {
    Server::new(&[("db", "exec db\n")])
}

/// It still answers.
fn lives(server: &Server) {
    let answer = server.connect().call("Status", json!({"job": "db"}));
    assert_eq!(answer["parameters"]["status"]["job"], "db");
}

#[test]
fn garbage_is_refused_and_ends_the_connection() {
    let server = server();
    for garbage in ["\u{1}\u{2}", "{", "[[[[[[[[[[[", "GET / HTTP/1.1", "{\"method\":\"a\",\"method\":\"b\"}"]
    {
        let mut talk = server.connect();
        talk.send(garbage);
        assert_eq!(talk.next().unwrap()["error"], "org.varlink.service.InvalidParameter", "{garbage}");
        assert_eq!(talk.next(), None, "{garbage}");
    }
    lives(&server);
}

#[test]
fn a_message_without_an_end_is_cut_off() {
    let server = server();
    let mut talk = server.connect();
    let block = [b'x'; 65_536];
    // It stops to be read long before a gigabyte.
    let written = (0..16_384).take_while(|_| talk.stream.write_all(&block).is_ok()).count();
    assert!(written < 64, "{written} blocks were taken");
    let answer = talk.next();
    assert!(answer.is_none_or(|answer| answer["error"] == "org.varlink.service.InvalidParameter"));
    lives(&server);
}

#[test]
fn half_a_message_has_half_a_minute() {
    let server = server();
    let mut talk = server.connect();
    talk.stream.write_all(b"{\"method").unwrap();
    lives(&server);
    server.pass(29_000);
    lives(&server);
    talk.stream.write_all(b"\":").unwrap();
    lives(&server);
    server.pass(2_000);
    assert_eq!(talk.next(), None);
    lives(&server);
}

#[test]
fn ten_thousand_connections_leave_room_for_the_next() {
    let server = server();
    let mut kept: Vec<UnixStream> = Vec::new();
    for number in 0..10_000 {
        let stream = UnixStream::connect(&server.socket).unwrap();
        if number % 20 == 0 {
            kept.push(stream);
        }
    }
    lives(&server);
}

#[test]
fn who_does_not_read_loses_events_and_is_told_how_many() {
    let server = server();
    let mut lazy = server.connect();
    lazy.send(r#"{"method":"org.onset.Manager.Events","more":true}"#);
    let mut talk = server.connect();
    let long = "x".repeat(4_000);
    for _ in 0..400 {
        talk.call("Emit", json!({"event": "e", "args": [format!("A={long}")], "wait": true}));
    }
    let (mut told, mut lost) = (0, 0);
    // What was left out is told with the next event that there is room for.
    while lost == 0 {
        talk.call("Emit", json!({"event": "e"}));
        let next = lazy.next().unwrap();
        match next["parameters"]["what"].as_str().unwrap() {
            "event" => told += 1,
            "lost" => lost = next["parameters"]["lost"].as_u64().unwrap(),
            _ => {}
        }
    }
    assert!(told > 10 && lost > 10, "{told} told, {lost} lost");
}

#[test]
fn a_user_who_is_barred_is_refused() {
    let server = server();
    let uid = nix::unistd::geteuid().as_raw();
    server.bar(uid);
    server.orders();
    let mut talk = Talk::new(UnixStream::connect(&server.socket).unwrap());
    assert_eq!(talk.next().unwrap()["error"], "org.onset.Manager.Busy");
}
