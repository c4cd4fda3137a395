//! How PID 1 is put together: at boot, and again after it has executed itself.

use std::{io, os::fd::AsFd as _, path::Path};

use events::Bus;
use jobs::Engine;

use super::{
    booting::Boot,
    clock::{self, Deadline},
    files::Files,
    machine::{BUS, Core, Machine},
    options::{Goal, Options},
    patience::Patience,
    signals::Signals,
    token::Token,
    works::{Index, Works},
};
use crate::{
    control::Control,
    executor::Executor,
    loader::Loader,
    logs::{Level, Logs},
    sources::{Past, Sources},
    store::{Label, Store, Watchdog, faults},
    sys::{
        memory,
        own::Image,
        poll::{Interest, Poll},
    },
};

/// Where cgroup v2 is mounted.
pub(super) const CGROUPS: &str = "/sys/fs/cgroup";

/// The watchdog's descriptor, among those that are kept.
pub(super) const WATCHDOG: u32 = 901;

impl Machine {
    /// A machine at its first moment. Must be called within the runtime.
    pub fn new(options: Options) -> io::Result<Self> {
        let store = Store::create()?;
        store.arm();
        Self::with_store(store, options)
    }

    /// The same with a store that is there.
    pub(super) fn with_store(store: Store, options: Options) -> io::Result<Self> {
        if let Some(plan) = options.fault.as_ref().and_then(|plan| plan.parse().ok()) {
            faults::begin(plan);
        }
        let mut core = Core { poll: Poll::new()?, bus: Bus::new(BUS), now: clock::now(), options };
        let mut logs = Logs::new(&mut core.shell());
        let executor = Executor::new(&mut core.shell(), Path::new(CGROUPS))?;
        let control = Control::new(&mut core.shell(), Path::new(events::control::PATH));
        let works = Works::new(memory::memfd(c"works")?, Index::new(), 0);
        let loader = Loader::new(core.options.root.clone(), core.options.container);
        for remark in std::mem::take(&mut core.options.remarks) {
            logs.say(core.now, Level::Warning, &remark);
        }
        let engine = Engine::new();
        let sources = Sources::new(&mut core.shell(), &Past::none(&engine));
        let mut machine =
            Self::assemble(core, store, engine, works, executor, logs, control, loader, sources)?;
        machine.first_words();
        Ok(machine)
    }

    /// What a boot begins with, as soon as the loop runs.
    fn first_words(&mut self) {
        self.say(Level::Info, &format!("onset {} begins", env!("CARGO_PKG_VERSION")));
        self.pass_on_warnings();
        self.start_watchdog();
        self.start_keeper();
        if self.core.options.goal == Goal::Emergency {
            self.rescue("asked for by `emergency` on the command line");
        } else {
            self.load();
        }
    }

    /// Opens the hardware's watchdog if it is asked for and there. Its driver may be loaded later: then once more.
    pub(super) fn start_watchdog(&mut self) {
        let Some(limit) = self.core.options.watchdog.filter(|_| self.watchdog.is_none()) else { return };
        let seconds = u32::try_from(limit.as_secs()).unwrap_or(u32::MAX).max(1);
        let label = Label { role: WATCHDOG, place: seconds, number: 0 };
        match Watchdog::start(Path::new("/dev/watchdog"), seconds, label, self.core.now) {
            Ok(watchdog) => self.watchdog = Some(watchdog),
            Err(error) => {
                self.say(
                    Level::Warning,
                    &format!("there is no watchdog yet ({error}); it is fed when it appears"),
                );
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "these are the parts")]
    pub(super) fn assemble(
        mut core: Core,
        store: Store,
        engine: Engine,
        works: Works,
        executor: Executor,
        logs: Logs,
        control: Control,
        loader: Loader,
        sources: Sources,
    ) -> io::Result<Self> {
        let boot = Boot::new(core.options.settle);
        let signals = Signals::new()?;
        let deadline = Deadline::new()?;
        let image = Image::of_this_process()?;
        let files = Files::new(&core.options.root).ok();
        // They stay for as long as we do.
        let mut wait = |fd, token| core.poll.add(fd, Interest::Read, token).map(std::mem::forget);
        wait(signals.as_fd(), Token::Signals)?;
        wait(deadline.as_fd(), Token::Deadline)?;
        if let Some(files) = &files {
            wait(files.as_fd(), Token::Files)?;
        }
        Ok(Self {
            core,
            engine,
            works,
            works_kept: None,
            executor,
            logs,
            control,
            store,
            loader,
            files,
            sources,
            signals,
            deadline,
            image,
            boot,
            end: None,
            watchdog: None,
            has_spare_memory: false,
            is_proved: false,
            own: std::collections::BTreeMap::new(),
            presses: Vec::new(),
            awaits_load: Vec::new(),
            purpose_exit: None,
            has_new_root: false,
            must_save: false,
            spare: Vec::new(),
            patience: Patience::default(),
            purpose: None,
            wake: None,
            again: false,
            // A signal from before we listened may be gone, the child that it was about is not.
            children: true,
        })
    }
}
