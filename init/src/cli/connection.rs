//! A connection to Onset: calls go out, answers come in.

use std::{
    io::{self, Read as _, Write as _},
    os::{
        fd::AsFd as _,
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixStream},
    },
    path::{Path, PathBuf},
};

use core::time::Duration;

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{getsockopt, sockopt::PeerCredentials},
    time::{ClockId, clock_gettime},
};
use serde_json::{Value, json};

use super::exit::Trouble;
use crate::control::abstract_name;

/// How many bytes are read at a time.
const READ: usize = 4_096;
/// How often who waits is told how far it is.
const TICK: Duration = Duration::from_secs(1);
/// How long an answer is waited for that Onset has at hand.
pub const AT_ONCE: Duration = Duration::from_secs(20);
/// How long Onset may take to execute itself again.
const BACK: Duration = Duration::from_secs(10);

/// Where Onset listens: what the command says, or the environment, or where it always does.
pub fn socket_path(given: Option<&Path>) -> PathBuf {
    let named = given.map(PathBuf::from).or_else(|| std::env::var_os("ONSET_CONTROL").map(PathBuf::from));
    named.unwrap_or_else(|| events::control::PATH.into())
}

/// A connection to Onset that carries messages, whatever they say.
#[derive(Debug)]
pub struct Wire {
    stream: UnixStream,
    input: Vec<u8>,
}

/// A connection to Onset.
#[derive(Debug)]
pub struct Connection(Wire);

/// An answer, and whether more follow.
#[derive(Debug)]
pub struct Reply {
    /// What was answered.
    pub parameters: Value,
    /// Whether more follow.
    pub continues: bool,
}

impl Wire {
    /// Connects to the Onset that listens at `path`.
    pub fn open(path: &Path) -> Result<Self, Trouble> {
        let stream = connect(path).map_err(|error| {
            Trouble::Unreachable(format!("cannot reach Onset at {}: {}", path.display(), reason(&error)))
        })?;
        // Anybody may take an abstract name that is free.
        let peer = getsockopt(&stream, PeerCredentials).map(|peer| peer.uid());
        if peer != Ok(0) && peer != Ok(nix::unistd::geteuid().as_raw()) {
            return Err(Trouble::Unreachable(format!("what listens at {} is not root's", path.display())));
        }
        Ok(Self { stream, input: Vec::new() })
    }

    /// Sends a message, with the byte that ends it.
    pub fn write(&mut self, message: &[u8]) -> Result<(), Trouble> {
        match self.stream.write_all(message) {
            Ok(()) => Ok(()),
            // Onset may have said why before it hung up.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(_) => Err(Trouble::Cut),
        }
    }

    /// The next message, without the byte that ends it. `limit` is how long it may take; `tick` is called every second
    /// with how long it has.
    pub fn read(
        &mut self,
        limit: Option<Duration>,
        tick: &mut dyn FnMut(Duration),
    ) -> Result<Vec<u8>, Trouble> {
        let mut clock = None;
        loop {
            if let Some(end) = self.input.iter().position(|byte| *byte == 0) {
                let rest = self.input.split_off(end.saturating_add(1));
                let mut message = std::mem::replace(&mut self.input, rest);
                message.truncate(end);
                return Ok(message);
            }
            self.wait(limit, &mut clock, tick)?;
            let mut buffer = [0; READ];
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(Trouble::Cut),
                Ok(count) => self.input.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Trouble::Cut),
            }
        }
    }

    /// Waits until there is something to read.
    fn wait(
        &self,
        limit: Option<Duration>,
        clock: &mut Option<Duration>,
        tick: &mut dyn FnMut(Duration),
    ) -> Result<(), Trouble> {
        loop {
            let begun = *clock.get_or_insert_with(now);
            let passed = now().saturating_sub(begun);
            let left = limit.map_or(TICK, |limit| limit.saturating_sub(passed));
            if left.is_zero() {
                return Err(Trouble::TimedOut);
            }
            let mut fds = [PollFd::new(self.stream.as_fd(), PollFlags::POLLIN)];
            let timeout =
                PollTimeout::try_from(left.min(TICK).as_millis().max(1)).unwrap_or(PollTimeout::MAX);
            match poll(&mut fds, timeout) {
                Ok(0) => tick(now().saturating_sub(begun)),
                Ok(_) => return Ok(()),
                Err(nix::Error::EINTR) => {}
                Err(_) => return Err(Trouble::Cut),
            }
        }
    }
}

impl Connection {
    /// Connects to the Onset that listens at `path`.
    pub fn open(path: &Path) -> Result<Self, Trouble> {
        Wire::open(path).map(Self)
    }

    /// The same, for as long as it may take until Onset is back.
    pub fn open_again(path: &Path) -> Result<Self, Trouble> {
        let begun = now();
        loop {
            match Self::open(path) {
                Err(Trouble::Unreachable(_)) if now().saturating_sub(begun) < BACK => {
                    nap(Duration::from_millis(50));
                }
                opened => return opened,
            }
        }
    }

    /// The answer to a call that Onset had not answered before it executed itself again. What else went wrong stays as
    /// it is, as does what is not known any more.
    pub fn come_back(
        path: &Path,
        answer: Result<Value, Trouble>,
        limit: Option<Duration>,
        tick: &mut dyn FnMut(Duration),
    ) -> Result<Value, Trouble> {
        let mut answer = answer;
        loop {
            let question = match &answer {
                Err(trouble) if trouble.name() == "Restarted" => trouble.about("question").to_owned(),
                Ok(_) | Err(_) => return answer,
            };
            if question.is_empty() {
                return answer;
            }
            let mut connection = Self::open_again(path)?;
            connection.send("Await", &json!({ "question": question }), false)?;
            answer = connection.receive(limit, tick).map(|reply| reply.parameters);
        }
    }

    /// Calls a method that Onset answers at once, and waits for the answer.
    pub fn call(&mut self, method: &str, parameters: Value) -> Result<Value, Trouble> {
        self.send(method, &parameters, false)?;
        self.receive(Some(AT_ONCE), &mut |_| {}).map(|reply| reply.parameters)
    }

    /// Calls a method of the Onset that listens at `path`, and waits for the answer as long as it takes.
    pub fn call_to_the_end(path: &Path, method: &str, parameters: &Value) -> Result<Value, Trouble> {
        let mut connection = Self::open(path)?;
        connection.send(method, parameters, false)?;
        let answer = connection.receive(None, &mut |_| {}).map(|reply| reply.parameters);
        Self::come_back(path, answer, None, &mut |_| {})
    }

    /// Calls a method that may answer in parts, and gives each part to `each`.
    pub fn call_parts(
        &mut self,
        method: &str,
        parameters: &Value,
        each: &mut dyn FnMut(Value),
    ) -> Result<(), Trouble> {
        self.send(method, parameters, true)?;
        loop {
            let reply = self.receive(Some(AT_ONCE), &mut |_| {})?;
            each(reply.parameters);
            if !reply.continues {
                return Ok(());
            }
        }
    }

    /// Sends a call.
    pub fn send(&mut self, method: &str, parameters: &Value, more: bool) -> Result<(), Trouble> {
        let method = format!("org.onset.Manager.{method}");
        let call = json!({ "method": method, "parameters": parameters, "more": more });
        let mut message = serde_json::to_vec(&call).map_err(|error| Trouble::Nonsense(error.to_string()))?;
        message.push(0);
        self.0.write(&message)
    }

    /// The next answer. `limit` is how long it may take; `tick` is called every second with how long it has.
    pub fn receive(
        &mut self,
        limit: Option<Duration>,
        tick: &mut dyn FnMut(Duration),
    ) -> Result<Reply, Trouble> {
        read(&self.0.read(limit, tick)?)
    }
}

fn connect(path: &Path) -> io::Result<UnixStream> {
    let first = match UnixStream::connect(path) {
        Ok(stream) => return Ok(stream),
        Err(error) => error,
    };
    let missing = matches!(first.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused);
    if !missing {
        return Err(first);
    }
    let address = SocketAddr::from_abstract_name(abstract_name(path))?;
    // What is wrong with the path says more than that the other name is not there either.
    UnixStream::connect_addr(&address).map_err(|_| first)
}

fn reason(error: &io::Error) -> String {
    let missing = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused);
    if missing { "it does not run here".into() } else { error.to_string() }
}

fn read(message: &[u8]) -> Result<Reply, Trouble> {
    let mut message: Value =
        serde_json::from_slice(message).map_err(|error| Trouble::Nonsense(error.to_string()))?;
    let parameters = message.get_mut("parameters").map(Value::take).unwrap_or_default();
    if let Some(error) = message.get("error") {
        let name = error.as_str().unwrap_or_default();
        let name = name.rsplit('.').next().unwrap_or_default();
        return Err(Trouble::No(name.into(), parameters));
    }
    let continues = message.get("continues").and_then(Value::as_bool).unwrap_or_default();
    Ok(Reply { parameters, continues })
}

/// How long this machine has been up, without sleep.
pub fn now() -> Duration {
    clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default()
}

/// Waits a little.
pub fn nap(length: Duration) {
    let timeout = PollTimeout::try_from(length.as_millis()).unwrap_or(PollTimeout::MAX);
    // An interrupted nap is a shorter one.
    let _ = poll(&mut [], timeout);
}
