//! Overrides, which count as a whole or not at all, and `manual`.

use events::Name;
use jobs::{
    Exit, ProcessKind, Severity, StartMode,
    formats::{Role, upstart::read},
};

use crate::{codes, codes_of, line, reading, source, with_override};

#[test]
fn an_override_is_laid_over_its_job() {
    let conf = "start on a\nrespawn\nenv A=1\nenv B=2\nnice 3\nexec /bin/one\nnormal exit 1\n";
    let laid_over = "start on started b\nenv A=3\nenv C\nnice 4\npre-start exec /bin/zero\nnormal exit 2\n";
    let reading = with_override(conf, laid_over);
    assert_eq!(codes(&reading), Vec::<&str>::new());
    let described = reading.described.unwrap();
    let (job, work) = (described.job, described.work);
    assert_eq!(job.start_on.unwrap().to_string(), "started b");
    let env: Vec<_> = job.env.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect();
    assert_eq!(env, [("A", Some("3")), ("B", Some("2")), ("C", None)]);
    assert_eq!((work.nice, job.respawn.is_some()), (Some(4), true));
    assert_eq!(*job.normal_exit, [Exit::Code(1), Exit::Code(2)]);
    assert_eq!(
        work.processes.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(),
        [ProcessKind::PreStart, ProcessKind::Main]
    );
    let places: Vec<_> = described
        .mentions
        .iter()
        .map(|mention| {
            (mention.role, mention.name.as_str(), mention.path.as_deref(), &laid_over[mention.span.clone()])
        })
        .collect();
    assert_eq!(
        places,
        [
            (Role::StartOn, "started", Some("t.override"), "started"),
            (Role::JobOfEvent, "b", Some("t.override"), "b")
        ]
    );
}

#[test]
fn a_broken_override_counts_not_at_all() {
    let conf = "start on a\nexec /bin/one\nnice 3\n";
    let laid_over = "manual\nnice 5\ndebug\nfrobnicate\n";
    let broken = with_override(conf, laid_over);
    assert_eq!(broken.described, reading(conf).described);
    let [report] = &broken.reports[..] else { panic!("{:?}", broken.reports) };
    assert_eq!(
        (report.severity, report.code, line(report, laid_over)),
        (Severity::Error, "unknown-stanza", 4)
    );
    assert_eq!(report.places[0].path, "t.override");
    assert!(report.help.as_ref().unwrap().contains("nothing of this override counts"));
}

#[test]
fn a_good_override_counts_beside_a_broken_one() {
    let name = Name::new("t").unwrap();
    let overrides = [source("1.override", "nice 77\n"), source("2.override", "nice 7\n")];
    let reading = read(&name, &source("t.conf", "nice 3\n"), &overrides);
    assert_eq!(
        (reading.described.unwrap().work.nice, codes_of(&reading.reports)),
        (Some(7), vec!["illegal-nice"])
    );
}

#[test]
fn an_override_may_cure_what_was_warned_of() {
    assert_eq!(codes(&with_override("respawn limit 1 2\n", "respawn\n")), Vec::<&str>::new());
    assert_eq!(codes(&with_override("start on start on a\n", "start on a\n")), Vec::<&str>::new());
    assert_eq!(codes(&with_override("start on start on a\n", "manual\n")), Vec::<&str>::new());
}

#[test]
fn manual_counts_until_the_next_start_on() {
    for (conf, laid_over, mode, starts) in [
        ("start on a\n", "", StartMode::Automatic, true),
        ("start on a\nmanual\n", "", StartMode::Manual, false),
        ("manual\nstart on a\n", "", StartMode::Automatic, true),
        ("start on a\n", "manual\n", StartMode::Manual, false),
        ("start on a\nmanual\n", "start on b\n", StartMode::Automatic, true),
        ("stop on a\n", "manual", StartMode::Manual, false),
    ] {
        let described = with_override(conf, laid_over).described.unwrap();
        assert_eq!(
            (described.job.start, described.job.start_on.is_some()),
            (mode, starts),
            "{conf:?} {laid_over:?}"
        );
    }
}
