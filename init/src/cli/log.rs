//! `onsetctl log`: what jobs have written. It reads the log keeper's files, and needs no running Onset.

mod follow;
mod line;
mod shelf;

use std::{
    collections::VecDeque,
    io::{self, BufWriter, IsTerminal as _, Write},
    path::PathBuf,
};

use clap::Args;
use events::parse_delay;
use jobs::did_you_mean;

use super::{
    CLEAN, Outcome, colours,
    exit::{DENIED, UNKNOWN},
};
use crate::logs::{Settings, Stamp};
use follow::follow;
use line::{Line, Style};
use shelf::{Logs, Wanted};

/// Shows what a job has written.
///
/// Reads the files in /var/log/onset, and those in /run/onset/log, where early output is until it can be moved. Onset
/// need not run, so it also works in a rescue shell and on the root of an image.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  onsetctl log web                      all that is kept of the job web
  onsetctl log web -f -n 20             the last 20 lines, and what comes
  onsetctl log getty --instance tty1    one instance
  onsetctl log onset --since 10m        Onset's own messages of the last ten minutes
  onsetctl log --all --since 07:30      all jobs, from a time of today (UTC) on
  onsetctl log web --root /mnt --json   from the root of an image, for a program

A line that ends with ` \\` goes on in the next one.

Exit status:
  0  done
  2  the command is wrong
  3  there is no such log
  4  only root may read it")]
pub(super) struct LogCommand {
    /// The job; `onset` for Onset's own messages
    #[arg(value_name = "JOB", required_unless_present = "all")]
    job: Option<String>,
    /// All jobs, in the order of time
    #[arg(short, long, conflicts_with_all = ["job", "instance"])]
    all: bool,
    /// Only this instance of the job
    #[arg(long, value_name = "NAME")]
    instance: Option<String>,
    /// Only the last so many lines
    #[arg(short = 'n', long, value_name = "NUMBER")]
    lines: Option<usize>,
    /// Only lines from then on: a length of time (`90s`, `2h`), a time of today (`07:30`), or a day with or without
    /// time (`2026-11-21T07:30:00`), in UTC
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Stamp>,
    /// Go on with what comes, until interrupted
    #[arg(short, long)]
    follow: bool,
    /// Print one JSON object a line instead of text
    #[arg(long)]
    json: bool,
    /// Read the logs below this folder
    #[arg(long, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

/// From when on.
fn since(text: &str) -> Result<Stamp, String> {
    let now = Stamp::now();
    if let Ok(delay) = parse_delay(text) {
        return Ok(now.earlier(i64::try_from(delay.as_millis()).unwrap_or(i64::MAX)));
    }
    let today = now.to_string();
    let today = today.get(..10).unwrap_or_default();
    let time = Stamp::parse(text).or_else(|| Stamp::parse(&format!("{today}T{text}")));
    time.ok_or_else(|| String::from("write 90s, 2h, 07:30, 2026-11-21 or 2026-11-21T07:30:00"))
}

/// What a job has written from a moment on; nothing, if that cannot be read.
pub(super) fn since_then(job: &str, since: Stamp) -> String {
    let wanted = Wanted { job: Some(job.into()), instance: None };
    let mut text = Vec::new();
    if let Ok(mut logs) = Logs::open(Settings::below("/"), wanted) {
        // What was read before a failure is told.
        let _ = logs.read(|line| {
            if line.time >= since {
                text.extend_from_slice(&line.text);
                text.extend((!line.unfinished).then_some(b'\n'));
            }
        });
    }
    String::from_utf8_lossy(&text).into_owned()
}

impl LogCommand {
    pub(super) fn run(&self) -> Result<Outcome, String> {
        let said = |remarks: String, code| Outcome { text: String::new(), remarks, code };
        let wanted = Wanted { job: self.job.clone(), instance: self.instance.clone() };
        let places = Settings::below(&self.root.to_string_lossy());
        let mut logs = match Logs::open(places, wanted) {
            Ok(logs) => logs,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Ok(said(format!("onsetctl: {error}: only root may read logs\n"), DENIED));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(said(format!("onsetctl: {error}\n"), UNKNOWN));
            }
            Err(error) => return Err(error.to_string()),
        };
        if let (Some(job), false) = (&self.job, logs.has_any()) {
            let unknown = self.unknown(job, &logs);
            if !self.follow {
                return Ok(said(format!("onsetctl: {unknown}\n"), UNKNOWN));
            }
            // It may begin to write.
            let _ = writeln!(io::stderr(), "onsetctl: {unknown}");
        }
        match self.show(&mut logs) {
            // Who reads only the first lines and closes the pipe has what he wanted.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(said(String::new(), CLEAN)),
            Err(error) => Err(error.to_string()),
            Ok(()) => Ok(said(String::new(), CLEAN)),
        }
    }

    /// There is no such log.
    fn unknown(&self, job: &str, logs: &Logs) -> String {
        let instances = logs.instances(job);
        if let (Some(instance), false) = (&self.instance, instances.is_empty()) {
            let known = instances.iter().map(|known| format!("`{known}`")).collect::<Vec<_>>().join(", ");
            return format!("there is no log of `{instance}` of `{job}`, but of {known}");
        }
        let known = logs.jobs();
        match did_you_mean(job, known.iter().map(String::as_str)) {
            Some(meant) => format!("there is no log of `{job}`; did you mean `{meant}`?"),
            None => format!("there is no log of `{job}`: it has written nothing, or there is no such job"),
        }
    }

    fn show(&self, logs: &mut Logs) -> io::Result<()> {
        let stdout = io::stdout();
        let style = Style {
            json: self.json,
            names: self.all || logs.has_several() || (self.instance.is_none() && logs.has_instances()),
            escapes: stdout.is_terminal(),
            colours: colours(&stdout),
        };
        let mut out = BufWriter::new(stdout.lock());
        let is_wanted = |line: &Line| self.since.is_none_or(|since| line.time >= since);
        let mut last = VecDeque::new();
        let mut failed = Ok(());
        logs.read(|line| {
            if !is_wanted(&line) || failed.is_err() {
                return;
            }
            match self.lines {
                Some(count) => {
                    last.push_back(line);
                    if last.len() > count {
                        last.pop_front();
                    }
                }
                None => failed = line.write(&mut out, style),
            }
        })?;
        failed?;
        for line in last {
            line.write(&mut out, style)?;
        }
        out.flush()?;
        if !self.follow {
            return Ok(());
        }
        follow(logs, |line| {
            if !is_wanted(&line) {
                return Ok(());
            }
            line.write(&mut out, style)?;
            out.flush()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_people_write_it() {
        let now = Stamp::now();
        let hour = since("1h").unwrap();
        assert!((now.0 - hour.0 - 3_600_000).abs() < 10_000);
        assert_eq!(since("2026-11-21T07:30"), Ok(Stamp::parse("2026-11-21T07:30").unwrap()));
        assert_eq!(since("07:30").unwrap().to_string().get(10..), Some("T07:30:00.000Z"));
        assert!(since("yesterday").is_err());
    }
}
