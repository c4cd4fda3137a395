//! `pwait`: waits until processes have ended, which need not be children of who waits.

use core::time::Duration;
use std::os::fd::{AsFd as _, OwnedFd};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use super::call::Call;
use crate::{cli::connection::now, sys::pidfd};

const USAGE: &str = "usage: pwait [-t timeout] [-opv] pid ...\n";
/// The time is over.
const TIMED_OUT: u8 = 124;

/// `pwait` with these words.
pub fn run(call: &Call) -> u8 {
    if call.helps(USAGE) {
        return 0;
    }
    let (mut any, mut limit, mut prints, mut verbose) = (false, None, false, false);
    let (options, rest) = match call.options("opt:v", 64, USAGE) {
        Ok(read) => read,
        Err(status) => return status,
    };
    for option in options {
        match option.letter {
            'o' => any = true,
            'p' => prints = true,
            'v' => verbose = true,
            _ => match duration(&option.value.to_string_lossy()) {
                Some(duration) => limit = Some(duration),
                None => return call.fail(65, &"timeout value"),
            },
        }
    }
    if rest.is_empty() {
        return call.misuse(64, USAGE);
    }
    let mut waited: Vec<(i32, OwnedFd)> = Vec::new();
    for word in rest {
        let word = word.to_string_lossy();
        let Some(pid) = word.parse::<i32>().ok().filter(|pid| *pid > 0) else {
            call.warn(&format!("{word}: bad process id"));
            continue;
        };
        if waited.iter().all(|(known, _)| *known != pid) {
            match pidfd::open(pid) {
                Ok(fd) => waited.push((pid, fd)),
                Err(error) => call.warn(&format!("{pid}: {}", super::call::reason(&error))),
            }
        }
    }
    let begun = now();
    let mut stops = any && waited.len() < rest.len();
    while !waited.is_empty() && !stops {
        let timeout = match limit.map(|limit| limit.saturating_sub(now().saturating_sub(begun))) {
            Some(left) if left.is_zero() => {
                if prints {
                    print(call, &waited);
                }
                return TIMED_OUT;
            }
            Some(left) => PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX),
            None => PollTimeout::NONE,
        };
        let mut polled: Vec<PollFd<'_>> =
            waited.iter().map(|(_, fd)| PollFd::new(fd.as_fd(), PollFlags::POLLIN)).collect();
        match poll(&mut polled, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return call.fail(71, &format!("poll: {}", error.desc())),
        }
        let ended: Vec<bool> = polled.iter().map(|polled| polled.any() == Some(true)).collect();
        drop(polled);
        let mut ended = ended.into_iter();
        waited.retain(|(pid, _)| {
            let has_ended = ended.next() == Some(true);
            if has_ended && verbose {
                call.show(format!("{pid}: exited.\n").as_bytes());
            }
            stops |= has_ended && any;
            !has_ended
        });
    }
    if prints {
        print(call, &waited);
    }
    0
}

fn print(call: &Call, waited: &[(i32, OwnedFd)]) {
    let pids: Vec<String> = waited.iter().map(|(pid, _)| pid.to_string()).collect();
    call.show(format!("{}\n", pids.join(" ")).as_bytes());
}

/// A number of seconds, minutes (`m`) or hours (`h`), perhaps with a fraction.
fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h']) {
        Some(number) => (number, text.get(number.len()..).unwrap_or_default()),
        None => (text, "s"),
    };
    let seconds: f64 = number.parse().ok()?;
    let factor = match unit {
        "h" => 3600.0,
        "m" => 60.0,
        _ => 1.0,
    };
    Duration::try_from_secs_f64(seconds * factor).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("5"), Some(Duration::from_secs(5)));
        assert_eq!(duration("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Some(Duration::from_secs(120)));
        assert_eq!(duration("1h"), Some(Duration::from_secs(3600)));
        for text in ["", "x", "-1", "5d", "inf", "nan"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
