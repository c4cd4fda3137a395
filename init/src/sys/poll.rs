//! The one place where PID 1 waits: an epoll instance with a name for each descriptor in it.
//!
//! It is level-triggered, so whoever reads only part of what there is (its quota) is called again. The epoll
//! instance itself is one descriptor of tokio's reactor: sources that are tasks and what is here wake the same
//! loop.

use std::{
    cell::RefCell,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use tokio::io::{Interest as TokioInterest, unix::AsyncFd};

/// How many ready descriptors are looked at in one turn.
const TURN: usize = 256;

/// What of a descriptor is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interest {
    /// That it can be read from, or has ended.
    Read,
    /// That it can be written to.
    Write,
    /// Either.
    Both,
    /// That it has changed since it was told last, of what can always be read: the mount table, a trigger for pressure.
    /// That it is urgent (`POLLPRI`) is put away by whoever asks first, and that is the epoll instance around this one. It is told
    /// once when it is added, too.
    Anew,
    /// Nothing for now; a hang-up is told all the same.
    Nothing,
}

/// What a descriptor is ready for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    /// There is something to read, or the end.
    pub read: bool,
    /// It can be written to.
    pub write: bool,
    /// The other side is gone.
    pub hung_up: bool,
}

/// An epoll instance, as tokio wants it.
#[derive(Debug)]
struct Owned(Epoll);

impl AsRawFd for Owned {
    fn as_raw_fd(&self) -> RawFd {
        self.0.0.as_raw_fd()
    }
}

/// Descriptors that are waited for, each under a name of type `T`.
#[derive(Debug)]
pub struct Poll<T> {
    epoll: AsyncFd<Owned>,
    names: Vec<Option<T>>,
    free: Vec<u32>,
    /// Room for what is ready, so that it need not be cleared each time.
    room: RefCell<Vec<EpollEvent>>,
}

/// A descriptor's place in a [`Poll`]. It must be given back with [`Poll::remove`] before the descriptor is
/// closed.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a descriptor that is waited for must be taken out before it is closed"]
pub struct Registration(u32);

impl<T: Copy> Poll<T> {
    /// Waits for nothing yet. Must be called within a tokio runtime.
    pub fn new() -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        // SAFETY: the epoll instance keeps the same open file for its whole life: it is owned by the `AsyncFd`,
        // never duplicated over and never closed by anybody else.
        let epoll = unsafe { AsyncFd::register_with_interest(Owned(epoll), TokioInterest::READABLE) }
            .map_err(|error| error.into_parts().1)?;
        let room = RefCell::new(vec![EpollEvent::empty(); TURN]);
        Ok(Self { epoll, names: Vec::new(), free: Vec::new(), room })
    }

    /// Waits for `fd` from now on, under `name`.
    pub fn add(&mut self, fd: impl AsFd, interest: Interest, name: T) -> io::Result<Registration> {
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                self.names.push(None);
                u32::try_from(self.names.len().saturating_sub(1)).map_err(io::Error::other)?
            }
        };
        let event = EpollEvent::new(flags(interest), u64::from(place));
        if let Err(error) = self.epoll.get_ref().0.add(fd, event) {
            self.free.push(place);
            return Err(error.into());
        }
        if let Some(slot) = self.names.get_mut(place as usize) {
            *slot = Some(name);
        }
        Ok(Registration(place))
    }

    /// Waits for something else of `fd`.
    pub fn change(&mut self, fd: impl AsFd, at: &Registration, interest: Interest) -> io::Result<()> {
        let mut event = EpollEvent::new(flags(interest), u64::from(at.0));
        self.epoll.get_ref().0.modify(fd, &mut event).map_err(io::Error::from)
    }

    /// Waits for `fd` no longer. What was ready of it and not yet looked at is not told any more.
    pub fn remove(&mut self, fd: impl AsFd, at: Registration) {
        // It fails only for a descriptor that is not in there, which is what is wished for.
        let _ = self.epoll.get_ref().0.delete(fd);
        if let Some(slot) = self.names.get_mut(at.0 as usize)
            && slot.take().is_some()
        {
            self.free.push(at.0);
        }
    }

    /// What is ready now, without waiting.
    pub fn look(&self) -> Vec<(T, Ready)> {
        let Ok(mut events) = self.room.try_borrow_mut() else { return Vec::new() };
        // An interrupted look finds nothing, and the next one finds it.
        let count = self.epoll.get_ref().0.wait(&mut events, EpollTimeout::ZERO).unwrap_or(0);
        let ready = events.iter().take(count);
        ready
            .filter_map(|event| {
                let name = self.names.get(usize::try_from(event.data()).ok()?).copied().flatten()?;
                Some((name, readiness(event.events())))
            })
            .collect()
    }

    /// Waits until something is ready.
    pub async fn wait(&self) -> io::Result<Vec<(T, Ready)>> {
        loop {
            let ready = self.look();
            if !ready.is_empty() {
                return Ok(ready);
            }
            let mut guard = self.epoll.readable().await?;
            // Looked at once more after the readiness is put away, so that nothing falls in between.
            guard.clear_ready();
        }
    }

    /// How many descriptors are waited for.
    pub fn len(&self) -> usize {
        self.names.len().saturating_sub(self.free.len())
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<T> AsFd for Poll<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.get_ref().0.0.as_fd()
    }
}

fn flags(interest: Interest) -> EpollFlags {
    match interest {
        Interest::Read => EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP,
        Interest::Write => EpollFlags::EPOLLOUT,
        Interest::Both => EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLOUT,
        Interest::Anew => EpollFlags::EPOLLIN | EpollFlags::EPOLLET,
        Interest::Nothing => EpollFlags::empty(),
    }
}

fn readiness(flags: EpollFlags) -> Ready {
    let ended = EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR | EpollFlags::EPOLLRDHUP;
    Ready {
        read: flags.intersects(EpollFlags::EPOLLIN | ended),
        write: flags.intersects(EpollFlags::EPOLLOUT | EpollFlags::EPOLLERR),
        hung_up: flags.intersects(ended),
    }
}
