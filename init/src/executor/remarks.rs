//! What is remarkable about the processes of an instance, for people: what they say of themselves, and what keeps
//! them from ending.

use std::fs;

use jobs::ProcessKind;

use super::{Executor, life::Body, sessions::Stat};

/// How many processes are named at most.
const MOST: usize = 5;
/// Whose children are the kernel's own.
const KERNEL: i32 = 2;

impl Executor {
    /// What people should know of the processes of an instance, beside its state.
    #[must_use]
    pub fn remarks(&self, job: &str, instance: &str) -> Vec<String> {
        let Some(body) = self.body_of(job, instance) else { return Vec::new() };
        let mut remarks = Vec::new();
        if let Some(text) = self.status_text(body.life) {
            remarks.push(format!("says: {text}"));
        }
        if body.is_stopped {
            remarks.push(format!("{} is stopped by a signal", ProcessKind::Main.name()));
        }
        remarks.extend(self.held(job, instance));
        remarks
    }

    /// The processes of an instance that the kernel holds, and where.
    #[must_use]
    pub fn held(&self, job: &str, instance: &str) -> Vec<String> {
        let Some(body) = self.body_of(job, instance).filter(|body| body.is_stopping) else {
            return Vec::new();
        };
        let main = body.main().map(|main| main.pid);
        let mut pids: Vec<i32> = main.into_iter().chain(self.rest(body.life.number)).collect();
        pids.sort_unstable();
        pids.dedup();
        pids.into_iter().filter_map(held).take(MOST).collect()
    }

    fn body_of(&self, job: &str, instance: &str) -> Option<&Body> {
        self.lives.values().rev().find(|body| body.job == *job && body.instance.as_str() == instance)
    }
}

/// All processes that the kernel holds, of jobs or not, but for its own.
#[must_use]
pub fn all_held() -> Vec<String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_user = |pid: &i32| Stat::of(*pid).is_some_and(|stat| *pid != KERNEL && stat.parent != KERNEL);
    pids.filter(is_user).filter_map(held).take(MOST).collect()
}

/// A process that the kernel holds, and in which of its functions. What could make us wait for it (its words, its
/// memory) is not looked at.
#[must_use]
pub fn held(pid: i32) -> Option<String> {
    Stat::of(pid).filter(|stat| stat.state == b'D')?;
    let read = |what: &str| fs::read_to_string(format!("/proc/{pid}/{what}")).unwrap_or_default();
    let (name, at) = (read("comm"), read("wchan"));
    let name: String = name.trim_end().chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    let at = if matches!(at.as_str(), "" | "0") { "an unknown place".into() } else { format!("`{at}`") };
    Some(format!("the kernel holds process {pid} ({name}) in {at}"))
}
