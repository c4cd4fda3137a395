//! Files of every format: a hostile one is refused or read, and what is said about it can be shown.

use events::Name;
use jobs::{
    Report, Severity,
    formats::{Reading, Source, hook, inetd, lsb, native, rc_conf::RcConf, rcd, upstart},
};

/// A file that holds the bytes.
fn source(path: &str, text: &str) -> Source {
    Source { path: path.into(), text: text.into(), executable: true }
}

/// Bytes as two texts: up to the first NUL, and behind it.
fn two(input: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(input);
    let (first, second) = text.split_once('\0').unwrap_or((&text, ""));
    (first.into(), second.into())
}

/// Every place that a report names can be cited.
fn citable(reports: &[Report], sources: &[&Source]) {
    for report in reports {
        for place in &report.places {
            let text = sources.iter().find(|source| source.path == place.path).map(|source| &source.text);
            let span = place.span.clone().unwrap_or_default();
            assert!(text.is_some_and(|text| text.get(span.clone()).is_some()), "{report:?}");
        }
    }
}

/// A file is refused exactly if an error is reported, and every name it mentions is where it is said to be.
fn check(reading: &Reading, sources: &[&Source]) {
    citable(&reading.reports, sources);
    let refused = reading.reports.iter().any(|report| report.severity == Severity::Error);
    assert!(
        !(refused && reading.described.is_some()),
        "refused, and a job all the same: {:?}",
        reading.reports
    );
    for mention in reading.described.iter().flat_map(|described| &described.mentions) {
        let path =
            mention.path.as_deref().or(reading.described.as_ref().map(|described| described.path.as_str()));
        let text =
            sources.iter().find(|source| Some(source.path.as_str()) == path).map(|source| &source.text);
        assert!(text.is_some_and(|text| text.get(mention.span.clone()).is_some()), "{mention:?}");
    }
}

/// Runs `play` with a name, which is one.
fn named(play: impl FnOnce(&Name)) {
    if let Ok(name) = Name::new("toy") {
        play(&name);
    }
}

/// A native file, and behind a NUL its override.
pub(super) fn native(input: &[u8]) {
    let (file, laid_over) = two(input);
    let (file, laid_over) = (source("toy.ron", &file), source("toy.override.ron", &laid_over));
    named(|name| {
        check(&native::read(name, &file, &[], 0), &[&file]);
        let both = native::read(name, &file, std::slice::from_ref(&laid_over), 0);
        citable(&both.reports, &[&file, &laid_over]);
    });
}

/// An Upstart file, and behind a NUL its override. A broken override alone refuses no job.
pub(super) fn upstart(input: &[u8]) {
    let (conf, laid_over) = two(input);
    let (conf, laid_over) = (source("toy.conf", &conf), source("toy.override", &laid_over));
    named(|name| {
        let alone = upstart::read(name, &conf, &[]);
        check(&alone, &[&conf]);
        let both = upstart::read(name, &conf, std::slice::from_ref(&laid_over));
        citable(&both.reports, &[&conf, &laid_over]);
    });
}

/// An rc.d script, and behind a NUL an rc.conf.
pub(super) fn rcd(input: &[u8]) {
    let (script, conf) = two(input);
    let (script, conf) = (source("rc.d/toy", &script), source("rc.conf", &conf));
    let (settings, reports) = RcConf::from_files(std::slice::from_ref(&conf));
    citable(&reports, &[&conf]);
    named(|name| {
        let reading = rcd::read(name, &script, &settings, &rcd::KeywordFilter::default());
        check(&reading, &[&script, &conf]);
        let _names = rcd::names(name, &script);
    });
}

/// An LSB script, and behind a NUL an insserv.conf.
pub(super) fn lsb(input: &[u8]) {
    let (script, conf) = two(input);
    let script = source("init.d/toy", &script);
    let mut facilities = lsb::Facilities::default();
    facilities.extend(&conf);
    for facility in facilities.names() {
        assert!(facilities.knows(facility));
        let _members = facilities.members_of(facility);
    }
    named(|name| check(&lsb::read(name, &script, None, &facilities, &lsb::Links::default()), &[&script]));
}

/// A hook: up to the NUL its name, behind it its text.
pub(super) fn hook(input: &[u8]) {
    let (name, text) = two(input);
    let text = source("hooks/toy/10-x", &text);
    named(|event| check(&hook::read(event, &name, &text), &[&text]));
    assert!(!hook::precedes(&name, &name), "nothing stands before itself");
}

/// Lines of inetd.conf, and behind a NUL what `/etc/services` says. Each is a job of one socket, or refused.
pub(super) fn inetd(input: &[u8]) {
    let (lines, names) = two(input);
    let lines = source("inetd.conf", &lines);
    let mut services = inetd::Services::default();
    services.extend(&names);
    let found = inetd::read(&lines, &services, None);
    citable(&found.reports, &[&lines]);
    for (name, reading) in &found.jobs {
        check(reading, &[&lines]);
        assert_eq!(reading.described.is_none(), !reading.reports.is_empty(), "{name}");
        if let Some(jobs::formats::Described { job, work, .. }) = &reading.described {
            assert!(job.name == *name && jobs::awaits_connections(job));
            let listeners = jobs::listeners(job, work);
            assert!(listeners.len() == 1 && listeners.iter().all(Result::is_ok), "{listeners:?}");
        }
    }
}

/// An event that a job waits for: what is listened to for it can be, and its event is the one that is waited for.
pub(super) fn socket(input: &[u8]) {
    let text = format!("socket {}", String::from_utf8_lossy(input));
    let Ok(condition) = events::Condition::parse(&text, events::Dialect::Edges) else { return };
    named(|name| {
        let mut job = jobs::Job::new(name.clone(), jobs::Format::Upstart);
        job.start_on = Some(condition.clone());
        for listener in jobs::listeners(&job, &jobs::Work::default()).into_iter().flatten() {
            assert!(jobs::Address::parse(&listener.socket.listen).is_some(), "{listener:?}");
            let event =
                events::Event { name: events::Name::constant(jobs::SOCKET_EVENT), args: listener.args };
            let is_meant = condition.leaves().any(|leaf| leaf.pattern.matches(&event, &|_| None));
            assert!(is_meant, "{event} starts nothing: {text}");
        }
    });
}
