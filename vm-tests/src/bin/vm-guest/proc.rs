//! What the kernel tells about processes.

use std::{fs, io, path::Path};

/// What PID 1 has used and how often it was switched to, over all its threads.
#[derive(Debug, Clone, Copy, Default)]
pub struct Used {
    /// Nanoseconds on a processor.
    pub time: u64,
    /// How often it was switched away from.
    pub switches: u64,
}

/// What PID 1 has used so far.
pub fn used() -> Used {
    let mut used = Used::default();
    for task in fs::read_dir("/proc/1/task").into_iter().flatten().filter_map(Result::ok) {
        let time = read(&task.path().join("schedstat"));
        used.time = used.time.saturating_add(number(time.split_whitespace().next()));
        for line in read(&task.path().join("status")).lines() {
            if let Some((key, count)) = line.split_once(':')
                && key.ends_with("ctxt_switches")
            {
                used.switches = used.switches.saturating_add(number(Some(count.trim())));
            }
        }
    }
    used
}

/// How many processes and threads the kernel has made.
pub fn made() -> u64 {
    let stat = read(Path::new("/proc/stat"));
    number(stat.lines().find_map(|line| line.strip_prefix("processes ")))
}

/// What a process's memory is made of, in kB by its name in `smaps_rollup`.
pub fn memory(process: &str) -> Vec<(String, u64)> {
    let text = read(&Path::new("/proc").join(process).join("smaps_rollup"));
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.map(|(key, rest)| (key.to_owned(), number(rest.trim().strip_suffix(" kB")))).collect()
}

/// How many kB of a process's own stand in its heap, and in what it has mapped without a name.
pub fn heap(process: &str) -> u64 {
    let (mut is_heap, mut size) = (false, 0_u64);
    for line in read(&Path::new("/proc").join(process).join("smaps")).lines() {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        if !first.ends_with(':') {
            // "start-end rights offset device inode name"
            is_heap = words.nth(4).is_none_or(|name| name == "[heap]");
        } else if is_heap && first == "Anonymous:" {
            size = size.saturating_add(number(words.next()));
        }
    }
    size
}

/// All processes but the bench's own that are not the kernel's: how many, and their PSS in kB.
pub fn everybody() -> io::Result<(u64, u64)> {
    let (mut count, mut size) = (0_u64, 0_u64);
    for entry in fs::read_dir("/proc")?.filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let image = fs::read_link(entry.path().join("exe"));
        if name.parse::<u32>().is_err() || image.map_or(true, |image| image.starts_with("/bench")) {
            continue;
        }
        count = count.saturating_add(1);
        let pss = memory(&name).into_iter().find(|(key, _)| key == "Pss").map_or(0, |(_, size)| size);
        size = size.saturating_add(pss);
    }
    Ok((count, size))
}

/// How many entries a folder has.
pub fn entries(path: &str) -> usize {
    fs::read_dir(path).map_or(0, Iterator::count)
}

/// A process that is gone has nothing to tell.
fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn number(text: Option<&str>) -> u64 {
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}
