//! What people want, and what they may look at.

use jobs::ReplyId;

use super::{machine::Machine, token::Token};
use crate::{
    control::{Fault, Loaded, Order},
    loader::generation::Remark,
    logs::Level,
    shutdown,
    store::faults::{self, Point},
    sys::poll::Ready,
};

/// The control socket, as the store knows where bytes come from.
pub(super) const CONTROL: u32 = 1;

/// Lends the control socket what it looks at, for one call.
macro_rules! with_views {
    ($machine:ident, $views:ident => $call:expr) => {{
        let life_of_pid = |pid: i32| $machine.executor.life_of_pid(pid);
        let remarks = |job: &str, instance: &str| {
            let mut remarks = $machine.executor.remarks(job, instance);
            remarks.extend($machine.sources.sockets.remarks($crate::pid1::clock::now(), job, instance));
            remarks
        };
        let limits =
            || $crate::pid1::limits::all(&$machine.executor, &$machine.sources, $machine.boot.limit());
        let calendars = || $machine.sources.calendars();
        let decoding = |uid: Option<u32>| match uid {
            Some(uid) => $machine.store.decoding($crate::pid1::people::CONTROL, uid),
            None => $machine.store.decoded(),
        };
        let $views = $crate::control::Views {
            engine: &$machine.engine,
            works: &$machine.works,
            life_of_pid: &life_of_pid,
            remarks: &remarks,
            obstacle: &$crate::shutdown::obstacle,
            calendars: &calendars,
            limits: &limits,
            decoding: &decoding,
        };
        $call
    }};
}
pub(super) use with_views;

impl Machine {
    /// Somebody says something on the control socket.
    pub(super) fn hear_people(&mut self, token: Token, ready: Ready) {
        faults::point(Point::Control);
        let mut shell = self.core.shell();
        let orders = with_views!(self, views => self.control.ready(&mut shell, &views, token, ready));
        orders.into_iter().for_each(|order| self.carry_out(order));
    }

    /// The control socket's deadline has come.
    pub(super) fn tick_people(&mut self) {
        let mut shell = self.core.shell();
        let orders = with_views!(self, views => self.control.tick(&mut shell, &views));
        orders.into_iter().for_each(|order| self.carry_out(order));
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::ReloadConfiguration { reply } => {
                self.awaits_load.push(reply);
                self.load();
            }
            Order::Reexec { reply } => self.reexec(Some(reply)),
            Order::Shutdown { kind, fast: true, .. } => self.begin_end(kind),
            Order::Shutdown { kind, fast: false, origin } => self.go_down(kind, origin),
            Order::SwitchRoot { root, init, reply } => self.switch_root(&root, init.as_deref(), reply),
            Order::Environment => {
                self.must_save = true;
                self.executor.set_variables(self.control.environment());
            }
            Order::Devices(devices) => {
                self.sources.devices_enumerated(&mut self.core.shell(), &devices);
            }
            Order::LogLevel(level) => {
                self.must_save = true;
                self.core.options.debug = level == events::control::LogLevel::Debug;
            }
        }
    }

    /// Tells those who asked for it what came of a load.
    pub(super) fn tell_loaded(&mut self, loaded: &Result<Loaded, String>) {
        for reply in std::mem::take(&mut self.awaits_load) {
            let shell = &mut self.core.shell();
            match loaded {
                Ok(loaded) => self.control.loaded(shell, reply, loaded),
                Err(why) => self.control.done(shell, reply, Err(why.clone())),
            }
        }
    }

    /// Goes over to another root and the init in it, which goes on with our state if it is Onset.
    fn switch_root(&mut self, root: &str, program: Option<&str>, reply: ReplyId) {
        let why = match shutdown::switch_root(root, program) {
            Ok((program, old)) => self.become_init(&program, old),
            Err(why) => why,
        };
        self.say(Level::Error, &format!("cannot switch to {root}: {why}"));
        self.control.done(&mut self.core.shell(), reply, Err(why));
    }
}

/// A remark of the loader's as clients read it.
pub(super) fn fault(remark: &Remark) -> Fault {
    Fault {
        severity: if remark.is_error { "error" } else { "warning" }.into(),
        code: remark.code.clone(),
        message: remark.message.clone(),
        path: Some(remark.path.clone()).filter(|path| !path.is_empty()),
        line: remark.place.map(|(line, _)| line),
        column: remark.place.map(|(_, column)| column),
        help: remark.help.clone(),
    }
}
