//! `inetd.conf`: one line is one job.
//!
//! ```text
//! # service   type    protocol  wait       user     program          its words
//! echo        stream  tcp       nowait     nobody   /bin/cat         cat
//! tftp        dgram   udp       wait       nobody   /usr/sbin/tftpd  tftpd /srv/tftp
//! ```
//!
//! The job `inetd:echo/tcp` has the socket, and a connection to it does what `wait` and `nowait` say. What a service is
//! called is looked up in `/etc/services`. Services that an inetd has built in, and those of portmap and tcpmux, are
//! refused: they are nobody's program.

use alloc::{
    boxed::Box,
    collections::BTreeMap,
    format,
    string::{String, ToString as _},
    vec::Vec,
};
use core::ops::Range;

use events::{Condition, Name, Template};

use super::{Described, Reading, Source};
use crate::{
    Address, CONNECTION, Command, Connections, Format, Job, OnConnection, ProcessKind, Report, Socket,
    StartMode, Transport, Work, did_you_mean, own_sockets,
};

/// The most lines of one file that are jobs.
pub const MAX_LINES: usize = 1_024;
/// The most services that are known by name.
pub const MAX_SERVICES: usize = 65_536;
/// What the names of these jobs begin with.
const PREFIX: &str = "inetd:";

/// Which port a service has, as `/etc/services` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Services(BTreeMap<(String, bool), u16>);

impl Services {
    /// Adds what a file says; of two lines for one service the first counts.
    pub fn extend(&mut self, text: &str) {
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let (Some(name), Some(port)) = (words.next(), words.next()) else { continue };
            let Some((port, protocol)) = port.split_once('/') else { continue };
            let Ok(port) = port.parse::<u16>() else { continue };
            let is_datagram = match protocol {
                "tcp" => false,
                "udp" => true,
                _ => continue,
            };
            for name in core::iter::once(name).chain(words) {
                if self.0.len() >= MAX_SERVICES {
                    return;
                }
                self.0.entry((name.into(), is_datagram)).or_insert(port);
            }
        }
    }

    fn port(&self, service: &str, is_datagram: bool) -> Option<u16> {
        match service.parse::<u16>() {
            Ok(0) => None,
            Ok(port) => Some(port),
            Err(_) => self.0.get(&(service.to_string(), is_datagram)).copied(),
        }
    }

    fn nearest(&self, service: &str, is_datagram: bool) -> Option<&str> {
        let names = self.0.keys().filter(|(_, datagram)| *datagram == is_datagram);
        did_you_mean(service, names.map(|(name, _)| name.as_str()))
    }
}

/// What a file of lines gives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    /// The jobs by name, in the order of their lines.
    pub jobs: Vec<(Name, Reading)>,
    /// What is to be said of lines that do not even have a name.
    pub reports: Vec<Report>,
}

/// The jobs that the lines of a file describe. `another` is an inetd that this machine has already, and that is to serve
/// them: then they start nothing.
#[must_use]
pub fn read(source: &Source, services: &Services, another: Option<&str>) -> Lines {
    let mut lines = Lines::default();
    let mut start: usize = 0;
    for line in source.text.split_inclusive('\n') {
        let words = words(line.split('#').next().unwrap_or_default(), start);
        start = start.saturating_add(line.len());
        if words.is_empty() {
            continue;
        }
        if lines.jobs.len() >= MAX_LINES {
            let report = Report::error("too-many-lines", format!("more than {MAX_LINES} services"));
            lines.reports.push(report.in_file(&source.path));
            break;
        }
        let line = Line { source, services, words };
        match line.name() {
            Ok(name) => {
                let reading = match line.job(&name, another) {
                    Ok(described) => Reading { described: Some(described), reports: Vec::new() },
                    Err(report) => Reading { described: None, reports: Vec::from([*report]) },
                };
                lines.jobs.push((name, reading));
            }
            Err(report) => lines.reports.push(*report),
        }
    }
    lines
}

/// A word and where it stands.
type Word<'s> = (&'s str, Range<usize>);

fn words(line: &str, start: usize) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let mut at: usize = 0;
    for part in line.split(char::is_whitespace) {
        if !part.is_empty() {
            let from = start.saturating_add(at);
            words.push((part, from..from.saturating_add(part.len())));
        }
        // The blanks of this format are one byte long, and others part no words that are looked at.
        at = at.saturating_add(part.len()).saturating_add(1);
        while at < line.len() && !line.is_char_boundary(at) {
            at = at.saturating_add(1);
        }
    }
    words
}

struct Line<'s> {
    source: &'s Source,
    services: &'s Services,
    words: Vec<Word<'s>>,
}

/// What protocol a line is for.
struct Protocol {
    /// As an address begins.
    kind: &'static str,
    is_datagram: bool,
    is_unix: bool,
}

impl<'s> Line<'s> {
    fn word(&self, at: usize, what: &str) -> Result<&Word<'s>, Box<Report>> {
        self.words.get(at).ok_or_else(|| {
            let end = self.words.last().map(|(_, span)| span.end).unwrap_or_default();
            let report = Report::error("missing-value", format!("the line lacks {what}"));
            Box::new(report.at(&self.source.path, end..end, "here").help(
                "a line is `SERVICE TYPE PROTOCOL WAIT USER PROGRAM WORDS...`, such as `echo stream tcp nowait nobody /bin/cat cat`",
            ))
        })
    }

    fn fault(&self, at: usize, message: String, help: &str) -> Box<Report> {
        let span = self.words.get(at).map(|(_, span)| span.clone()).unwrap_or_default();
        Box::new(Report::error("bad-service", message).at(&self.source.path, span, "").help(help))
    }

    /// What the job is called: the service, and the protocol.
    fn name(&self) -> Result<Name, Box<Report>> {
        let (service, _) = self.word(0, "a service")?;
        let (protocol, _) = self.word(2, "a protocol")?;
        let protocol = protocol.split(',').next().unwrap_or_default();
        let name = format!("{PREFIX}{}/{protocol}", service.trim_start_matches('/'));
        Name::new(&name).map_err(|_| {
            self.fault(
                0,
                format!("`{name}` cannot be the name of a job"),
                "a name has 1 to 255 bytes and no blank",
            )
        })
    }

    fn protocol(&self) -> Result<Protocol, Box<Report>> {
        let (kind, _) = self.word(1, "a type")?;
        let (protocol, _) = self.word(2, "a protocol")?;
        let is_datagram = match *kind {
            "stream" => false,
            "dgram" => true,
            _ => return Err(self.fault(1, format!("`{kind}` is no type"), "it is `stream` or `dgram`")),
        };
        if kind.starts_with("rpc/") || protocol.starts_with("rpc/") {
            return Err(self.fault(2, "services of portmap cannot be given to Onset".into(), PORT));
        }
        let (protocol, _) = protocol.split_once(',').unwrap_or((protocol, ""));
        let kind = match (protocol, is_datagram) {
            ("tcp" | "tcp4", false) => "tcp4",
            ("tcp6", false) => "tcp6",
            ("tcp46", false) => "tcp",
            ("udp" | "udp4", true) => "udp4",
            ("udp6", true) => "udp6",
            ("udp46", true) => "udp",
            ("unix", false) => "unix",
            ("unix", true) => "unix-datagram",
            ("tcp" | "tcp4" | "tcp6" | "tcp46", true) | ("udp" | "udp4" | "udp6" | "udp46", false) => {
                return Err(self.fault(2, format!("`{protocol}` does not go with `{kind}`"), PAIRS));
            }
            _ => return Err(self.fault(2, format!("there is no protocol `{protocol}`"), PAIRS)),
        };
        Ok(Protocol { kind, is_datagram, is_unix: protocol == "unix" })
    }

    fn socket(&self, protocol: &Protocol) -> Result<Socket, Box<Report>> {
        let (service, _) = self.word(0, "a service")?;
        let listen = if protocol.is_unix {
            format!("{}:{service}", protocol.kind)
        } else {
            if service.starts_with("tcpmux") || service.contains("rpc/") || service.contains("/1") {
                return Err(self.fault(0, format!("`{service}` is not served by port"), PORT));
            }
            let (host, service) = match service.rsplit_once(':') {
                Some((host, service)) => (Some(host), service),
                None => (None, *service),
            };
            let Some(port) = self.services.port(service, protocol.is_datagram) else {
                let message = format!("nobody knows the port of service `{service}`");
                let nearest = self.services.nearest(service, protocol.is_datagram);
                let help =
                    nearest.map_or_else(|| String::from(PORT), |meant| format!("did you mean `{meant}`?"));
                return Err(self.fault(0, message, &help));
            };
            match host {
                None => format!("{}:{port}", protocol.kind),
                Some(host) => {
                    let host = host.trim_start_matches('[').trim_end_matches(']');
                    let host = if host.contains(':') { format!("[{host}]") } else { host.into() };
                    format!("{}:{host}:{port}", protocol.kind)
                }
            }
        };
        match Address::parse(&listen) {
            Some(_) => Ok(Socket::at(&listen)),
            None => Err(self.fault(
                0,
                format!("nobody can listen to `{listen}`"),
                "write a service or port, with an address before it: `127.0.0.1:echo`; with `unix`, a path",
            )),
        }
    }

    /// What `wait` and `nowait` say, with the numbers behind them.
    fn on_connection(&self, transport: Transport) -> Result<OnConnection, Box<Report>> {
        let (word, _) = self.word(3, "`wait` or `nowait`")?;
        let end = word.find(['.', '/']).unwrap_or(word.len());
        let (wait, numbers) = word.split_at_checked(end).unwrap_or((word, ""));
        let mut limits = Connections::default();
        for (place, number) in numbers.split(['.', '/']).skip(1).enumerate() {
            let is_per_minute = numbers.starts_with('.');
            let Some(number) = number.parse::<u32>().ok().filter(|number| *number <= 1_000_000) else {
                let help = "write `nowait.60`, or `nowait/20/120/5`: at once, and from one address in a minute and at once";
                return Err(self.fault(3, format!("`{number}` is no number of connections"), help));
            };
            let limit = match place {
                0 if is_per_minute => &mut limits.per_minute,
                0 => &mut limits.most,
                1 => &mut limits.per_source_per_minute,
                _ => &mut limits.per_source,
            };
            // None means as many as come, which is as many as there may be at all.
            *limit = if number == 0 { 1_000_000 } else { number };
        }
        match (wait, transport) {
            ("wait", _) => Ok(OnConnection::Stdin),
            ("nowait", Transport::Stream) => Ok(OnConnection::Each(limits)),
            ("nowait", Transport::Datagram) => Err(self.fault(
                3,
                "a socket of messages has no connections to be accepted".into(),
                "write `wait`: the program reads the messages itself",
            )),
            _ => Err(self.fault(3, format!("`{wait}` is neither `wait` nor `nowait`"), "write one of them")),
        }
    }

    fn job(&self, name: &Name, another: Option<&str>) -> Result<Described, Box<Report>> {
        let protocol = self.protocol()?;
        let (program, _) = self.word(5, "a program")?;
        if *program == "internal" {
            let (service, _) = self.word(0, "a service")?;
            return Err(self.fault(
                5,
                format!("`{service}` is a service that an inetd has built in, and Onset has none"),
                "remove the line, or name a program: `echo stream tcp nowait nobody /bin/cat cat`",
            ));
        }
        if !program.starts_with('/') {
            return Err(self.fault(5, format!("`{program}` is no path"), "write the program with its path"));
        }
        let socket = self.socket(&protocol)?;
        let transport = if protocol.is_datagram { Transport::Datagram } else { Transport::Stream };
        let on_connection = self.on_connection(transport)?;
        let (user, _) = self.word(4, "a user")?;
        // Behind a slash stands a class of login.conf, which Linux has not.
        let user = user.split('/').next().unwrap_or_default();
        let (user, group) = match user.split_once([':', '.']) {
            Some((user, group)) => (user, Some(group)),
            None => (user, None),
        };
        if user.is_empty() || group == Some("") {
            return Err(self.fault(4, "the line lacks a user".into(), "write `nobody`, or `nobody:nogroup`"));
        }
        let mut words: Vec<String> = self.words.iter().skip(6).map(|(word, _)| String::from(*word)).collect();
        if words.is_empty() {
            words.push(program.rsplit('/').next().unwrap_or(program).into());
        }
        let mut job = Job::new(name.clone(), Format::Inetd);
        job.processes = job.processes.with(ProcessKind::Main);
        job.start_on = Some(Condition::leaf(own_sockets(name)));
        if let OnConnection::Each(_) = on_connection {
            job.instance = Template::parse(&format!("${CONNECTION}")).ok();
        }
        if let Some(another) = another {
            job.start = StartMode::Disabled(format!("`{another}` serves it").into());
        }
        let is_root = user == "root" && group.is_none();
        let work = Work {
            processes: Vec::from([(ProcessKind::Main, Command::Program(String::from(*program), words))]),
            description: Some(self.source.path.as_str()).map(|path| format!("a line of {path}").into()),
            user: (!is_root).then(|| user.into()),
            group: group.map(Into::into),
            sockets: Vec::from([socket]),
            on_connection,
            ..Work::default()
        };
        Ok(Described { job, work, mentions: Vec::new(), path: self.source.path.clone() })
    }
}

const PORT: &str = "write its port as a number; /etc/services lists the names that are known";
const PAIRS: &str = "it is `stream tcp`, `dgram udp`, with 4, 6 or 46 behind it, or `unix`";

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICES: &str =
        "echo 7/tcp\necho 7/udp # both\ntftp 69/udp trivial\nfinger\t79/tcp fingerd\nbad x/tcp\n";

    fn services() -> Services {
        let mut services = Services::default();
        services.extend(SERVICES);
        services
    }

    fn lines(text: &str) -> Lines {
        let source = Source { path: "inetd.conf".into(), text: text.into(), executable: false };
        read(&source, &services(), None)
    }

    #[track_caller]
    fn check(line: &str, expected: &str) {
        let lines = lines(line);
        assert_eq!(lines.reports, []);
        let [(name, Reading { described: Some(Described { job, work, .. }), reports })] = &lines.jobs[..]
        else {
            panic!("{line}: {lines:?}");
        };
        assert!(reports.is_empty());
        let how = match work.on_connection {
            OnConnection::Each(it) => {
                format!("each {} {} {} {}", it.most, it.per_source, it.per_minute, it.per_source_per_minute)
            }
            OnConnection::Nothing | OnConnection::Start | OnConnection::Stdin => {
                format!("{:?}", work.on_connection)
            }
        };
        let command = &work.processes[0].1;
        let command = format!("{} {:?}", command.program().unwrap(), command.argv());
        let user = work.user.as_deref().unwrap_or("-");
        let group = work.group.as_deref().unwrap_or("-");
        assert_eq!(format!("{name} {} {how} {user} {group} {command}", work.sockets[0].listen), expected);
        assert_eq!(job.start_on.as_ref().unwrap().leaves().count(), 1);
        assert_eq!(job.instance.is_some(), matches!(work.on_connection, OnConnection::Each(_)));
    }

    #[test]
    fn a_line_is_a_job() {
        check(
            "echo stream tcp nowait nobody /bin/cat cat -u # back\n",
            "inetd:echo/tcp tcp4:7 each 64 16 1024 120 nobody - /bin/cat [\"cat\", \"-u\"]",
        );
        check(
            "trivial dgram udp wait nobody:nogroup /usr/sbin/tftpd",
            "inetd:trivial/udp udp4:69 Stdin nobody nogroup /usr/sbin/tftpd [\"tftpd\"]",
        );
        check(
            "\t79 stream tcp6 nowait.30 root /usr/sbin/tcpd in.fingerd",
            "inetd:79/tcp6 tcp6:79 each 64 16 30 120 - - /usr/sbin/tcpd [\"in.fingerd\"]",
        );
        check(
            "127.0.0.1:echo stream tcp nowait/9/8/7 daemon.tty/class /x x",
            "inetd:127.0.0.1:echo/tcp tcp4:127.0.0.1:7 each 9 7 1024 8 daemon tty /x [\"x\"]",
        );
        check(
            "[::1]:7 stream tcp46 wait nobody /x x",
            "inetd:[::1]:7/tcp46 tcp:[::1]:7 Stdin nobody - /x [\"x\"]",
        );
        check(
            "/run/x.sock stream unix wait nobody /x",
            "inetd:run/x.sock/unix unix:/run/x.sock Stdin nobody - /x [\"x\"]",
        );
        check(
            "echo stream tcp,rcvbuf=1 nowait.0 a /x",
            "inetd:echo/tcp tcp4:7 each 64 16 1000000 120 a - /x [\"x\"]",
        );
    }

    #[test]
    fn comments_and_empty_lines_are_none() {
        assert_eq!(lines("# echo stream tcp\n#<off># a\n\n   \n"), Lines::default());
    }

    #[test]
    fn a_line_that_is_wrong_is_refused_where_it_is_wrong() {
        for (line, place, message) in [
            ("echo stream tcp nowait root internal", "internal", "built in"),
            ("ecko stream tcp nowait root /x", "ecko", "nobody knows the port"),
            ("tftp stream tcp nowait root /x", "tftp", "nobody knows the port"),
            ("echo strem tcp nowait root /x", "strem", "is no type"),
            ("echo stream udp nowait root /x", "udp", "does not go with `stream`"),
            ("echo stream sctp nowait root /x", "sctp", "no protocol `sctp`"),
            ("echo stream tcp no root /x", "no", "neither `wait` nor"),
            ("echo dgram udp nowait root /x", "nowait", "no connections"),
            ("echo stream tcp nowait.x root /x", "nowait.x", "`x` is no number"),
            ("echo stream tcp nowait :x /x", ":x", "lacks a user"),
            ("echo stream tcp nowait root x", "x", "is no path"),
            ("tcpmux/+date stream tcp nowait root /x", "tcpmux/+date", "not served by port"),
            ("a.b:echo stream tcp nowait root /x", "a.b:echo", "nobody can listen"),
            ("run/x stream unix nowait root /x", "run/x", "nobody can listen"),
        ] {
            let text = format!("# first\n{line}\n");
            let lines = lines(&text);
            let report = &lines.jobs[0].1.reports[0];
            let span = report.places[0].span.clone().unwrap();
            assert!(report.message.contains(message), "{line}: {}", report.message);
            assert_eq!(&text[span], place, "{line}");
            assert!(lines.jobs[0].1.described.is_none() && report.help.is_some());
        }
        for (line, message) in [("echo", "a protocol"), ("echo stream", "a protocol")] {
            assert!(lines(line).reports[0].message.contains(message), "{line}");
        }
        let found = lines("echo stream tcp nowait");
        assert!(found.jobs[0].1.reports[0].message.contains("a program"), "{found:?}");
    }

    #[test]
    fn a_service_that_is_meant_is_named() {
        let found = lines("fingr stream tcp nowait root /x");
        assert_eq!(found.jobs[0].1.reports[0].help.as_deref(), Some("did you mean `finger`?"));
    }

    #[test]
    fn beside_another_inetd_they_start_nothing() {
        let source = Source { path: "a".into(), text: "7 stream tcp wait a /x".into(), executable: false };
        let lines = read(&source, &services(), Some("openbsd-inetd"));
        let described = lines.jobs[0].1.described.as_ref().unwrap();
        assert_eq!(described.job.start, StartMode::Disabled("`openbsd-inetd` serves it".into()));
    }

    #[test]
    fn a_file_may_be_long_and_nothing_in_it_right() {
        let text = "7 stream tcp wait a /x\n".repeat(MAX_LINES + 5);
        let lines = lines(&text);
        assert_eq!((lines.jobs.len(), lines.reports.len()), (MAX_LINES, 1));
        let long = format!("{} stream tcp wait a /x\n", "x".repeat(300));
        assert!(self::lines(&long).reports[0].message.contains("cannot be the name"));
    }
}
