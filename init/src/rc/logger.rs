//! `logger`: lines for the system's log, from a script. For machines without one of their own.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Write as _},
};

use super::{
    call::{Call, reason},
    syslog::{Log, facility, level},
};

const USAGE: &str = "usage: logger [-is] [-f file] [-p pri] [-t tag] [message ...]\n";

/// `logger` with these words.
pub fn run(call: &Call) -> u8 {
    if call.helps(USAGE) {
        return 0;
    }
    let user = std::env::var("LOGNAME").or_else(|_| std::env::var("USER"));
    let mut log = Log { tag: user.unwrap_or_else(|_| "root".into()), facility: 1, level: 5 };
    let (mut with_pid, mut says, mut file) = (false, false, None);
    let (options, rest) = match call.options("46Af:h:iP:p:S:st:", 1, USAGE) {
        Ok(read) => read,
        Err(status) => return status,
    };
    for option in options {
        match option.letter {
            'f' => file = Some(option.value),
            'i' => with_pid = true,
            'p' => match priority(&option.value.to_string_lossy()) {
                Ok(found) => (log.facility, log.level) = found,
                Err(why) => return call.fail(64, &why),
            },
            's' => says = true,
            't' => log.tag = option.value.to_string_lossy().into_owned(),
            // How another host is reached, which this cannot do.
            'h' => return call.fail(1, &"-h: lines go to this machine's log only"),
            _ => {}
        }
    }
    if with_pid {
        log.tag = format!("{}[{}]", log.tag, std::process::id());
    }
    let write = |line: &[u8]| -> io::Result<()> {
        if says {
            let text = format!("{}: {}\n", log.tag, crate::cli::exit::clean(&String::from_utf8_lossy(line)));
            // As much as can be done.
            let _ = io::stderr().write_all(text.as_bytes());
        }
        log.write(line)
    };
    let words: Vec<String> = rest.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let result = match (words.is_empty(), file) {
        (false, _) => write(words.join(" ").as_bytes()),
        (true, Some(file)) => match File::open(file) {
            Ok(opened) => lines(BufReader::new(opened), write),
            Err(error) => return call.fail(1, &format!("{}: {}", file.display(), reason(&error))),
        },
        (true, None) => lines(io::stdin().lock(), write),
    };
    match result {
        Ok(()) => 0,
        // What is also said on standard error has reached somebody.
        Err(_) if says => 0,
        Err(error) => call.fail(1, &format!("there is no log: {}", reason(&error))),
    }
}

fn lines(mut from: impl BufRead, write: impl Fn(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        write(line.strip_suffix(b"\n").unwrap_or(&line))?;
        line.clear();
    }
    Ok(())
}

/// `facility.level`, or a level alone.
fn priority(text: &str) -> Result<(u8, u8), String> {
    let (who, how) = match text.split_once('.') {
        Some((who, how)) => (facility(who).ok_or_else(|| format!("unknown facility name: {who}"))?, how),
        None => (1, text),
    };
    Ok((who, level(how).ok_or_else(|| format!("unknown priority name: {how}"))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priorities_are_read() {
        assert_eq!(priority("daemon.err"), Ok((3, 3)));
        assert_eq!(priority("notice"), Ok((1, 5)));
        assert_eq!(priority("x.err"), Err("unknown facility name: x".into()));
        assert_eq!(priority("daemon.x"), Err("unknown priority name: x".into()));
    }
}
