//! Which sockets are listened to for a job: those that it lists, and those that its events ask for.

use alloc::{format, string::String, vec::Vec};
use core::fmt;

use events::{Args, Key, MatchKey, Name, Pattern, Value, Want};

use super::{Address, MAX_SOCKETS, SOCKET_EVENT, SOCKET_JOB, Socket};
use crate::{Job, Work};

/// A socket that is listened to, and what the event is that a connection to it gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Which.
    pub socket: Socket,
    /// The arguments of the event.
    pub args: Args,
}

/// An event `socket` that no socket can be opened for, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSocket {
    /// The pattern, as it is written.
    pub pattern: String,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for NoSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.pattern, self.why)
    }
}

impl core::error::Error for NoSocket {}

/// What starts a job at a connection to one of its own sockets.
#[must_use]
pub fn own_sockets(job: &Name) -> Pattern {
    let matches = [events::Match {
        key: MatchKey::Named(Key::constant(SOCKET_JOB)),
        negated: false,
        want: Want::Literal(job.as_str().into()),
    }];
    Pattern { name: Name::constant(SOCKET_EVENT), matches: matches.into() }
}

/// Whether a connection to a socket may start the job, so that its sockets are listened to while it is down.
#[must_use]
pub fn awaits_connections(job: &Job) -> bool {
    patterns(job).next().is_some()
}

/// The patterns that a job waits for connections by.
fn patterns(job: &Job) -> impl Iterator<Item = &Pattern> {
    let leaves = job.start_on.iter().flat_map(|condition| condition.leaves());
    leaves.map(|leaf| &leaf.pattern).filter(|pattern| pattern.name == SOCKET_EVENT)
}

/// The sockets of a job, in the order in which they are handed over: those that it lists, and those that its
/// `start_on` waits for. If one of its own serves such an event, it is this one.
#[must_use]
pub fn listeners(job: &Job, work: &Work) -> Vec<Result<Listener, NoSocket>> {
    let mut all: Vec<Result<Listener, NoSocket>> = Vec::new();
    for socket in work.sockets.iter().take(MAX_SOCKETS) {
        let mut args = Args::new();
        let job = Value::new(&job.name).ok();
        args.extend_with(SOCKET_JOB, job);
        args.extend_with("NAME", socket.name.as_ref().and_then(|name| Value::new(name).ok()));
        args.append(&Address::parse(&socket.listen).map(|address| address.args()).unwrap_or_default());
        all.push(Ok(Listener { socket: socket.clone(), args }));
    }
    for pattern in patterns(job).filter(|pattern| !is_of_a_job(pattern)) {
        if all.len() >= MAX_SOCKETS {
            break;
        }
        match of_pattern(pattern) {
            Err(why) => all.push(Err(NoSocket { pattern: format!("{pattern}"), why })),
            Ok((socket, address)) => {
                let args = told(pattern, &address);
                let serves = |listener: &&mut Result<Listener, NoSocket>| {
                    let own = listener.as_ref().ok().and_then(|it| Address::parse(&it.socket.listen));
                    own.is_some_and(|own| own.serves(&address))
                };
                match all.iter_mut().find(serves) {
                    Some(Ok(listener)) => {
                        let mut more = args;
                        more.append(&listener.args);
                        listener.args = more;
                    }
                    Some(Err(_)) | None => all.push(Ok(Listener { socket, args })),
                }
            }
        }
    }
    all
}

/// Whether a pattern is about the sockets that a job lists.
fn is_of_a_job(pattern: &Pattern) -> bool {
    let key = |key: &MatchKey| matches!(key, MatchKey::Named(key) if *key == SOCKET_JOB);
    pattern.matches.iter().any(|wanted| key(&wanted.key))
}

/// Why no socket can be opened for an event that a job waits for; `None` if there can.
pub(crate) fn fault_of(pattern: &Pattern) -> Option<String> {
    let is_meant = pattern.name == SOCKET_EVENT && !is_of_a_job(pattern);
    if is_meant { of_pattern(pattern).err() } else { None }
}

/// The event of a pattern: what it says itself first, since that is what must fit.
fn told(pattern: &Pattern, address: &Address) -> Args {
    let mut args = Args::new();
    for wanted in pattern.matches.iter() {
        if let (MatchKey::Named(key), Want::Literal(text), false) =
            (&wanted.key, &wanted.want, wanted.negated)
            && let Ok(value) = Value::new(text)
        {
            args.push(key.clone(), value);
        }
    }
    for (key, value) in address.args().iter() {
        if args.get(key).is_none() {
            args.push(key.clone(), value.clone());
        }
    }
    args
}

/// The socket that a pattern asks for, or what is wrong with it.
fn of_pattern(pattern: &Pattern) -> Result<(Socket, Address), String> {
    let (mut proto, mut port, mut addr, mut path, mut kind) = (None, None, None, None, None);
    for wanted in pattern.matches.iter() {
        let MatchKey::Named(key) = &wanted.key else {
            return Err("its arguments want names, such as `PROTO=inet PORT=7`".into());
        };
        let Want::Literal(text) = &wanted.want else {
            return Err(format!("`{key}` must be one very text: it says what to listen to"));
        };
        if wanted.negated {
            return Err(format!("`{key}!=` does not say what to listen to"));
        }
        let place = match key.as_str() {
            "PROTO" => &mut proto,
            "PORT" => &mut port,
            "ADDR" => &mut addr,
            "PATH" | "SOCKET_PATH" => &mut path,
            "TYPE" => &mut kind,
            _ => {
                return Err(format!(
                    "there is no `{key}`: PROTO, PORT, ADDR, PATH and TYPE say what to listen to"
                ));
            }
        };
        if Value::new(text).is_err() {
            return Err(format!("`{key}` has what no event can have"));
        }
        if let Some(before) = place.filter(|before| before != text) {
            return Err(format!(
                "`{key}` is `{text}` and `{before}`: a socket for each wants a leaf for each"
            ));
        }
        *place = Some(text.as_str());
    }
    let datagram = match kind {
        None | Some("stream") => false,
        Some("datagram" | "dgram") => true,
        Some(other) => return Err(format!("TYPE is `stream` or `datagram`, not `{other}`")),
    };
    let listen = match proto {
        Some("unix") => {
            let path = path.ok_or("PATH is missing")?;
            format!("{}:{path}", if datagram { "unix-datagram" } else { "unix" })
        }
        Some(family @ ("inet" | "inet6")) => {
            let port = port.ok_or("PORT is missing")?;
            let kind = match (datagram, family) {
                (false, "inet") => "tcp4",
                (false, _) => "tcp6",
                (true, "inet") => "udp4",
                (true, _) => "udp6",
            };
            match addr {
                None => format!("{kind}:{port}"),
                Some(addr) if addr.contains(':') => format!("{kind}:[{addr}]:{port}"),
                Some(addr) => format!("{kind}:{addr}:{port}"),
            }
        }
        Some(other) => return Err(format!("PROTO is `inet`, `inet6` or `unix`, not `{other}`")),
        None => return Err("PROTO is missing: `inet`, `inet6` or `unix`".into()),
    };
    let address = Address::parse(&listen);
    let address = address.ok_or_else(|| format!("nobody can listen to `{listen}`"))?;
    Ok((Socket::at(&listen), address))
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString as _, vec};

    use events::{Condition, Dialect};

    use super::*;
    use crate::Format;

    fn job(start_on: &str) -> Job {
        let mut job = Job::new(Name::new("toy").unwrap(), Format::Upstart);
        job.start_on = Some(Condition::parse(start_on, Dialect::Edges).unwrap());
        job
    }

    #[track_caller]
    fn check(start_on: &str, sockets: &[&str], expected: &[&str]) {
        let work = Work { sockets: sockets.iter().map(|it| Socket::at(it)).collect(), ..Work::default() };
        let found: Vec<String> = listeners(&job(start_on), &work)
            .into_iter()
            .map(|listener| match listener {
                Ok(Listener { socket, args }) => alloc::format!("{} {args}", socket.listen),
                Err(fault) => fault.to_string(),
            })
            .collect();
        assert_eq!(found, expected, "{start_on}");
    }

    #[test]
    fn an_event_that_a_job_waits_for_says_what_to_listen_to() {
        check("socket PROTO=inet PORT=7", &[], &["tcp4:7 PROTO=inet PORT=7 ADDR=0.0.0.0"]);
        check(
            "startup or socket PROTO=inet PORT=8099 ADDR=127.0.0.1",
            &[],
            &["tcp4:127.0.0.1:8099 PROTO=inet PORT=8099 ADDR=127.0.0.1"],
        );
        check("socket PROTO=inet6 PORT=7 ADDR=::1", &[], &["tcp6:[::1]:7 PROTO=inet6 PORT=7 ADDR=::1"]);
        check(
            "socket PROTO=unix SOCKET_PATH=/run/a.sock",
            &[],
            &["unix:/run/a.sock PROTO=unix SOCKET_PATH=/run/a.sock PATH=/run/a.sock"],
        );
        check(
            "socket PROTO=inet PORT=53 TYPE=datagram",
            &[],
            &["udp4:53 PROTO=inet PORT=53 TYPE=datagram ADDR=0.0.0.0"],
        );
        check("startup", &[], &[]);
    }

    #[test]
    fn a_socket_of_the_job_itself_that_serves_the_event_is_the_one() {
        check(
            "socket PROTO=inet PORT=7",
            &["tcp4:7"],
            &["tcp4:7 PROTO=inet PORT=7 ADDR=0.0.0.0 JOB=toy PROTO=inet ADDR=0.0.0.0 PORT=7"],
        );
        check("socket JOB=toy", &["tcp:7"], &["tcp:7 JOB=toy PROTO=inet6 ADDR=:: PORT=7"]);
        check(
            "socket PROTO=inet PORT=8",
            &["tcp:7"],
            &["tcp:7 JOB=toy PROTO=inet6 ADDR=:: PORT=7", "tcp4:8 PROTO=inet PORT=8 ADDR=0.0.0.0"],
        );
    }

    #[test]
    fn an_event_that_does_not_say_what_to_listen_to_is_told() {
        for (pattern, why) in [
            ("socket", "PROTO is missing"),
            ("socket PROTO=inet", "PORT is missing"),
            ("socket PROTO=unix", "PATH is missing"),
            ("socket PROTO=unix SOCKET_PATH=/a PATH=@a", "`PATH` is `@a` and `/a`"),
            ("socket PROTO=inte PORT=7", "not `inte`"),
            ("socket PROTO=inet PORT=*", "one very text"),
            ("socket PROTO=inet PORT!=7", "does not say what"),
            ("socket PROTO=inet PORT=0", "nobody can listen to `tcp4:0`"),
            ("socket PROTO=inet PROT=7", "no `PROT`"),
            ("socket inet 7", "want names"),
            ("socket PROTO=inet PORT=7 TYPE=raw", "not `raw`"),
        ] {
            let found = listeners(&job(pattern), &Work::default());
            let text = found[0].as_ref().unwrap_err().to_string();
            assert_eq!(found.len(), 1);
            assert!(text.contains(why) && text.contains(pattern), "{text}");
        }
    }

    #[test]
    fn a_job_has_no_more_sockets_than_it_may() {
        let work = Work { sockets: vec![Socket::at("tcp:7"); 200], ..Work::default() };
        assert_eq!(listeners(&job("socket PROTO=inet PORT=9"), &work).len(), MAX_SOCKETS);
    }
}
