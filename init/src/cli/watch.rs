//! `onsetctl events`: everything that happens, as it happens; or what there is that may happen.

use std::{
    io::{self, Write as _, stdout},
    path::Path,
};

use clap::Args;
use serde_json::{Value, json};

use super::{
    Outcome, colours,
    connection::Connection,
    exit::{DONE, FAILED, Trouble, clean},
    known,
    say::{self, part},
};

/// Which events, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct Events {
    /// Only events of this name
    #[arg(value_name = "EVENT")]
    event: Option<String>,
    /// End after so many
    #[arg(short = 'n', long, value_name = "NUMBER")]
    number: Option<u64>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
    /// Print the events and facts that Onset knows of, with what is known of each; nothing runs for that
    #[arg(long, conflicts_with = "number")]
    known: bool,
}

impl Events {
    pub(super) fn run(&self, socket: &Path) -> Outcome {
        if self.known {
            return known::list(self.event.as_deref(), self.json);
        }
        let mut connection = Connection::open(socket);
        let mut left = self.number.unwrap_or(u64::MAX);
        loop {
            match connection.and_then(|connection| self.follow(connection, &mut left)) {
                Ok(code) => return Outcome { text: String::new(), remarks: String::new(), code },
                Err(trouble) if trouble.is_restart() => {
                    // Nobody is told if nobody reads.
                    let _ = writeln!(io::stderr(), "onsetctl: Onset has restarted; looking on");
                    connection = Connection::open_again(socket);
                }
                Err(trouble) => return trouble.outcome(),
            }
        }
    }

    /// Prints what happens until nobody reads it any more.
    fn follow(&self, mut connection: Connection, left: &mut u64) -> Result<u8, Trouble> {
        let colours = colours(&stdout());
        connection.send("Events", &json!({}), true)?;
        while *left > 0 {
            let happened = connection.receive(None, &mut |_| {})?.parameters;
            let Some(line) = self.line(&happened, colours) else { continue };
            let mut out = stdout().lock();
            match writeln!(out, "{line}").and_then(|()| out.flush()) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(DONE),
                Err(_) => return Ok(FAILED),
            }
            if say::text(&happened, "what") != "watching" {
                *left = left.saturating_sub(1);
            }
        }
        Ok(DONE)
    }

    fn line(&self, happened: &Value, colours: bool) -> Option<String> {
        let what = say::text(happened, "what");
        let wanted = match (&self.event, what) {
            (_, "lost") => true,
            (Some(name), "event") => say::text(happened, "name") == name,
            (Some(_), _) => self.json && what == "watching",
            (None, _) => self.json || what != "watching",
        };
        if !wanted {
            return None;
        }
        if self.json {
            return Some(happened.to_string());
        }
        let time = say::seconds(part(happened, "time"));
        let about = match (what, say::text(happened, "job")) {
            ("note", job) if !job.is_empty() => format!("{}: ", say::who(happened)),
            _ => String::new(),
        };
        let because = match part(happened, "cause").as_str() {
            Some(cause) if colours => format!("  \x1b[2m<- {}\x1b[0m", clean(&brief(cause))),
            Some(cause) => format!("  <- {}", clean(&brief(cause))),
            None => String::new(),
        };
        let mark = match (what, colours) {
            ("event", true) => "\x1b[36mevent\x1b[0m",
            ("lost", true) => "\x1b[31mlost\x1b[0m ",
            (_, true) => "\x1b[33mnote\x1b[0m ",
            ("event", false) => "event",
            ("lost", false) => "lost ",
            (_, false) => "note ",
        };
        Some(format!("{time:>10} {mark} {about}{}{because}", clean(say::text(happened, "text"))))
    }
}

/// A cause on one line of many: of an event, its name and first argument. It was shown in full when it happened.
fn brief(cause: &str) -> String {
    let Some((before, (event, behind))) =
        cause.split_once('`').and_then(|(before, rest)| Some((before, rest.split_once('`')?)))
    else {
        return cause.to_owned();
    };
    let mut words = event.split(' ');
    let kept: Vec<&str> = words.by_ref().take(2).collect();
    let more = if words.next().is_some() { " ..." } else { "" };
    format!("{before}`{}{more}`{behind}", kept.join(" "))
}

#[cfg(test)]
mod tests {
    use super::brief;

    #[test]
    fn a_cause_is_the_name_and_first_argument_of_its_event() {
        for (cause, shown) in [
            ("event `startup` from the machine", "event `startup` from the machine"),
            ("event `a K=v` from a person", "event `a K=v` from a person"),
            ("event `a K=v L=w M=x` from the machine", "event `a K=v ...` from the machine"),
            ("command stop by a person", "command stop by a person"),
            ("half ` of it", "half ` of it"),
        ] {
            assert_eq!(brief(cause), shown);
        }
    }
}
