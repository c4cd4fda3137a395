//! The file systems of a machine: `/etc/fstab`.

mod entry;
mod mounting;
mod options;
mod order;
mod waiting;

use std::{fs, path::Path};

use super::{
    fsck,
    task::{Task, reason},
    tell,
};
pub(super) use entry::Entry;
use waiting::Change;

/// Where it stands.
const PATH: &str = "etc/fstab";

/// How long a device may take to appear, or the network to carry its first file system.
const PATIENCE: u64 = 30_000;
const NETWORK_PATIENCE: u64 = 90_000;
/// After how long the console is told what is waited for.
const SILENCE: u64 = 3_000;

/// The entries of the machine's fstab.
pub(super) fn entries(task: &mut Task) -> Vec<Entry> {
    read(task).0
}

/// The entries, and what is wrong with lines that are none.
fn read(task: &mut Task) -> (Vec<Entry>, Vec<String>) {
    task.read(PATH).map(|text| entry::parse(&text)).unwrap_or_default()
}

/// Remounts what is mounted already as fstab says: the root, which the kernel has mounted for reading only, and what
/// PID 1 has mounted.
pub fn remount(task: &mut Task, _: &[String]) {
    let mut entries = entries(task);
    // The root first: the others may be in it.
    entries.sort_by_key(|entry| entry.target != "/");
    let mounted = mounting::mounted();
    for entry in entries.iter().filter(|entry| entry.is_wanted() && !entry.is_bind()) {
        let is_root = entry.target == "/";
        if (is_root || entry.is_virtual())
            && mounted.contains(&entry.target)
            && let Err(error) = mounting::remount(entry)
        {
            task.fault(format!("{PATH}:{}: cannot remount {}: {}", entry.line, entry.target, reason(&error)));
        }
    }
}

/// Mounts everything that is local, or with `network`, what comes over the network. With `network check` it only says
/// by its status whether there is any.
pub fn run(task: &mut Task, words: &[String]) {
    let (entries, faults) = read(task);
    let (network, local): (Vec<Entry>, Vec<Entry>) =
        entries.into_iter().filter(Entry::is_wanted).partition(Entry::is_network);
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => {
            faults.into_iter().for_each(|fault| task.fault(format!("{PATH}:{fault}")));
            tell::announce(task, "virtual-filesystems");
            mount_all(task, local, PATIENCE, Change::Devices);
            tell::announce(task, "local-filesystems");
            tell::announce(task, "all-swaps");
            if network.is_empty() {
                tell::announce(task, "remote-filesystems");
            }
            tell::announce(task, "filesystem");
        }
        ["network"] => {
            mount_all(task, network, NETWORK_PATIENCE, Change::Network);
            tell::announce(task, "remote-filesystems");
        }
        ["network", "check"] => task.end_with(u8::from(network.is_empty())),
        _ => task.misused("fstab: `network` or `network check` may stand behind it"),
    }
}

/// Mounts all entries, each after those it lies in. What is not there yet is tried again when something has changed,
/// until all patience is at an end; nobody waits for an entry with `nofail`.
fn mount_all(task: &mut Task, entries: Vec<Entry>, patience: u64, change: Change) {
    let mut left = order::sorted(entries);
    let mut waiting = waiting::Waiting::begin(change, patience);
    let mut silence = Some(SILENCE);
    loop {
        let mut late = Vec::new();
        for entry in left {
            // What lies in a file system that is late waits for it.
            let is_below =
                late.iter().any(|earlier: &(Entry, String)| order::comes_after(&entry, &earlier.0));
            if is_below {
                late.push((entry, "what it lies in is not mounted".into()));
                continue;
            }
            match mount_one(task, &entry) {
                Ok(()) => {}
                Err(Trouble::Late(why)) => late.push((entry, why)),
                Err(Trouble::Fault(why)) => {
                    task.fault(format!("{PATH}:{}: {}: {why}", entry.line, entry.target))
                }
            }
        }
        if late.iter().all(|(entry, _)| entry.may_fail()) || !waiting.has_changed() {
            for (entry, why) in late.iter().filter(|(entry, _)| !entry.may_fail()) {
                task.fault(format!("{PATH}:{}: {}: {why}", entry.line, entry.target));
            }
            return;
        }
        if silence.is_some_and(|silence| waiting.has_lasted(silence)) {
            silence = None;
            for (entry, why) in late.iter().filter(|(entry, _)| !entry.may_fail()) {
                let most = patience / 1_000;
                tell::console(format!(
                    "{PATH}:{}: {}: {why}; waiting for up to {most} s",
                    entry.line, entry.target
                ));
            }
        }
        left = late.into_iter().map(|(entry, _)| entry).collect();
    }
}

/// Why an entry is not mounted.
enum Trouble {
    /// It may become better by itself.
    Late(String),
    /// It will not.
    Fault(String),
}

fn mount_one(task: &mut Task, entry: &Entry) -> Result<(), Trouble> {
    let target = task.path(&entry.target);
    // The kernel knows it by the path without links. What is mounted already needs no device: the root least of all.
    let is_mounted = |target: &Path| {
        let real = target.canonicalize();
        real.is_ok_and(|real| mounting::mounted().iter().any(|mounted| Path::new(mounted) == real))
    };
    if !entry.is_swap() && is_mounted(&target) {
        return Ok(());
    }
    let Some(source) = entry.source() else {
        return Err(Trouble::Late(format!("there is no {}", entry.spec)));
    };
    if entry.is_swap() {
        return mounting::swap_on(&source, entry).map_err(|error| Trouble::Fault(reason(&error)));
    }
    if let Err(error) = fs::create_dir_all(&target)
        && !target.exists()
    {
        return Err(Trouble::Fault(format!("cannot make the folder: {}", reason(&error))));
    }
    let target = target.canonicalize().unwrap_or(target);
    if entry.pass > 0 {
        fsck::check(&source, entry).map_err(Trouble::Fault)?;
    }
    mounting::mount(&source, &target, entry).map_err(|error| match entry.is_network() {
        true => Trouble::Late(error),
        false => Trouble::Fault(error),
    })
}
