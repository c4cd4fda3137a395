//! PID 1's part in the logs: pipes for jobs, and a log keeper that has them.

use std::io;

use events::Time;
use jobs::Life;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use serde::{Deserialize, Serialize};

use super::{
    handover::{AWAY, Keeper},
    level::Level,
    message::{Settings, ToKeeper},
    name::Stem,
    output::Output,
    pipes::{Pipe, Pipes, Stage},
    records::{OUTPUT, OWN},
    trace,
    voice::{Voice, shown},
};
use crate::{
    pid1::{shell::Shell, token::Token},
    store::Label,
    sys::poll::Ready,
};

/// How many pipes of lives that are over wait for a keeper; of more, the oldest are thrown away.
const ENDED: usize = 256;
/// After how many milliseconds another keeper is started, if the last one was started then.
const AGAIN: u64 = 1_000;

/// PID 1's part in the logs.
#[derive(Debug)]
pub struct Logs {
    pub(super) settings: Settings,
    pub(super) pipes: Pipes,
    pub(super) voice: Voice,
    pub(super) keeper: Keeper,
    /// Nothing is handed over, and no pipe emptied, before this time.
    pub(super) hold: Time,
    /// What was thrown away since a keeper was there, in bytes.
    pub(super) lost: u64,
    /// When somebody was last asked to start a keeper.
    pub(super) asked: Option<Time>,
    pub(super) is_writable: bool,
    pub(super) left: Leaving,
}

/// Whether the lasting folder is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Leaving {
    No,
    Asked,
    Done,
    /// Nobody keeps logs any more.
    Finished,
}

impl Logs {
    /// Logs below the root that the options name. Nobody keeps them yet: they wait in their pipes.
    #[must_use]
    pub fn new(shell: &mut Shell<'_>) -> Self {
        let mut logs = Self::silent(shell);
        logs.speak_up(shell);
        logs
    }

    /// Makes a log of Onset's own messages. Without it there still are the kernel's log, and the console.
    pub(super) fn speak_up(&mut self, shell: &mut Shell<'_>) {
        let label = Label { role: OWN, place: 0, number: 0 };
        if let Ok(Some(number)) = self.pipe(shell, Stem::new("onset", ""), label) {
            self.give_voice(number);
        }
    }

    /// Logs without any pipe.
    pub(super) fn silent(shell: &Shell<'_>) -> Self {
        let usual = Settings::below(&shell.options.root);
        let (size, files) = shell.options.log.unwrap_or((usual.size, usual.files));
        let (copies, shown) = (shell.options.container, shown(shell.options));
        let settings = Settings { copies, shown, size, files, ..usual };
        Self {
            settings,
            pipes: Pipes::default(),
            voice: Voice::new(shell.options),
            keeper: Keeper::Away { since: shell.now },
            hold: Time(shell.now.0.saturating_add(AWAY)),
            lost: 0,
            asked: None,
            is_writable: false,
            left: Leaving::No,
        }
    }

    /// Onset's own messages go into this pipe, too.
    fn give_voice(&mut self, number: u32) {
        let writing = self.pipes.get(number).and_then(|pipe| pipe.writing.as_ref());
        let own = writing.and_then(|writing| {
            fcntl(writing, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).ok()?;
            writing.try_clone().ok()
        });
        self.voice.write_into(own);
    }

    /// Where logs are kept, and how much of them: to be changed before the keeper is started.
    pub const fn settings(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// Where a process of this life writes to.
    pub fn output_for(&mut self, shell: &mut Shell<'_>, life: Life, job: &str, instance: &str) -> Output {
        let made = match self.pipes.of(life) {
            Some(number) => Ok(Some(number)),
            None => {
                let label = Label { role: OUTPUT, place: life.place, number: life.number };
                self.pipe(shell, Stem::new(job, instance), label)
            }
        };
        let writing = made.and_then(|number| {
            let Some(number) = number else { return Err(io::ErrorKind::OutOfMemory.into()) };
            self.pipes.set_life(life, number);
            let pipe = self.pipes.get(number).and_then(|pipe| pipe.writing.as_ref());
            pipe.ok_or(io::ErrorKind::NotFound)?.try_clone()
        });
        match writing {
            Ok(writing) => Output::Pipe(writing),
            Err(error) => {
                self.say(shell.now, Level::Warning, &format!("what {job} writes is not kept: {error}"));
                Output::Null
            }
        }
    }

    /// A new pipe that waits for its first output.
    fn pipe(&mut self, shell: &mut Shell<'_>, stem: Stem, label: Label) -> io::Result<Option<u32>> {
        let Some(number) = self.pipes.insert(Pipe::new(stem, label)?) else { return Ok(None) };
        if let Err(error) = self.pipes.register(number, shell, Stage::Silent) {
            self.pipes.close(number, shell);
            return Err(error);
        }
        Ok(Some(number))
    }

    /// A life is over: no further process of it will need its pipe. What is still in there is kept, and what
    /// processes that it has left behind write, too.
    pub fn forget(&mut self, shell: &mut Shell<'_>, life: Life) {
        let Some(number) = self.pipes.end(life) else { return };
        let Some(pipe) = self.pipes.get_mut(number) else { return };
        pipe.writing = None;
        match (&pipe.stage, pipe.look()) {
            (Stage::Silent(_), (true, _)) => self.wake(shell, number),
            (Stage::Silent(_), (false, true)) => self.pipes.close(number, shell),
            (Stage::Emptied(_), (_, true)) => self.pipes.enqueue(number, shell),
            (Stage::Silent(_) | Stage::Emptied(_), (_, false)) | (Stage::Waiting | Stage::Handed, _) => {}
        }
        // Not each time, since all must be looked at.
        if matches!(self.keeper, Keeper::Away { .. }) && self.pipes.unkept() > ENDED.saturating_mul(2) {
            self.bound_ended(shell);
        }
    }

    /// A descriptor of ours is ready.
    pub fn ready(&mut self, shell: &mut Shell<'_>, token: Token, ready: Ready) {
        if let Token::Output(number) = token {
            self.output(shell, number, ready);
        } else if token == Token::Keeper {
            self.hear(shell);
        }
    }

    fn output(&mut self, shell: &mut Shell<'_>, number: u32, ready: Ready) {
        let Some(pipe) = self.pipes.get_mut(number) else { return };
        match pipe.stage {
            Stage::Silent(_) if ready.hung_up && !pipe.look().0 => self.pipes.close(number, shell),
            Stage::Silent(_) => self.wake(shell, number),
            Stage::Emptied(_) => {
                let any = pipe.empty();
                if ready.hung_up && !any {
                    self.pipes.enqueue(number, shell);
                }
            }
            Stage::Waiting | Stage::Handed => {}
        }
    }

    /// Something is in a pipe for the first time.
    fn wake(&mut self, shell: &mut Shell<'_>, number: u32) {
        self.pipes.enqueue(number, shell);
        self.hand_over(shell);
    }

    /// How many pipes there are.
    #[must_use]
    pub fn pipes(&self) -> usize {
        self.pipes.iter().count()
    }

    /// Whether somebody should start a log keeper now: something has been written, and nobody keeps it. At most once
    /// a second, so that one that cannot be started, or ends at once, is not all that the machine does.
    #[must_use]
    pub fn keeper_wanted(&mut self, now: Time) -> bool {
        let due = self.keeper_due().is_some_and(|due| due <= now);
        if due {
            self.asked = Some(now);
        }
        due
    }

    /// When a log keeper is to be started, if one is needed.
    pub(super) fn keeper_due(&self) -> Option<Time> {
        let is_away = matches!(self.keeper, Keeper::Away { .. });
        let is_needed = is_away && self.left != Leaving::Finished && self.pipes.unkept() > 0;
        is_needed.then(|| self.asked.map_or(Time(0), |asked| Time(asked.0.saturating_add(AGAIN))))
    }

    /// /var/log can be written to from now on.
    pub fn writable(&mut self, shell: &mut Shell<'_>) {
        self.is_writable = true;
        if self.left == Leaving::Done || self.left == Leaving::Asked {
            self.left = Leaving::No;
        }
        self.owe(ToKeeper::Writable);
        self.hand_over(shell);
    }

    /// The file system of the lasting folder is about to go away: leave it.
    pub fn leave_lasting(&mut self, shell: &mut Shell<'_>) {
        let is_there = matches!(self.keeper, Keeper::There(_));
        self.left = if is_there { Leaving::Asked } else { Leaving::Done };
        self.owe(ToKeeper::LeaveLasting);
        self.hand_over(shell);
    }

    /// Whether no file in the lasting folder is open any more, after [`Logs::leave_lasting`].
    #[must_use]
    pub fn has_left(&self) -> bool {
        matches!(self.left, Leaving::Done | Leaving::Finished)
    }

    /// Has another log keeper take over, because folders are not where they were: after a change of the root.
    pub fn renew_keeper(&mut self, shell: &mut Shell<'_>) {
        self.owe(ToKeeper::Finish);
        self.hand_over(shell);
    }

    /// Keeps what there is, and ends the log keeper. No other one is wanted after that.
    pub fn finish(&mut self, shell: &mut Shell<'_>) {
        self.left = Leaving::Finished;
        self.owe(ToKeeper::Finish);
        self.hand_over(shell);
    }

    /// Says something: to the kernel's log, on the console unless it is quiet, and in the log `onset`.
    pub fn say(&mut self, now: Time, level: Level, text: &str) {
        let alone = match self.keeper {
            Keeper::Away { since } => now.0.saturating_sub(since.0) >= AWAY || self.left == Leaving::Finished,
            Keeper::There(_) => false,
        };
        self.voice.say(now, level, text, alone);
    }

    /// Says what `tracing`'s macros have said since the last time. Once a turn.
    pub fn pass_on(&mut self, now: Time) {
        for (level, text) in trace::take() {
            self.say(now, level, &text);
        }
    }

    /// Throws away the oldest pipes of lives that are over, if there are too many.
    fn bound_ended(&mut self, shell: &mut Shell<'_>) {
        let is_ended = |pipe: &Pipe| pipe.writing.is_none() && matches!(pipe.stage, Stage::Waiting);
        let ended: Vec<u32> = self
            .pipes
            .iter()
            .filter(|(_, pipe)| is_ended(pipe) && pipe.look().1)
            .map(|(number, _)| number)
            .collect();
        for number in ended.iter().take(ended.len().saturating_sub(ENDED)) {
            if let Some(pipe) = self.pipes.get_mut(*number) {
                pipe.empty();
                self.lost = self.lost.saturating_add(pipe.lost);
            }
            self.pipes.close(*number, shell);
        }
    }
}
