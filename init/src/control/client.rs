//! One connection: what came in and is no whole message yet, what goes out and is not taken yet, and what it
//! waits for.

use std::{
    io::{self, ErrorKind},
    os::{fd::AsRawFd as _, unix::net::UnixStream},
};

use core::time::Duration;

use events::{
    Time,
    control::{MAX_MESSAGE, MAX_MESSAGE_OF_OTHERS},
};
use jobs::ReplyId;
use nix::sys::socket::{MsgFlags, recv, send};
use serde_json::{Value, json};

use super::{Peer, outcome, pages::Cursor};
use crate::{
    pid1::shell::Shell,
    sys::poll::{Interest, Ready, Registration},
};

/// How long a message may take from its first byte to its last.
pub const HALF_MESSAGE: Duration = Duration::from_secs(30);
/// How long an answer may lie without a byte of it being taken.
pub const UNREAD: Duration = Duration::from_secs(60);
/// Nothing new is done for a client that has so many bytes to take.
pub const LOW_WATER: usize = 65_536;
/// The most bytes of one answer.
pub const MAX_ANSWER: usize = 1 << 20;
/// How many bytes are read at a time.
const READ: usize = 4_096;

/// One connection.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    at: Registration,
    interest: Interest,
    /// Who it is.
    pub peer: Peer,
    /// What it is answered, or waits for.
    pub doing: Doing,
    input: Vec<u8>,
    output: Vec<u8>,
    sent: usize,
    /// Since when it owes us the rest of a message.
    half: Option<Time>,
    /// Since when it takes nothing.
    unread: Option<Time>,
    /// When it last asked for something.
    pub asked: Time,
    /// Which of all calls was its last one; 0 if it has made none yet.
    pub heard: u64,
    /// Until when it is not listened to: its user has asked too much.
    pub rests: Option<Time>,
    /// It sends no more.
    ended: bool,
    /// It is closed when it has taken its last answer.
    leaving: bool,
    /// It is gone.
    gone: bool,
}

/// What a client is answered, or waits for.
#[derive(Debug, PartialEq, Eq)]
pub enum Doing {
    /// Nothing: it may ask.
    Nothing,
    /// An answer of the engine or the loop. Whether it wants one at all comes with it.
    Waiting { reply: ReplyId, oneway: bool },
    /// An answer that comes in parts.
    Paging(Cursor),
    /// Everything that happens; how many things it did not take in time.
    Watching { lost: u64 },
}

impl Client {
    /// A connection that has just been made.
    pub const fn new(stream: UnixStream, at: Registration, peer: Peer, now: Time) -> Self {
        Self {
            stream,
            at,
            interest: Interest::Read,
            peer,
            doing: Doing::Nothing,
            input: Vec::new(),
            output: Vec::new(),
            sent: 0,
            half: None,
            unread: None,
            asked: now,
            heard: 0,
            rests: None,
            ended: false,
            leaving: false,
            gone: false,
        }
    }

    /// Reads what there is, as far as one message may be long. What comes with it besides bytes is not taken:
    /// descriptors that are sent along are closed by the kernel.
    pub fn receive(&mut self, now: Time, ready: Ready) {
        let bound = self.longest();
        // Nothing was waited for, so it is gone altogether: there is no one to answer.
        if ready.hung_up && matches!(self.interest, Interest::Nothing) {
            self.gone = true;
            return;
        }
        let mut buffer = [0; READ];
        while !self.ended && self.input.len() <= bound && self.whole_message().is_none() {
            match recv(self.stream.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => self.ended = true,
                Ok(count) => {
                    self.input.extend_from_slice(buffer.get(..count).unwrap_or_default());
                    if count < READ {
                        break;
                    }
                }
                Err(nix::Error::EAGAIN) => break,
                Err(nix::Error::EINTR) => {}
                Err(_) => {
                    self.gone = true;
                    return;
                }
            }
        }
        match self.whole_message() {
            None if !self.input.is_empty() => self.half = self.half.or(Some(now)),
            None | Some(_) => self.half = None,
        }
        if self.whole_message().is_none() && self.input.len() > bound {
            self.input = Vec::new();
            self.half = None;
            let about = json!({"parameter": "", "reason": format!("a message is longer than {bound} bytes")});
            self.answer(Err(outcome::service_error("InvalidParameter", about)));
            self.leaving = true;
        }
    }

    /// How long a message of this client may be.
    const fn longest(&self) -> usize {
        if self.peer.trusted { MAX_MESSAGE } else { MAX_MESSAGE_OF_OTHERS }
    }

    fn whole_message(&self) -> Option<usize> {
        self.input.iter().position(|byte| *byte == 0)
    }

    /// The next message, if there is a whole one and the client waits for nothing.
    pub fn next_message(&mut self) -> Option<Vec<u8>> {
        if self.doing != Doing::Nothing {
            return None;
        }
        let end = self.whole_message()?;
        let rest = self.input.split_off(end.saturating_add(1));
        let mut message = std::mem::replace(&mut self.input, rest);
        message.truncate(end);
        Some(message)
    }

    /// Whether it has said more than it has been heard yet.
    pub fn has_backlog(&self) -> bool {
        self.doing == Doing::Nothing && self.whole_message().is_some()
    }

    /// Whether more may be done for it now: it has taken most of what it was told.
    pub const fn has_room(&self) -> bool {
        self.output.len().saturating_sub(self.sent) < LOW_WATER
    }

    /// Puts an answer in line, which [`flush`](Self::flush) sends: of many calls in one turn all answers at once, so that
    /// whoever waits for them is woken once. What the client waited for is over.
    pub fn answer(&mut self, answer: Result<Value, Value>) {
        let oneway = matches!(self.doing, Doing::Waiting { oneway: true, .. });
        self.doing = Doing::Nothing;
        if !oneway {
            self.put(&outcome::message(answer));
        }
    }

    /// Says something, with the NUL that ends it.
    pub fn say(&mut self, message: &[u8], now: Time) {
        self.put(message);
        self.flush(now);
    }

    fn put(&mut self, message: &[u8]) {
        if self.sent > 0 && self.sent == self.output.len() {
            self.output.clear();
            self.sent = 0;
        }
        self.output.extend_from_slice(message);
        self.output.push(0);
    }

    /// Sends what is taken.
    pub fn flush(&mut self, now: Time) {
        while let Some(rest) = self.output.get(self.sent..).filter(|rest| !rest.is_empty() && !self.gone) {
            match send(self.stream.as_raw_fd(), rest, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL) {
                Ok(count) => {
                    self.sent = self.sent.saturating_add(count);
                    self.unread = None;
                }
                Err(nix::Error::EAGAIN) => {
                    self.unread = self.unread.or(Some(now));
                    break;
                }
                Err(nix::Error::EINTR) => {}
                Err(_) => self.gone = true,
            }
        }
        if self.sent >= self.output.len() {
            self.unread = None;
            self.sent = 0;
            // Memory for a long answer is not kept for a short one.
            if self.output.capacity() > LOW_WATER { self.output = Vec::new() } else { self.output.clear() }
        } else if self.sent > LOW_WATER {
            self.output.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// It is told no more than it has been.
    pub const fn leave(&mut self) {
        self.leaving = true;
    }

    /// Whether it is to be closed as soon as it has taken its answer.
    pub const fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// Whether nobody is there any more, or nothing is left to say.
    pub fn is_over(&self) -> bool {
        let silent = self.output.is_empty();
        let asks_no_more = self.ended && self.doing == Doing::Nothing && self.whole_message().is_none();
        self.gone || (silent && (self.leaving || asks_no_more))
    }

    /// Whether it waits for nothing and owes nothing: such a client may be sent away for another.
    pub fn is_idle(&self) -> bool {
        self.doing == Doing::Nothing && self.output.is_empty()
    }

    /// When it is too slow, if it owes us something.
    pub fn deadline(&self) -> Option<Time> {
        let half = self.half.map(|since| since.after(HALF_MESSAGE));
        // Who only looks on may pause as long as he likes: what he does not take is left out.
        let unread = self.unread.filter(|_| !matches!(self.doing, Doing::Watching { .. }));
        [half, unread.map(|since| since.after(UNREAD))].into_iter().flatten().min()
    }

    /// Has the loop wait for what this client may do next.
    pub fn wait(&mut self, shell: &mut Shell<'_>) {
        let asks = self.has_backlog() && self.rests.is_none();
        let pages = matches!(self.doing, Doing::Paging(_));
        // A socket that can be written to wakes at once: that is how a client asks for its next turn.
        let write = !self.output.is_empty() || asks || pages;
        let read = !self.ended && !self.leaving && self.rests.is_none() && self.whole_message().is_none();
        let interest = match (read, write) {
            (true, true) => Interest::Both,
            (true, false) => Interest::Read,
            (false, true) => Interest::Write,
            (false, false) => Interest::Nothing,
        };
        if interest != self.interest {
            match shell.poll.change(&self.stream, &self.at, interest) {
                Ok(()) => self.interest = interest,
                // Without the kernel's word we would never hear of it again.
                Err(_) => self.gone = true,
            }
        }
    }

    /// Gives up the connection.
    pub fn close(self, shell: &mut Shell<'_>) {
        shell.poll.remove(&self.stream, self.at);
    }
}

/// Whether an error of `accept` means that there is no room for a descriptor.
pub fn is_short(error: &io::Error) -> bool {
    let short = [nix::libc::EMFILE, nix::libc::ENFILE, nix::libc::ENOMEM, nix::libc::ENOBUFS];
    error.kind() == ErrorKind::OutOfMemory || error.raw_os_error().is_some_and(|code| short.contains(&code))
}
