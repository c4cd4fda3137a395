//! Whether the kernel has killed a main process because there was too little memory: then an event says so.

use std::fs;

use events::{Event, Key, Name, Value};
use jobs::{Exit, Input, Origin, ProcessKind, Signal};

use super::Executor;
use crate::pid1::shell::Shell;

impl Executor {
    /// Emits `oom-kill` if main was killed for want of memory.
    ///
    /// Where its group counts that, it is known. Elsewhere it is taken for granted if anybody was killed so since
    /// it was last looked, and we have not ended it ourselves.
    pub(super) fn look_for_lack_of_memory(&mut self, shell: &mut Shell<'_>, number: u64, exit: Exit) {
        if exit != Exit::Signal(Signal::KILL) {
            return;
        }
        let Some(body) = self.lives.get(&number).filter(|body| !body.is_stopping) else { return };
        let group = body.groups.iter().find(|group| group.process == ProcessKind::Main);
        let counted = self.tree.as_ref().zip(group);
        let counted = counted.and_then(|(tree, group)| tree.oom_kills(group.branch, &group.name));
        let before = std::mem::replace(&mut self.oom_kills, all_kills());
        if counted.map_or(self.oom_kills > before, |kills| kills > 0) {
            let mut event = Event::new(Name::constant("oom-kill"));
            for (key, value) in [
                (Key::constant("JOB"), body.job.as_str()),
                (Key::constant("INSTANCE"), body.instance.as_str()),
            ] {
                event.args.push(key, Value::escaped(value.as_bytes()).0);
            }
            shell.report(Input::Event { event, origin: Origin::World, reply: None });
        }
    }
}

/// How many processes the kernel has killed for want of memory since it runs.
pub(super) fn all_kills() -> u64 {
    let text = fs::read_to_string("/proc/vmstat").unwrap_or_default();
    let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
    count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}
