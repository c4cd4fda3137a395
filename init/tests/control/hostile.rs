//! People with bad intentions: whatever they send, PID 1 stays small and answers the others.

use std::{
    fs,
    io::{IoSlice, Read as _, Write as _},
    os::{
        fd::AsRawFd as _,
        unix::{fs::MetadataExt as _, net::UnixStream, process::CommandExt as _},
    },
    process::Command,
};

use events::control::{INTERFACE, METHODS, Rights};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
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

#[test]
fn what_is_sent_along_is_not_kept() {
    let server = server();
    let (mut kept, given) = UnixStream::pair().unwrap();
    let mut talk = server.connect();
    let fds = [given.as_raw_fd(); 100];
    let along = [ControlMessage::ScmRights(&fds)];
    for _ in 0..50 {
        let message = b"{\"method\":\"org.onset.Manager.GetMode\"}\0";
        let sent =
            sendmsg::<()>(talk.stream.as_raw_fd(), &[IoSlice::new(message)], &along, MsgFlags::empty(), None);
        assert_eq!(sent, Ok(message.len()));
        assert_eq!(talk.next().unwrap()["parameters"], json!({"mode": null, "modes": []}));
    }
    drop(given);
    // The end comes, so nobody else has the other end.
    assert_eq!(kept.read(&mut [0]).unwrap(), 0);
}

/// `onsetctl call` as somebody who may only read.
fn call_as_nobody(server: &Server, method: &str, parameters: &str) -> i32 {
    let program = server.folder.join("onsetctl");
    if !program.exists() {
        fs::copy(env!("CARGO_BIN_EXE_onsetctl"), &program).unwrap();
    }
    let mut command = Command::new(&program);
    command.args(["call", "--more", method, parameters]).env("ONSET_CONTROL", &server.socket);
    command.uid(65_534).gid(65_534).output().unwrap().status.code().unwrap()
}

#[test]
fn who_is_not_root_may_only_read() {
    let server = server();
    if fs::metadata(&server.folder).unwrap().uid() != 0 {
        // Only root can be somebody else.
        return;
    }
    // These two only wait, the one for what happens, the other for an answer that is its own.
    let waits = |name: &str| matches!(name, "Events" | "Await");
    let ours = METHODS.iter().filter(|method| method.interface == INTERFACE && !waits(method.name));
    for method in ours {
        let parameters = match method.name {
            "Start" | "Stop" | "Restart" | "Reload" | "Status" | "Why" | "Show" => r#"{"job":"db"}"#,
            "Emit" => r#"{"event":"x"}"#,
            "Shutdown" => r#"{"kind":"reboot"}"#,
            "SetFact" => r#"{"name":"x"}"#,
            _ => "{}",
        };
        let expected = if method.rights == Rights::Root { 4 } else { 0 };
        assert_eq!(call_as_nobody(&server, method.name, parameters), expected, "{}", method.name);
    }
    assert_eq!(server.orders(), Vec::<String>::new());
    let mut talk = server.connect();
    assert_eq!(talk.call("Status", json!({"job": "db"}))["parameters"]["status"]["goal"], "stop");
    assert_eq!(talk.call("Facts", json!({"name": "x"}))["parameters"]["facts"], json!([]));
    let shown = talk.call("Show", json!({"job": "db"}));
    assert_eq!(shown["parameters"]["job"]["work"]["runs"]["main"], json!(["db"]));
}

#[test]
fn others_than_root_have_a_limit_and_root_has_none() {
    let server = server();
    if fs::metadata(&server.folder).unwrap().uid() != 0 {
        return;
    }
    let program = server.folder.join("onsetctl");
    fs::copy(env!("CARGO_BIN_EXE_onsetctl"), &program).unwrap();
    let mut watchers: Vec<_> = (0..20)
        .map(|_| {
            let mut command = Command::new(&program);
            command.arg("events").env("ONSET_CONTROL", &server.socket).uid(65_534).gid(65_534);
            command.stderr(std::process::Stdio::piped()).spawn().unwrap()
        })
        .collect();
    // Of twenty, four are sent away: each user has sixteen.
    let mut refused = Vec::new();
    while refused.len() < 4 {
        for (number, watcher) in watchers.iter_mut().enumerate() {
            if !refused.contains(&number) && watcher.try_wait().unwrap().is_some() {
                refused.push(number);
            }
        }
    }
    let mut said = String::new();
    watchers[refused[0]].stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "onsetctl: this user has too many connections\n");
    let roots: Vec<Talk> = (0..40).map(|_| server.connect()).collect();
    lives(&server);
    drop(roots);
    for mut watcher in watchers {
        let _ = watcher.kill();
        watcher.wait().unwrap();
    }
}
