//! Numbers, signals and the like, as they stand behind a stanza.

use alloc::{boxed::Box, format, string::String};

use events::Token;

use super::fault::{Checked, Fault};
use crate::{Exit, Limit, Signal, did_you_mean};

/// The fault that `word` is not `what`.
fn illegal(code: &'static str, word: &Token, what: &str) -> Box<Fault> {
    Fault::new(code, word.span.clone(), format!("`{}` is not {what}", word.text)).label("not allowed here")
}

/// A number of seconds that Upstart could hold.
pub(super) fn seconds(word: &Token) -> Checked<u32> {
    whole(word).ok_or_else(|| {
        illegal("illegal-interval", word, "a number of seconds")
            .help("write whole seconds without a unit, from 0 to 2147483647")
    })
}

/// How often a job may come back.
pub(super) fn respawn_count(word: &Token) -> Checked<u32> {
    whole(word).ok_or_else(|| {
        illegal("illegal-limit", word, "a number of respawns")
            .help("write a number from 0 (no limit) to 2147483647, or `respawn limit unlimited`")
    })
}

fn whole(word: &Token) -> Option<u32> {
    word.text.parse().ok().filter(|number| i32::try_from(*number).is_ok())
}

/// One side of a resource limit; `None` for unlimited.
pub(super) fn limit(word: &Token) -> Checked<Option<u64>> {
    if word.text == "unlimited" {
        return Ok(None);
    }
    word.text.parse().map(Some).map_err(|_| {
        illegal("illegal-limit", word, "a limit").help("write a number from 0 on, or `unlimited`")
    })
}

/// Both sides of a resource limit.
pub(super) fn limits(soft: &Token, hard: &Token) -> Checked<Limit> {
    Ok(Limit { soft: limit(soft)?, hard: limit(hard)? })
}

/// A scheduling priority.
pub(super) fn nice(word: &Token) -> Checked<i8> {
    word.text.parse().ok().filter(|nice| (-20..=19).contains(nice)).ok_or_else(|| {
        illegal("illegal-nice", word, "a priority").help("write a number from -20 (first) to 19 (last)")
    })
}

/// A file mode creation mask.
pub(super) fn umask(word: &Token) -> Checked<u16> {
    let digits = Some(word.text.as_str()).filter(|text| !text.starts_with(['+', '-']));
    let mask = digits.and_then(|text| u16::from_str_radix(text, 8).ok());
    mask.filter(|mask| *mask <= 0o777).ok_or_else(|| {
        illegal("illegal-umask", word, "a file mode mask").help("write octal digits up to 0777")
    })
}

/// `oom score`: -1000 to 1000.
pub(super) fn oom_score(word: &Token) -> Checked<i16> {
    if word.text == "never" {
        return Ok(-1000);
    }
    word.text.parse().ok().filter(|score| (-1000..=1000).contains(score)).ok_or_else(|| {
        illegal("illegal-oom", word, "an out-of-memory score")
            .help("write a number from -1000 to 1000, or `never`")
    })
}

/// `oom`: the old scale of -17 to 15, brought to the new one.
pub(super) fn oom_adjustment(word: &Token) -> Checked<i16> {
    if word.text == "never" {
        return Ok(-1000);
    }
    let old = word.text.parse::<i16>().ok().filter(|old| (-17..=15).contains(old));
    let scaled = old.and_then(|old| old.checked_mul(1000)?.checked_div(if old < 0 { 17 } else { 15 }));
    scaled.ok_or_else(|| {
        illegal("illegal-oom", word, "an out-of-memory adjustment")
            .help("write a number from -17 to 15, or `oom score` with one from -1000 to 1000")
    })
}

/// A signal, by name or number.
pub(super) fn signal(word: &Token) -> Checked<Signal> {
    word.text.parse().map_err(|_| {
        illegal("illegal-signal", word, "a signal")
            .help(signal_help(&word.text, "write a name such as TERM, or a number from 1 to 64"))
    })
}

/// An end that counts as good: a status or a signal.
pub(super) fn exit(word: &Token) -> Checked<Exit> {
    if word.text.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+') {
        return word.text.parse().map(Exit::Code).map_err(|_| {
            illegal("illegal-exit", word, "an exit status")
                .help("write a number from 0 to 255, or a signal by name")
        });
    }
    word.text.parse().map(Exit::Signal).map_err(|_| {
        illegal("illegal-exit", word, "an exit status or signal")
            .help(signal_help(&word.text, "write a number from 0 to 255, or a signal such as TERM"))
    })
}

fn signal_help(text: &str, otherwise: &str) -> String {
    let upper = text.to_uppercase();
    let plain = upper.strip_prefix("SIG").unwrap_or(&upper);
    let same = Signal::names().find(|name| *name == plain);
    match same.or_else(|| did_you_mean(plain, Signal::names())) {
        Some(name) => format!("did you mean `{name}`?"),
        None => otherwise.into(),
    }
}
