//! What test machines need in them beside Onset: programs that stand for services, and the observer of the
//! bench. It is static and goes under one name, `vm-guest WORD`.
#![forbid(unsafe_code)]

mod apart;
mod devices;
mod events;
mod forge;
mod link;
mod observe;
mod order;
mod peer;
mod proc;
mod storm;
mod zombies;

use std::{
    env, fs,
    io::{self, Read as _, Write as _},
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram, UnixStream},
    },
    process::ExitCode,
    thread,
    time::Duration,
};

use nix::sys::socket::{MsgFlags, accept, recv, send};

fn main() -> ExitCode {
    let mut words = env::args().skip(1);
    let done = match words.next().as_deref() {
        Some("notify") => notify(&words.next().unwrap_or_default()),
        Some("echo") => echo(),
        Some("talk") => peer::talk(&words.collect::<Vec<_>>()),
        Some("send") => peer::send(&words.collect::<Vec<_>>()),
        Some("flood") => peer::flood(&words.collect::<Vec<_>>()),
        Some("answer") => peer::answer(),
        Some("apart") => apart::run(&words.collect::<Vec<_>>()),
        Some("link") => link::run(&words.collect::<Vec<_>>()),
        Some("storm") => storm::run(&words.collect::<Vec<_>>()),
        Some("zombies") => zombies::count(&words.collect::<Vec<_>>()),
        Some("devices") => devices::compare(),
        Some("order") => order::check(&words.collect::<Vec<_>>()),
        Some("forge") => forge::run(&words.collect::<Vec<_>>()),
        Some("idle") => idle(&words.next().unwrap_or_default(), words.next().as_deref()),
        Some("read") => read(&words.next().unwrap_or_default()),
        Some("observe") => observe::observe(),
        // The kernel's first process has no words of ours.
        _ if std::process::id() == 1 => observe::begin(),
        _ => Err(io::Error::other(
            "it is `vm-guest notify TEXT`, `vm-guest echo`, `vm-guest talk ADDRESS LINE`, `vm-guest send ADDRESS LINE`, \
             `vm-guest flood ADDRESS COUNT`, `vm-guest answer`, `vm-guest link ...`, `vm-guest idle PATH COUNT`, `vm-guest zombies MOST COMMAND`, \
             `vm-guest storm EVENTS CONNECTIONS EVENT`, `vm-guest apart GROUP COMMAND`, `vm-guest devices`, `vm-guest order MARKS FOLDER` or `vm-guest forge HOW MESSAGE`",
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where standard error leads nowhere, the status has to do.
            let _ = writeln!(io::stderr(), "vm-guest: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Tells the init what a service tells it, such as `READY=1`.
fn notify(text: &str) -> io::Result<()> {
    let name = env::var("NOTIFY_SOCKET").map_err(io::Error::other)?;
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(&name)?,
    };
    UnixDatagram::unbound()?.send_to_addr(text.as_bytes(), &address).map(drop)
}

/// Opens, reads and closes each file of a folder.
fn read(folder: &str) -> io::Result<()> {
    let mut bytes = [0; 8192];
    for entry in fs::read_dir(folder)? {
        let mut file = fs::File::open(entry?.path())?;
        while file.read(&mut bytes)? == bytes.len() {}
    }
    Ok(())
}

/// Connects so many times to the socket at a path, and says nothing.
fn idle(path: &str, count: Option<&str>) -> io::Result<()> {
    let count: u32 = count.unwrap_or("1").parse().map_err(io::Error::other)?;
    let connections = (0..count).map(|_| UnixStream::connect(path)).collect::<io::Result<Vec<_>>>()?;
    writeln!(io::stdout(), "{} connections", connections.len())?;
    loop {
        nix::unistd::pause();
    }
}

/// Sends back what comes over the listening socket that it was started with, one connection after the other.
fn echo() -> io::Result<()> {
    loop {
        let connection = accept(3)?;
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = recv(connection, &mut buffer, MsgFlags::empty()) {
            send(connection, buffer.get(..count).unwrap_or_default(), MsgFlags::MSG_NOSIGNAL)?;
        }
        nix::unistd::close(connection)?;
    }
}

fn say(line: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{line}")
}

/// Leaves the processor to what is looked at.
#[allow(clippy::disallowed_methods, reason = "it is no part of what must never block")]
fn pause(duration: Duration) {
    thread::sleep(duration);
}
