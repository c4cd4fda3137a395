//! The log keeper: a process of its own that takes what jobs write out of their pipes, and keeps it.
//!
//! It may be killed at any time: PID 1 has all pipes, and hands them to the next one.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use nix::{
    errno::Errno,
    sys::{
        epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
        resource::{Resource, getrlimit, setrlimit},
        signal::SigSet,
    },
    time::{ClockId, clock_gettime},
};

use super::{
    copy::Copies,
    message::{PACKET, Settings, ToKeeper, ToPid1},
    name::Stem,
    shelf::Shelf,
    tap::{Bench, Tap, Turn, Work},
};
use crate::sys::pass::{receive, send};

/// The name under which PID 1 starts the log keeper.
pub const NAME: &str = "onset-log";

/// The channel, among the numbers of pipes.
const CHANNEL: u64 = u64::MAX;
/// How many pipes are worked on before the channel is looked at again.
const ROUND: usize = 64;
/// After how many milliseconds a full channel is tried again.
const PAUSE: u64 = 50;

/// Keeps logs until PID 1 is gone or says that it is enough. Its standard input is the channel to PID 1.
#[must_use]
pub fn run() -> u8 {
    // Nobody but PID 1 ends us, and it says so on the channel; only KILL cannot be helped. A reader of our standard
    // output that goes away is an error of a write, and no signal.
    let _ = SigSet::all().thread_block();
    // With the limit that we have it goes on too, with fewer pipes.
    let _ = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, most)| setrlimit(Resource::RLIMIT_NOFILE, most, most));
    let keeper = io::stdin().as_fd().try_clone_to_owned().and_then(Keeper::new);
    match keeper.and_then(|mut keeper| keeper.keep()) {
        Ok(()) => 0,
        // PID 1 sees that we are gone, and starts another keeper.
        Err(_) => 1,
    }
}

/// Milliseconds that only grow.
fn now() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME);
    now.map_or(0, |now| {
        u64::try_from(now.tv_sec().saturating_mul(1_000).saturating_add(now.tv_nsec() / 1_000_000))
            .unwrap_or(0)
    })
}

struct Keeper {
    channel: OwnedFd,
    epoll: Epoll,
    taps: BTreeMap<u32, Tap>,
    /// Pipes with something in them, the one that waits longest first; each once.
    ready: VecDeque<u32>,
    queued: BTreeSet<u32>,
    /// Pipes with the beginning of a line in them.
    begun: BTreeSet<u32>,
    /// What PID 1 had no room for yet.
    unsaid: VecDeque<ToPid1>,
    bench: Bench,
    shelf: Shelf,
    copies: Copies,
}

/// Whether to go on.
#[derive(PartialEq, Eq)]
enum Next {
    Go,
    Finish,
}

impl Keeper {
    fn new(channel: OwnedFd) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&channel, EpollEvent::new(EpollFlags::EPOLLIN, CHANNEL))?;
        let settings = first_settings(&channel)?;
        let mut copies = Copies::default();
        copies.set(&settings);
        Ok(Self {
            channel,
            epoll,
            taps: BTreeMap::new(),
            ready: VecDeque::new(),
            queued: BTreeSet::new(),
            begun: BTreeSet::new(),
            unsaid: VecDeque::new(),
            bench: Bench::new()?,
            shelf: Shelf::new(settings, now()),
            copies,
        })
    }

    fn keep(&mut self) -> io::Result<()> {
        while self.turn()? == Next::Go {}
        self.finish();
        Ok(())
    }

    fn turn(&mut self) -> io::Result<Next> {
        let mut next = Next::Go;
        for (number, flags) in self.wait()? {
            let Ok(number) = u32::try_from(number) else {
                next = self.listen()?;
                continue;
            };
            let Some(tap) = self.taps.get_mut(&number) else { continue };
            if flags.intersects(EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR) {
                tap.hang_up();
            }
            self.queue(number);
        }
        let now = now();
        let is_due =
            |number: &u32| self.taps.get(number).and_then(Tap::deadline).is_some_and(|due| due <= now);
        let due: Vec<u32> = self.begun.iter().copied().filter(is_due).collect();
        due.into_iter().for_each(|number| self.queue(number));
        self.work(ROUND);
        self.shelf.look(now);
        self.speak();
        Ok(next)
    }

    /// What is ready, as soon as anything is.
    fn wait(&self) -> io::Result<Vec<(u64, EpollFlags)>> {
        let taps = self.begun.iter().filter_map(|number| self.taps.get(number)?.deadline());
        let now = now();
        let soon = (!self.unsaid.is_empty()).then(|| now.saturating_add(PAUSE));
        let at_once = (!self.ready.is_empty()).then_some(now);
        let due = taps.chain(soon).chain(at_once).chain(self.shelf.deadline()).min();
        let timeout = due.map_or(EpollTimeout::NONE, |due| {
            // A timeout that is too long for the kernel is as good as a day.
            let ms = u32::try_from(due.saturating_sub(now).min(86_400_000)).unwrap_or(0);
            EpollTimeout::try_from(ms).unwrap_or(EpollTimeout::ZERO)
        });
        let mut events = [EpollEvent::empty(); 128];
        match self.epoll.wait(&mut events, timeout) {
            Ok(count) => Ok(events.iter().take(count).map(|event| (event.data(), event.events())).collect()),
            Err(Errno::EINTR) => Ok(Vec::new()),
            Err(error) => Err(error.into()),
        }
    }

    /// Hears what PID 1 has to say.
    fn listen(&mut self) -> io::Result<Next> {
        let mut buffer = vec![0; PACKET];
        for _ in 0..ROUND {
            let (length, fd) = match receive(&self.channel, &mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if length == 0 {
                return Ok(Next::Finish);
            }
            let message = buffer.get(..length).and_then(|bytes| postcard::from_bytes(bytes).ok());
            let Some(message) = message else { return Err(io::ErrorKind::InvalidData.into()) };
            if self.obey(message, fd)? == Next::Finish {
                return Ok(Next::Finish);
            }
        }
        Ok(Next::Go)
    }

    fn obey(&mut self, message: ToKeeper, fd: Option<OwnedFd>) -> io::Result<Next> {
        match message {
            ToKeeper::Settings(settings) => {
                self.copies.set(&settings);
                self.shelf = Shelf::new(settings, now());
            }
            ToKeeper::Take { number, stem, lost } => match (fd, Stem::parse(&stem)) {
                (Some(pipe), Some(stem)) => self.take(number, pipe, stem, lost)?,
                (None | Some(_), None | Some(_)) => self.unsaid.push_back(ToPid1::Refused { number }),
            },
            ToKeeper::Anew => {
                for tap in std::mem::take(&mut self.taps).into_values() {
                    // It is closed next, which takes it out too, but for PID 1's duplicate.
                    let _ = self.epoll.delete(&tap);
                    self.shelf.close(tap.stem());
                }
                self.begun.clear();
                self.unsaid.clear();
            }
            ToKeeper::Writable => self.shelf.may_last(now()),
            ToKeeper::LeaveLasting => {
                self.work(usize::MAX);
                self.shelf.leave_lasting();
                self.unsaid.push_back(ToPid1::LeftLasting);
            }
            ToKeeper::Ping => self.unsaid.push_back(ToPid1::Pong),
            ToKeeper::Finish => return Ok(Next::Finish),
        }
        Ok(Next::Go)
    }

    fn take(&mut self, number: u32, pipe: OwnedFd, stem: Stem, lost: u64) -> io::Result<()> {
        // Told at each change only: the beginning of a line stays in the pipe, and must not wake us all the time.
        let event = EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, u64::from(number));
        self.epoll.add(&pipe, event)?;
        self.shelf.open(&stem, now());
        if lost > 0 {
            self.shelf.lost(&stem, lost, now());
        }
        self.taps.insert(number, Tap::new(pipe, stem));
        self.queue(number);
        Ok(())
    }

    fn queue(&mut self, number: u32) {
        if self.queued.insert(number) {
            self.ready.push_back(number);
        }
    }

    /// Works on the pipes that have something in them, so many turns.
    fn work(&mut self, turns: usize) {
        let now = now();
        for _ in 0..turns {
            let Some(number) = self.ready.pop_front() else { break };
            self.queued.remove(&number);
            let Some(tap) = self.taps.get_mut(&number) else { continue };
            let mut work = Work { shelf: &mut self.shelf, copies: &mut self.copies, now };
            // A pipe that cannot be read is nothing that waiting would mend.
            let turn = tap.turn(&mut self.bench, &mut work).unwrap_or(Turn::Over);
            match tap.deadline() {
                Some(_) => self.begun.insert(number),
                None => self.begun.remove(&number),
            };
            match turn {
                Turn::More => self.queue(number),
                Turn::Idle => {}
                Turn::Over => self.end(number),
            }
        }
    }

    fn end(&mut self, number: u32) {
        if let Some(tap) = self.taps.remove(&number) {
            // It is closed next, which takes it out too, but for PID 1's duplicate.
            let _ = self.epoll.delete(&tap);
            self.shelf.close(tap.stem());
        }
        self.begun.remove(&number);
        self.unsaid.push_back(ToPid1::Done { number });
    }

    /// Says to PID 1 what there is to say, as far as it has room.
    fn speak(&mut self) {
        while let Some(message) = self.unsaid.front() {
            let bytes = postcard::to_allocvec(message).unwrap_or_default();
            match send(&self.channel, &bytes, None) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // If PID 1 is gone, that is seen when it is listened to.
                Ok(()) | Err(_) => self.unsaid.pop_front(),
            };
        }
    }

    /// Keeps what is in the pipes now.
    fn finish(&mut self) {
        // The beginning of a line is all that comes of it now.
        self.taps.values_mut().for_each(Tap::hang_up);
        let all: Vec<u32> = self.taps.keys().copied().collect();
        all.into_iter().for_each(|number| self.queue(number));
        // As much as all pipes hold, so that a job that never stops does not keep us.
        self.work(self.taps.len().saturating_mul(16));
        self.shelf.sync();
        self.speak();
    }
}

/// The first message, which says how to work.
fn first_settings(channel: &OwnedFd) -> io::Result<Settings> {
    let mut ready = [nix::poll::PollFd::new(channel.as_fd(), nix::poll::PollFlags::POLLIN)];
    nix::poll::poll(&mut ready, nix::poll::PollTimeout::NONE)?;
    let mut buffer = vec![0; PACKET];
    let (length, _) = receive(channel, &mut buffer)?;
    let message = buffer.get(..length).and_then(|bytes| postcard::from_bytes(bytes).ok());
    let Some(ToKeeper::Settings(settings)) = message else { return Err(io::ErrorKind::InvalidData.into()) };
    Ok(settings)
}
