//! What PID 1 and the log keeper have to do with each other: who is there, and who has which pipe.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use events::Time;
use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill},
        socket::{AddressFamily, SockFlag, SockType, socketpair},
    },
    unistd::Pid,
};

use super::{
    level::Level,
    link::{Leaving, Logs},
    message::{PACKET, ToKeeper, ToPid1},
    pipes::Stage,
    records::CHANNEL,
    watch::Watch,
};
use crate::{
    pid1::{shell::Shell, token::Token},
    store::{Kept, Label},
    sys::{
        pass::{receive, send},
        poll::{Interest, Registration},
    },
};

/// How many messages of the keeper are heard in one turn.
const ROUND: usize = 256;
/// For how many milliseconds jobs wait for a keeper that is away.
pub(super) const AWAY: u64 = 2_000;
/// After how many milliseconds something that had no room is tried again.
const PAUSE: u64 = 1_000;

/// The log keeper, as PID 1 sees it.
#[derive(Debug)]
pub(super) enum Keeper {
    /// Nobody keeps logs, since this time.
    Away { since: Time },
    /// It is there.
    There(Box<Present>),
}

#[derive(Debug)]
pub(super) struct Present {
    pub(super) channel: Kept,
    at: Registration,
    pub(super) pid: i32,
    watch: Watch,
    /// Messages that there was no room for: they are few, and each at most once.
    owed: Vec<ToKeeper>,
    is_full: bool,
}

impl Logs {
    /// A channel to a log keeper: our end, and the one that is its standard input.
    pub fn channel() -> io::Result<(OwnedFd, OwnedFd)> {
        let flags = SockFlag::SOCK_CLOEXEC;
        Ok(socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?)
    }

    /// A log keeper runs, at the other end of `channel`.
    pub fn keeper_started(&mut self, shell: &mut Shell<'_>, channel: OwnedFd, pid: i32) {
        self.part(shell, shell.now);
        let label = Label { role: CHANNEL, place: 0, number: u64::from(pid.unsigned_abs()) };
        if let Err(error) = self.meet(shell, Kept::new(channel, label), pid) {
            self.say(shell.now, Level::Error, &format!("the log keeper cannot be used: {error}"));
            return;
        }
        // Those that were emptied are kept again.
        let emptied = self.pipes.iter().filter(|(_, pipe)| matches!(pipe.stage, Stage::Emptied(_)));
        let emptied: Vec<u32> = emptied.map(|(number, _)| number).collect();
        emptied.into_iter().for_each(|number| self.pipes.enqueue(number, shell));
        let of_living = self.pipes.iter().map(|(_, pipe)| pipe.lost);
        let lost = of_living.fold(std::mem::take(&mut self.lost), u64::saturating_add);
        if lost > 0 {
            let text = format!("{lost} bytes of output were thrown away while nobody kept them");
            self.say(shell.now, Level::Warning, &text);
        }
        self.owe(ToKeeper::Settings(self.settings.clone()));
        if self.is_writable && self.left == Leaving::No {
            self.owe(ToKeeper::Writable);
        }
        if self.left != Leaving::No {
            self.owe(ToKeeper::LeaveLasting);
        }
        self.hold = shell.now;
        self.hand_over(shell);
    }

    pub(super) fn meet(&mut self, shell: &mut Shell<'_>, channel: Kept, pid: i32) -> io::Result<()> {
        let watch = Watch::new(shell)?;
        let at = match shell.poll.add(&channel, Interest::Read, Token::Keeper) {
            Ok(at) => at,
            Err(error) => {
                watch.end(shell);
                return Err(error);
            }
        };
        let present = Present { channel, at, pid, watch, owed: Vec::new(), is_full: false };
        self.keeper = Keeper::There(Box::new(present));
        Ok(())
    }

    /// The log keeper has ended.
    pub fn keeper_died(&mut self, shell: &mut Shell<'_>) {
        self.part(shell, shell.now);
    }

    /// The log keeper's process, if there is one.
    #[must_use]
    pub fn keeper(&self) -> Option<i32> {
        match &self.keeper {
            Keeper::Away { .. } => None,
            Keeper::There(present) => Some(present.pid),
        }
    }

    /// Nobody keeps logs from now on; all pipes wait for the next keeper.
    pub(super) fn part(&mut self, shell: &mut Shell<'_>, since: Time) {
        let away = Keeper::Away { since };
        let Keeper::There(present) = std::mem::replace(&mut self.keeper, away) else {
            return;
        };
        let Present { channel, at, watch, pid: _, owed: _, is_full: _ } = *present;
        shell.poll.remove(&channel, at);
        watch.end(shell);
        let handed = self.pipes.iter().filter(|(_, pipe)| matches!(pipe.stage, Stage::Handed));
        let handed: Vec<u32> = handed.map(|(number, _)| number).collect();
        handed.into_iter().for_each(|number| self.pipes.enqueue(number, shell));
        if self.left == Leaving::Asked {
            self.left = Leaving::Done;
        }
        self.hold = Time(since.0.saturating_add(AWAY));
    }

    pub(super) fn owe(&mut self, message: ToKeeper) {
        if let Keeper::There(present) = &mut self.keeper
            && !present.owed.contains(&message)
        {
            present.owed.push(message);
        }
    }

    /// Hands over what the keeper does not have yet, as far as there is room.
    pub(super) fn hand_over(&mut self, shell: &mut Shell<'_>) {
        let Keeper::There(present) = &mut self.keeper else { return };
        let mut result = Ok(());
        while result.is_ok() && !present.owed.is_empty() {
            result = present.owed.first().map_or(Ok(()), |message| tell(&present.channel, message));
            if result.is_ok() && present.owed.remove(0) == ToKeeper::Ping {
                present.watch.asked(shell.now);
            }
        }
        while result.is_ok() && shell.now >= self.hold {
            let Some(number) = self.pipes.first() else { break };
            let Some(pipe) = self.pipes.get(number) else { break };
            let stem = String::from(pipe.stem.as_str());
            let take = ToKeeper::Take { number, stem, lost: pipe.lost };
            let bytes = postcard::to_allocvec(&take).unwrap_or_default();
            result = send(&present.channel, &bytes, Some(pipe.reading.as_fd()));
            if result.is_ok() {
                present.watch.add(pipe.reading.as_fd());
                self.pipes.handed();
            }
        }
        let is_full = result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        if is_full != present.is_full {
            present.is_full = is_full;
            let interest = if is_full { Interest::Both } else { Interest::Read };
            // It is in there, so this does not fail.
            let _ = shell.poll.change(&present.channel, &present.at, interest);
        }
        if let Err(error) = result {
            self.could_not_hand_over(shell, &error);
        }
    }

    fn could_not_hand_over(&mut self, shell: &mut Shell<'_>, error: &io::Error) {
        let is_gone = |kind| {
            matches!(
                kind,
                io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::NotConnected
            )
        };
        if is_gone(error.kind()) {
            self.part(shell, shell.now);
        } else if error.kind() != io::ErrorKind::WouldBlock {
            // No memory, or too many descriptors on their way.
            self.hold = Time(shell.now.0.saturating_add(PAUSE));
        }
    }

    /// Hears what the keeper says.
    pub(super) fn hear(&mut self, shell: &mut Shell<'_>) {
        for _ in 0..ROUND {
            let Keeper::There(present) = &mut self.keeper else { return };
            let mut buffer = [0; 64];
            match receive(&present.channel, &mut buffer) {
                Ok((0, _)) => return self.part(shell, shell.now),
                Ok((length, _)) => {
                    let message = buffer.get(..length).and_then(|bytes| postcard::from_bytes(bytes).ok());
                    if let Some(message) = message {
                        self.heed(shell, message);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return self.part(shell, shell.now),
            }
        }
        if let Keeper::There(present) = &mut self.keeper
            && present.watch.stir(shell)
        {
            self.owe(ToKeeper::Ping);
        }
        self.hand_over(shell);
    }

    fn heed(&mut self, shell: &mut Shell<'_>, message: ToPid1) {
        let Keeper::There(present) = &mut self.keeper else { return };
        match message {
            ToPid1::Done { number } | ToPid1::Refused { number } => {
                let Some(pipe) = self.pipes.get(number).filter(|pipe| matches!(pipe.stage, Stage::Handed))
                else {
                    return;
                };
                present.watch.remove(pipe.reading.as_fd());
                let (any, hung_up) = pipe.look();
                if hung_up && !any {
                    self.pipes.close(number, shell);
                } else {
                    // It has no room for it now.
                    self.pipes.enqueue(number, shell);
                    self.hold = Time(shell.now.0.saturating_add(PAUSE));
                }
            }
            ToPid1::LeftLasting => {
                if self.left == Leaving::Asked {
                    self.left = Leaving::Done;
                }
            }
            ToPid1::Pong => present.watch.answered(shell.now),
        }
    }

    /// When [`Logs::tick`] wants to be called, if at all.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        match &self.keeper {
            Keeper::There(present) => {
                let held = (self.pipes.unkept() > 0 && !present.is_full).then_some(self.hold);
                held.into_iter().chain(present.watch.deadline()).min()
            }
            Keeper::Away { .. } => {
                let held = (self.pipes.unkept() > 0).then_some(self.hold);
                let again = self.asked.and(self.keeper_due());
                held.into_iter().chain(again).min()
            }
        }
    }

    /// Goes on with the time.
    pub fn tick(&mut self, shell: &mut Shell<'_>) {
        match &mut self.keeper {
            Keeper::There(present) => match present.watch.tick(shell) {
                None => self.hand_over(shell),
                Some(since) => {
                    let pid = present.pid;
                    self.say(shell.now, Level::Warning, "the log keeper does not answer, and is killed");
                    if pid > 1 {
                        // If it is gone already, its end is on its way to us.
                        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                    }
                    self.part(shell, since);
                }
            },
            Keeper::Away { .. } => {
                if shell.now >= self.hold {
                    self.hold = Time(shell.now.0.saturating_add(PAUSE));
                    self.empty_full(shell);
                }
            }
        }
    }

    /// Nobody keeps logs for too long: what is in full pipes is thrown away, so that no job waits for ever.
    fn empty_full(&mut self, shell: &mut Shell<'_>) {
        let waiting =
            self.pipes.iter().filter(|(_, pipe)| matches!(pipe.stage, Stage::Waiting) && pipe.is_full());
        let full: Vec<u32> = waiting.map(|(number, _)| number).collect();
        for number in full {
            let Some(pipe) = self.pipes.get_mut(number) else { continue };
            if pipe.look().1 {
                continue;
            }
            let before = pipe.lost;
            pipe.empty();
            if before == 0 {
                let text =
                    format!("there is no log keeper: what {} writes is thrown away", pipe.stem.as_str());
                self.say(shell.now, Level::Warning, &text);
            }
            // If it cannot be waited for it is emptied at the next look.
            let _ = self.pipes.register(number, shell, Stage::Emptied);
        }
    }
}

fn tell(channel: &Kept, message: &ToKeeper) -> io::Result<()> {
    let bytes = postcard::to_allocvec(message).unwrap_or_default();
    if bytes.len() > PACKET {
        return Err(Errno::EMSGSIZE.into());
    }
    send(channel, &bytes, None)
}
