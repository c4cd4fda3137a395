//! PID 1 executes itself: because it was asked to, or because something in it went wrong.
//!
//! What it was is in the store: the engine as it was after the last turn that was begun, and [`Rest`], what the other
//! parts had saved at the last snapshot. What has changed since is found in the world: in the descriptors that were
//! kept, in cgroups, in what the engine knows.

use std::{
    ffi::CStr,
    fs::File,
    io,
    os::fd::{AsFd as _, RawFd},
    path::Path,
};

use events::Bus;
use jobs::{Action, Engine, Input, ReplyId};
use nix::unistd::Pid;

use super::{
    assembly::{CGROUPS, WATCHDOG},
    booting::Boot,
    clock,
    hearing::Own,
    machine::{BUS, Core, Machine},
    options::Options,
    people::CONTROL,
    rest::{self, Rest},
    works::{Index, Works},
};
use crate::{
    control::{self, Control},
    executor::Executor,
    loader::Loader,
    logs::{self, Level, Logs},
    shutdown::OldRoot,
    sources::{Past, Sources, sockets::Sockets},
    store::{
        Cause, During, Interrupted, Kept, Label, Progress, Restored, Resumption, State, Store, Unsafe,
        Watchdog,
    },
    sys::{exec::Image, memory, poll::Poll},
};

/// The descriptor of the works, among those that are kept.
const WORKS: u32 = 900;

impl Machine {
    /// Writes down how everything is.
    fn snapshot(&mut self) -> io::Result<()> {
        self.save(Vec::new())
    }

    /// The same, and what waits for the next turn and would not be told again: the journal is not read after a
    /// planned exec.
    fn last_snapshot(&mut self) -> io::Result<()> {
        let waiting = self.core.bus.iter().filter(|input| !rest::is_told_again(input));
        let waiting = waiting.cloned().collect();
        self.save(waiting)
    }

    fn save(&mut self, waiting: Vec<Input>) -> io::Result<()> {
        let (_, index, end) = self.works.parts();
        let rest = Rest {
            waiting,
            options: self.core.options.clone(),
            // A new root is booted from its beginning, with what runs already.
            boot: if self.has_new_root { Boot::new(self.core.options.settle) } else { self.boot.clone() },
            executor: self.executor.records(),
            logs: self.logs.records(),
            control: self.control.records().clone(),
            works: (index.clone(), end),
            own: self.own.iter().map(|(pid, own)| (pid.as_raw(), *own)).collect(),
            purpose: self.purpose.clone(),
            sources: self.sources.records(),
            is_loading: self.loader.is_at_work() || self.has_new_root,
            ending: self.end.as_ref().map(crate::shutdown::End::kind),
        };
        self.store.snapshot(self.core.now, &self.engine, &rest)
    }

    /// The same if it is time to, or something has changed that no turn tells of; says so if it cannot be done.
    pub(super) fn snapshot_if_wanted(&mut self) {
        if !self.must_save && !self.store.wants_snapshot(self.core.now) {
            return;
        }
        self.must_save = false;
        if let Err(error) = self.snapshot() {
            self.say(Level::Warning, &format!("the state cannot be saved: {error}"));
        }
    }

    /// Keeps the works over an exec.
    pub(super) fn keep_works(&mut self) {
        let (file, _, end) = self.works.parts();
        self.works_kept = match file.try_clone() {
            Ok(file) => Some(Kept::new(file.into(), Label { role: WORKS, place: end, number: 0 })),
            Err(_) => None,
        };
    }

    /// Executes the program again, which may be a newer one, and goes on with the same state.
    pub(super) fn reexec(&mut self, reply: Option<ReplyId>) {
        self.control.keep_questions();
        let error = match self.last_snapshot() {
            Err(error) => error,
            Ok(()) => {
                self.control.farewell(self.core.now);
                match crate::sys::exec::executed_as().map(Image::at) {
                    Some(Ok(image)) => self.store.execute(image),
                    // Its file is gone or was never known: the one that runs will do.
                    Some(Err(_)) | None => self.store.execute_again(),
                }
            }
        };
        self.say(Level::Error, &format!("cannot execute again: {error}"));
        if let Some(reply) = reply {
            self.control.done(&mut self.core.shell(), reply, Err(error.to_string()));
        }
    }

    /// Goes over to a copy of the program in memory if its file has been replaced: a file without a name that is in
    /// use would keep its file system from being put away.
    pub(super) fn leave_deleted_file(&mut self) {
        let is_deleted = |image: &Image| image.is_deleted().unwrap_or(false);
        let Some(Ok(copy)) = self.store.image().filter(|image| is_deleted(image)).map(Image::copy) else {
            return;
        };
        let error = match self.last_snapshot() {
            Ok(()) => self.store.execute(copy),
            Err(error) => error,
        };
        self.say(Level::Warning, &format!("the old program is still in use: {error}"));
    }

    /// Becomes the init of the root that is in force now. It comes back only with the reason why not.
    pub(super) fn become_init(&mut self, program: &CStr, old: Option<OldRoot>) -> String {
        self.logs.renew_keeper(&mut self.core.shell());
        self.has_new_root = true;
        let image = self.last_snapshot().and_then(|()| Image::at(program));
        if let Some(old) = old {
            old.remove();
        }
        let is_onset = image.map(|image| self.store.execute(image));
        let why = match is_onset {
            Ok(error) | Err(error) => error,
        };
        self.say(
            Level::Info,
            &format!("{} is another init ({why}): it takes over", program.to_string_lossy()),
        );
        crate::shutdown::hand_over(program)
    }

    /// Goes on where the image before was.
    pub fn resume(page: RawFd, options: Options) -> io::Result<Self> {
        let Resumption { store, past, kept, state } = Store::resume::<Rest>(page)?;
        let (mut machine, planned) = match state {
            State::On(restored) => {
                (Self::restored(store, *restored, kept, past.again)?, past.cause == Cause::Planned)
            }
            State::Anew => (Self::with_store(store, options)?, false),
            State::Safe(why) => (Self::safe(store, options, kept, why)?, false),
        };
        if let During::Decoding { source: CONTROL, uid } = past.during
            && machine.store.is_closed(CONTROL, uid)
        {
            machine.control.bar(uid);
        }
        let level = if planned { Level::Info } else { Level::Error };
        machine.say(level, &format!("onset {} goes on: {past}", env!("CARGO_PKG_VERSION")));
        Ok(machine)
    }

    fn restored(store: Store, restored: Restored<Rest>, kept: Vec<Kept>, again: u64) -> io::Result<Self> {
        let Restored { engine, rest, replayed: (turns, _), interrupted, skipped, lost } = restored;
        let is_unheard = turns == 0 && interrupted.is_none() && skipped.is_none();
        let mut core =
            Core { poll: Poll::new()?, bus: Bus::new(BUS), now: clock::now(), options: rest.options };
        let (for_logs, kept) = of(kept, Logs::wants);
        let name = |life| engine.instance_of(life).map(|(job, key)| (job.as_str().into(), key.clone()));
        let logs = Logs::resume(&rest.logs, for_logs, name, &mut core.shell());
        let (for_works, kept) = of(kept, |label| label.role == WORKS);
        let (works, works_kept) = works(for_works, rest.works)?;
        let (for_watchdog, kept) = of(kept, |label| label.role == WATCHDOG);
        let (for_control, kept) = of(kept, |label| label.role == control::LISTENER);
        let (for_sockets, kept) = of(kept, Sockets::wants);
        let executor = Executor::resume(&mut core.shell(), Path::new(CGROUPS), rest.executor, kept, &engine)?;
        let socket = for_control.into_iter().next();
        let path = Path::new(events::control::PATH);
        let control = Control::resume(&mut core.shell(), path, rest.control, socket);
        let loader = Loader::new(core.options.root.clone(), core.options.container);
        let waiting = if is_unheard { rest.waiting } else { Vec::new() };
        let mut sources = Sources::new(
            &mut core.shell(),
            &Past { engine: &engine, waiting: &waiting, records: rest.sources },
        );
        sources.sockets.find(for_sockets);
        waiting.into_iter().for_each(|input| core.shell().report(input));
        let mut machine =
            Self::assemble(core, store, engine, works, executor, logs, control, loader, sources)?;
        machine.boot = rest.boot;
        machine.look_after_sockets(true);
        machine.purpose = rest.purpose;
        machine.own = rest.own.into_iter().map(|(pid, own)| (Pid::from_raw(pid), own)).collect();
        machine.go_on_feeding(for_watchdog);
        let is_whole = works_kept.is_some();
        machine.works_kept = works_kept;
        machine.executor.set_variables(machine.control.environment());
        if let Some(skipped) = skipped {
            machine.say(Level::Error, &format!("left out, since it brought PID 1 down: {:?}", skipped.input));
        }
        if let Some(interrupted) = interrupted {
            machine.finish_turn(interrupted, again);
        }
        machine.snapshot_if_wanted();
        if lost || rest.is_loading || !is_whole {
            machine.load();
        }
        if let Some(kind) = rest.ending {
            machine.begin_end(kind);
        }
        // Whatever the engine waits for, it is asked again.
        machine.again = true;
        Ok(machine)
    }

    /// Does what was left to do of a turn that was cut off.
    fn finish_turn(&mut self, interrupted: Interrupted, again: u64) {
        for (number, (action, progress)) in interrupted.actions.into_iter().enumerate() {
            self.store.performing(number);
            match (progress, action) {
                (Progress::Performed, _) => {}
                // It was begun, and has even been found; it may have ended, too.
                (Progress::InDoubt, Action::Spawn { life, process, .. })
                    if self.executor.has(life, process) => {}
                // It is what we die of: whoever asked for it must do without.
                (Progress::InDoubt, Action::Spawn { life, process, .. }) if again > 1 => {
                    let why = "clone: PID 1 died of it, twice".into();
                    self.core.shell().report(Input::Unspawned { life, process, why });
                }
                (Progress::InDoubt, _) if again > 1 => {}
                (Progress::InDoubt | Progress::NotBegun, action) => self.perform(action),
            }
            self.store.performed(number);
        }
        self.store.end_turn();
    }

    /// Starts nothing and decides nothing: what ends is reaped, what jobs write is kept, people are answered, and the
    /// console has a shell. All descriptors stay, for the image that tries again.
    fn safe(store: Store, options: Options, kept: Vec<Kept>, why: Unsafe) -> io::Result<Self> {
        let mut core = Core { poll: Poll::new()?, bus: Bus::new(BUS), now: clock::now(), options };
        let (for_logs, kept) = of(kept, Logs::wants);
        let (for_watchdog, kept) = of(kept, |label| label.role == WATCHDOG);
        let (for_control, kept) = of(kept, |label| label.role == control::LISTENER);
        let logs = Logs::resume(&logs::Records::none(), for_logs, |_| None, &mut core.shell());
        let executor = Executor::new(&mut core.shell(), Path::new(CGROUPS))?;
        let path = Path::new(events::control::PATH);
        let records = control::Records::new(core.now);
        let mut control = Control::resume(&mut core.shell(), path, records, for_control.into_iter().next());
        let why = match why {
            Unsafe::TooOften => "it has died too often",
            Unsafe::Unreadable => "what it was cannot be read any more",
        };
        let why = format!(
            "PID 1 is in safe mode ({why}): what runs goes on, nothing is started. `onsetctl reexec` tries again"
        );
        control.only_what_is_safe(&why);
        let works = Works::new(memory::memfd(c"works")?, Index::new(), 0);
        let loader = Loader::new(core.options.root.clone(), core.options.container);
        let engine = Engine::new();
        let sources = Sources::new(&mut core.shell(), &Past::none(&engine));
        let mut machine =
            Self::assemble(core, store, engine, works, executor, logs, control, loader, sources)?;
        machine.boot = Boot::over();
        machine.spare = kept;
        machine.go_on_feeding(for_watchdog);
        if let Some(keeper) = machine.logs.keeper() {
            machine.own.insert(Pid::from_raw(keeper), Own::Keeper);
        }
        machine.rescue(&why);
        Ok(machine)
    }

    /// Feeds the watchdog that the image before has fed, if it has.
    fn go_on_feeding(&mut self, kept: Vec<Kept>) {
        self.watchdog = kept.into_iter().next().map(|kept| {
            let seconds = kept.label().place;
            Watchdog::go_on(kept, seconds, self.core.now)
        });
    }
}

/// Those of these labels, and the others.
fn of(kept: Vec<Kept>, are_meant: impl Fn(Label) -> bool) -> (Vec<Kept>, Vec<Kept>) {
    kept.into_iter().partition(|kept| are_meant(kept.label()))
}

/// The works behind the descriptor that was kept; they are not there if they are not those that the index is of. The
/// descriptor stays kept.
fn works(kept: Vec<Kept>, (index, end): (Index, u32)) -> io::Result<(Works, Option<Kept>)> {
    match kept.into_iter().find(|kept| kept.label().place == end) {
        Some(kept) => {
            Ok((Works::new(File::from(kept.as_fd().try_clone_to_owned()?), index, end), Some(kept)))
        }
        None => Ok((Works::new(memory::memfd(c"works")?, Index::new(), 0), None)),
    }
}
