//! `cpuset`: on which processors a command or process runs. Named sets, jails, interrupts and memory domains are
//! FreeBSD's own.

use nix::{
    errno::Errno,
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

use super::{call::Call, launch::become_command};

const USAGE: &str = "\
usage: cpuset [-l cpu-list] command ...
       cpuset [-l cpu-list] [-p pid | -t tid]
       cpuset -g [-p pid | -t tid]
";

/// `cpuset` with these words.
pub fn run(call: &Call) -> u8 {
    if call.helps(USAGE) {
        return 0;
    }
    let (mut list, mut pid, mut asks) = (None, None, false);
    let (options, rest) = match call.options("Ccd:gij:l:n:p:rs:t:x:", 1, USAGE) {
        Ok(read) => read,
        Err(status) => return status,
    };
    for option in options {
        match option.letter {
            'g' => asks = true,
            'l' => match parse(&option.value.to_string_lossy()) {
                Ok(processors) => list = Some(processors),
                Err(why) => return call.fail(1, &why),
            },
            'p' | 't' => match option.value.to_str().and_then(|text| text.parse::<i32>().ok()) {
                Some(number) if number > 0 => pid = Some(number),
                Some(-1) => pid = None,
                Some(_) | None => {
                    return call.fail(1, &format!("invalid id: {}", option.value.display()));
                }
            },
            // Which set is meant of those that a process has: here there is one.
            'c' | 'r' => {}
            'C' | 'i' | 's' => call.warn(&format!("-{}: there are no named sets on Linux", option.letter)),
            'n' => call.warn(&"-n: memory domains are chosen with numactl(8) on Linux"),
            other => return call.fail(1, &format!("-{other}: not on Linux")),
        }
    }
    let target = Pid::from_raw(pid.unwrap_or(0));
    if asks {
        return if rest.is_empty() && list.is_none() {
            show(call, pid, target)
        } else {
            call.misuse(1, USAGE)
        };
    }
    if rest.is_empty() == pid.is_none() {
        return call.misuse(1, USAGE);
    }
    if let Some(list) = list {
        let result = mask(&list).and_then(|set| sched_setaffinity(target, &set));
        if let Err(error) = result {
            return call.fail(1, &format!("setaffinity: {}", error.desc()));
        }
    }
    if rest.is_empty() { 0 } else { become_command(call, rest) }
}

fn show(call: &Call, pid: Option<i32>, target: Pid) -> u8 {
    match sched_getaffinity(target) {
        Ok(set) => {
            let members = (0..CpuSet::count()).filter(|cpu| set.is_set(*cpu) == Ok(true));
            let members: Vec<String> = members.map(|cpu| cpu.to_string()).collect();
            call.show(format!("pid {} mask: {}\n", pid.unwrap_or(-1), members.join(", ")).as_bytes())
        }
        Err(error) => call.fail(1, &format!("getaffinity: {}", error.desc())),
    }
}

/// Which processors are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Processors {
    All,
    These(Vec<usize>),
}

fn mask(processors: &Processors) -> nix::Result<CpuSet> {
    let mut set = CpuSet::new();
    match processors {
        Processors::All => (0..CpuSet::count()).try_for_each(|cpu| set.set(cpu))?,
        Processors::These(list) => {
            list.iter().try_for_each(|cpu| set.set(*cpu))?;
            // The kernel takes what is there of a list; asked for what is not there it would take less than was said.
            let known = sched_getaffinity_of_all()?;
            if list.iter().any(|cpu| known.is_set(*cpu) != Ok(true)) {
                return Err(Errno::EDEADLK);
            }
        }
    }
    Ok(set)
}

/// All processors that there are: those that the first process may use, or, if that is not to be asked, we.
fn sched_getaffinity_of_all() -> nix::Result<CpuSet> {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    match parse(text.trim()) {
        Ok(Processors::These(list)) => {
            let mut set = CpuSet::new();
            list.iter().try_for_each(|cpu| set.set(*cpu))?;
            Ok(set)
        }
        Ok(Processors::All) | Err(_) => sched_getaffinity(Pid::from_raw(0)),
    }
}

fn parse(text: &str) -> Result<Processors, String> {
    if text.eq_ignore_ascii_case("all") {
        return Ok(Processors::All);
    }
    let number = |word: &str| {
        let number: usize = word.trim().parse().map_err(|_| format!("malformed cpu-list {text}"))?;
        if number < CpuSet::count() { Ok(number) } else { Err(format!("list item {number} is too large")) }
    };
    let mut list = Vec::new();
    for part in text.split(',') {
        match part.split_once('-') {
            None => list.push(number(part)?),
            Some((first, last)) => {
                let (first, last) = (number(first)?, number(last)?);
                if first > last {
                    return Err(format!("malformed cpu-list {text}"));
                }
                list.extend(first..=last);
            }
        }
    }
    Ok(Processors::These(list))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[usize]) {
        assert_eq!(parse(text).ok(), (!expected.is_empty()).then(|| Processors::These(expected.into())));
    }

    #[test]
    fn lists_of_processors_are_read() {
        assert_eq!(parse("ALL"), Ok(Processors::All));
        check("0", &[0]);
        check("0-2,5", &[0, 1, 2, 5]);
        check("2-0", &[]);
        check("", &[]);
        check("a", &[]);
        check("1-", &[]);
        check("4294967296", &[]);
        check("-1", &[]);
    }
}
