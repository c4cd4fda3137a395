//! A storm of events by hand: many connections that tell of events as fast as they are heard, while somebody else asks
//! how a job is.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "a program of tests may fail, and who asks must not wait for who tells"
)]

use std::{
    fs,
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    time::{ClockId, clock_gettime},
};

use crate::proc;

const SOCKET: &str = "/run/onset/control";
/// How many calls a connection has under way.
const AHEAD: usize = 32;
/// How often it is asked how a job is.
const ASKED: Duration = Duration::from_millis(5);
/// By how many kB PID 1 may grow meanwhile, and afterwards.
const GROWTH: u64 = 8192;
const REST: u64 = 1024;
/// How often it is looked whether the memory has come back.
const LOOKS: usize = 100;

/// Tells of so many events over so many connections, and says what came of it.
pub fn run(words: &[String]) -> io::Result<()> {
    let [count, connections, event, args @ ..] = words else {
        return Err(io::Error::other("a number of events, one of connections, and the event"));
    };
    let left: usize = count.parse().map_err(io::Error::other)?;
    let connections: usize = connections.parse().map_err(io::Error::other)?;
    let args: Vec<String> = args.iter().map(|arg| format!("{arg:?}")).collect();
    let call = format!(
        "{{\"method\":\"org.onset.Manager.Emit\",\"parameters\":{{\"event\":\"{event}\",\"args\":[{}],\"wait\":false}}}}\0",
        args.join(",")
    );
    let is_over = Arc::new(AtomicBool::new(false));
    let asker = {
        let is_over = is_over.clone();
        thread::spawn(move || ask(&is_over, "Status", "{\"job\":\"service\"}"))
    };
    // The first question makes what only the first one needs.
    super::pause(ASKED * 4);
    let (before, heard_before) = (anonymous(), events()?);
    let (flood, refused) = flood(left, connections, call.as_bytes())?;
    let most = peak().saturating_sub(before);
    is_over.store(true, Ordering::Relaxed);
    let answers = asker.join().map_err(|_| io::Error::other("who asks has failed"))??;
    drop(flood);
    let wanted: u64 = count.parse().map_err(io::Error::other)?;
    let mut rest = 0;
    for _ in 0..LOOKS {
        rest = anonymous().saturating_sub(before);
        if rest <= REST && events()?.saturating_sub(heard_before) >= wanted {
            break;
        }
        super::pause(ASKED * 10);
    }
    let heard = events()?.saturating_sub(heard_before);
    super::say(&format!(
        "measured {count} events over {connections} connections: {heard} heard, told {refused} times to try again, others \
         answered within {:.1} ms, 99 of 100 within {:.1} ms, PID 1 by {most} kB larger at most and {rest} kB afterwards",
        answers.longest.as_secs_f64() * 1000.0,
        answers.most.as_secs_f64() * 1000.0
    ))?;
    if heard < wanted || most > GROWTH || rest > REST {
        return Err(io::Error::other("that is more than it may be, or not all"));
    }
    Ok(())
}

/// Makes a call so many times over so many connections, as fast as they are heard, and again if it is told to try again:
/// the connections, and how often it was.
pub fn flood(mut left: usize, connections: usize, call: &[u8]) -> io::Result<(Vec<Connection>, u64)> {
    let mut flood = (0..connections).map(|_| Connection::open()).collect::<io::Result<Vec<_>>>()?;
    let mut refused = 0_u64;
    while left > 0 || flood.iter().any(|connection| connection.under_way > 0) {
        for connection in &mut flood {
            while left > 0 && connection.under_way < AHEAD && connection.say(call)? {
                left -= 1;
            }
        }
        let mut fds: Vec<PollFd<'_>> = flood
            .iter()
            .map(|connection| PollFd::new(std::os::fd::AsFd::as_fd(&connection.stream), PollFlags::POLLIN))
            .collect();
        poll(&mut fds, PollTimeout::from(1000_u16))?;
        let ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(true)).collect();
        for (connection, _) in flood.iter_mut().zip(ready).filter(|(_, ready)| *ready) {
            let again = connection.answers()?;
            refused += u64::try_from(again).unwrap_or(u64::MAX);
            left += again;
        }
    }
    Ok((flood, refused))
}

/// Somebody who tells of events.
pub struct Connection {
    stream: UnixStream,
    /// What could not be sent yet.
    rest: Vec<u8>,
    /// What of an answer has come.
    answer: Vec<u8>,
    under_way: usize,
}

impl Connection {
    fn open() -> io::Result<Self> {
        let stream = UnixStream::connect(SOCKET)?;
        stream.set_nonblocking(true)?;
        Ok(Self { stream, rest: Vec::new(), answer: Vec::new(), under_way: 0 })
    }

    /// Whether a call was taken.
    fn say(&mut self, call: &[u8]) -> io::Result<bool> {
        if !self.flush()? {
            return Ok(false);
        }
        self.rest.extend_from_slice(call);
        self.under_way += 1;
        self.flush()?;
        Ok(true)
    }

    /// Whether all is sent.
    fn flush(&mut self) -> io::Result<bool> {
        while !self.rest.is_empty() {
            match self.stream.write(&self.rest) {
                Ok(count) => drop(self.rest.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Reads answers: how many say that it is to be tried again.
    fn answers(&mut self) -> io::Result<usize> {
        self.flush()?;
        let mut bytes = [0; 4096];
        let mut again = 0;
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.answer.extend_from_slice(bytes.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        while let Some(end) = self.answer.iter().position(|byte| *byte == 0) {
            let answer: Vec<u8> = self.answer.drain(..=end).collect();
            self.under_way -= 1;
            match String::from_utf8_lossy(&answer) {
                answer if answer.contains("Manager.Busy") => again += 1,
                answer if answer.contains("error") => return Err(io::Error::other(answer.into_owned())),
                _ => {}
            }
        }
        Ok(again)
    }
}

/// How long answers took.
#[derive(Debug, Clone, Copy)]
pub struct Answers {
    /// Most of them: 99 of 100.
    pub most: Duration,
    /// The longest.
    pub longest: Duration,
}

/// Asks PID 1 until it is over, and gives how long answers took.
pub fn ask(is_over: &AtomicBool, method: &str, parameters: &str) -> io::Result<Answers> {
    let mut times = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let begun = now()?;
        call(method, parameters)?;
        times.push(now()?.saturating_sub(begun));
        super::pause(ASKED);
    }
    times.sort_unstable();
    let at = |part: usize| times.get(times.len().saturating_sub(1) * part / 100).copied().unwrap_or_default();
    Ok(Answers { most: at(99), longest: at(100) })
}

/// A question over a connection of its own, as a command has one.
fn call(method: &str, parameters: &str) -> io::Result<String> {
    let mut stream = UnixStream::connect(SOCKET)?;
    write!(stream, "{{\"method\":\"org.onset.Manager.{method}\",\"parameters\":{parameters}}}\0")?;
    let (mut answer, mut bytes) = (Vec::new(), [0; 4096]);
    while !answer.ends_with(&[0]) {
        match stream.read(&mut bytes)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => answer.extend_from_slice(bytes.get(..count).unwrap_or_default()),
        }
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    if answer.contains("\"error\"") { Err(io::Error::other(answer)) } else { Ok(answer) }
}

/// How many events the engine has worked off.
fn events() -> io::Result<u64> {
    let answer = call("Limits", "{}")?;
    let counters = answer.split("\"counters\":").nth(1).unwrap_or_default();
    let of_events = counters.split('{').find(|counter| counter.contains("\"events\""));
    let value = of_events.and_then(|counter| counter.split("\"value\":").nth(1)).unwrap_or_default();
    let digits: String = value.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().map_err(|_| io::Error::other(format!("no counter in {answer}")))
}

/// PID 1's own memory in kB.
fn anonymous() -> u64 {
    proc::memory("1").into_iter().find(|(key, _)| key == "Anonymous").map_or(0, |(_, size)| size)
}

/// The most that PID 1 ever had in kB, as far as it is its own.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/1/status").unwrap_or_default();
    let read = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.trim_matches([':', ' ', '\t', 'k', 'B']).parse::<u64>().ok()).unwrap_or(0)
    };
    let files = read("RssFile").saturating_add(read("RssShmem"));
    read("VmHWM").saturating_sub(files)
}

fn now() -> io::Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from)?)
}
