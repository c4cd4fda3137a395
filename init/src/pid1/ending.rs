//! The way down: from the last job to `reboot(2)`, or to our own end in a container.

use std::ffi::CString;

use jobs::{Exit, Input, Origin, Shutdown};
use nix::unistd::Pid;

use super::machine::Machine;
use crate::{
    executor::remarks,
    logs::Level,
    shutdown::{self, End, Next, Written},
    sys::own::{Program, Start, start},
};

impl Machine {
    /// The machine shall go down.
    pub(super) fn go_down(&mut self, kind: Shutdown, origin: Origin) {
        self.core.shell().report(Input::Shutdown { kind, origin });
    }

    /// All jobs are down, or nobody waits for them any more.
    pub(super) fn begin_end(&mut self, kind: Shutdown) {
        if self.end.is_some() {
            return;
        }
        self.say(Level::Info, &format!("all jobs are down: {}", kind.name()));
        self.end = Some(End::begin(kind, self.core.now));
        // It hears no signals: it keeps what there is, and ends by itself.
        self.logs.finish(&mut self.core.shell());
    }

    /// The next step of the end, if it has begun.
    pub(super) fn go_on_ending(&mut self) {
        let Some(end) = &mut self.end else { return };
        match end.next(shutdown::is_alone(), self.core.now) {
            Next::Wait => {}
            Next::Unmount => {
                for held in remarks::all_held() {
                    self.say(Level::Error, &format!("going on without waiting: {held}"));
                }
                self.leave_deleted_file();
                let pid = self.start_unmounting();
                if let Some(end) = &mut self.end {
                    end.unmounting(pid);
                }
                self.again = true;
            }
            Next::Power(kind, written) => self.power(kind, written),
        }
    }

    fn start_unmounting(&self) -> Option<Pid> {
        if self.core.options.container {
            return None;
        }
        let mut argv = Vec::new();
        argv.extend(CString::new("onset-unmount"));
        let fds = (0..3).filter_map(crate::sys::tty::borrow_standard).collect();
        let program = Program::Own(&self.image);
        let unmount = Start { program, argv, envp: Vec::new(), fds, owns_terminal: false, memory: None };
        start(&unmount).ok()
    }

    fn power(&mut self, kind: Shutdown, written: Written) {
        if let Some(watchdog) = self.watchdog.take()
            && let Err(error) = watchdog.stop()
        {
            self.say(Level::Warning, &format!("the watchdog goes on: {error}"));
        }
        if self.core.options.container {
            let code = match self.purpose_exit {
                Some(Exit::Code(code)) => i32::from(code),
                Some(Exit::Signal(signal)) => i32::from(signal.number()).saturating_add(128),
                None => 0,
            };
            crate::sys::own::exit(code);
        }
        let refused = shutdown::power(kind, written);
        self.say(Level::Error, &format!("the kernel refuses to {}: {}", kind.name(), refused.desc()));
        self.end = None;
    }
}
