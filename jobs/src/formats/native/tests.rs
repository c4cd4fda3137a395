use alloc::{format, string::ToString as _, vec};

use proptest::prelude::*;

use super::*;
use crate::{
    Again, Command, Exit, Limit, ProcessKind, Ready, Resource, Severity, Signal, StartMode,
    formats::{Mention, Role},
};

fn source(path: &str, text: &str) -> Source {
    Source { path: path.into(), text: text.into(), executable: false }
}

fn read_one(text: &str) -> Reading {
    read(&Name::new("food").unwrap(), &source("food.ron", text), &[], 1)
}

/// Reads a file that nothing is to be said about.
fn good(text: &str) -> Described {
    let reading = read_one(text);
    assert_eq!(reading.reports, [], "{text}");
    reading.described.unwrap()
}

/// Each of `expected` is a report: its code, the text that it cites, and words of its message and help.
fn check(text: &str, expected: &[(&str, &str, &str)]) {
    let reading = read_one(text);
    let cited = |report: &Report| match report.places.first().and_then(|place| place.span.clone()) {
        Some(span) => text.get(span).unwrap_or("(no such place)").to_string(),
        None => "(file)".to_string(),
    };
    let found: Vec<_> = reading.reports.iter().map(|report| (report.code, cited(report))).collect();
    let wanted: Vec<_> = expected.iter().map(|(code, cited, _)| (*code, cited.to_string())).collect();
    assert_eq!(found, wanted, "{text}\n{:#?}", reading.reports);
    for (report, (_, _, words)) in reading.reports.iter().zip(expected) {
        let said = format!("{}: {}", report.message, report.help.as_deref().unwrap_or(""));
        assert!(said.contains(words), "{text}\n{said}\nlacks {words}");
        assert!(!report.message.ends_with('.'), "{said}");
        assert!(!report.message.starts_with(char::is_uppercase), "{said}");
    }
    let refused = reading.reports.iter().any(|report| report.severity == Severity::Error);
    assert_eq!(reading.described.is_none(), refused, "{text}");
}

#[test]
fn what_is_no_ron_is_cited_where_it_goes_wrong() {
    for (text, code, cited, words) in [
        ("", "ron-syntax", "", "one pair of parentheses"),
        ("( exec: \"a\"", "ron-syntax", "", "the file ends too early"),
        ("( exec: \"a\",", "ron-syntax", "", "the file ends too early"),
        ("( exec: \"a, )", "ron-syntax", "", "a text is not closed"),
        ("( exec: \"a\" start_on: \"b\" )", "ron-syntax", "start_on", "`,` is missing"),
        ("( exec: \"a\"\n  task: true )", "ron-syntax", "task", "`,` is missing"),
        ("( exec \"a\" )", "ron-syntax", "\"", "`:` is missing"),
        ("( start on: \"a\" )", "ron-syntax", "on", "`:` is missing"),
        ("( start-on: \"a\" )", "ron-syntax", "start-on", "did you mean `start_on`?"),
        ("( \"exec\": \"a\" )", "ron-syntax", "\"", "without quotes"),
        ("{ exec: \"a\" }", "ron-syntax", "{", "one pair of parentheses"),
        ("[service]\nexec=a", "ron-syntax", "[", "one pair of parentheses"),
        ("exec /usr/sbin/food", "ron-syntax", "exec", "one pair of parentheses"),
        ("( exec: \"a\" ) ( exec: \"b\" )", "ron-syntax", "(", "one file describes one job"),
        ("( exec: \"a\\q\" )", "ron-syntax", "\\q", "raw text"),
        ("( exec: /usr/bin/a )", "ron-syntax", "/usr", "text stands in quotes"),
        ("( exec: \"a\", /* )", "ron-syntax", "", "a comment is not closed"),
        ("( needs: [\"a\" )", "ron-syntax", ")", "`,` is missing"),
    ] {
        check(text, &[(code, cited, words)]);
    }
}

#[test]
fn a_field_that_is_wrong_is_cited_with_what_was_meant() {
    for (text, code, cited, words) in [
        ("( exec: \"a\", start_om: \"b\" )", "unknown-field", "start_om", "did you mean `start_on`?"),
        ("( Exec: \"a\" )", "unknown-field", "Exec", "did you mean `exec`?"),
        ("( exec: \"a\", after: [\"b\"] )", "unknown-field", "after", "did you mean `requires`?"),
        ("( exec: \"a\", zebra: 1 )", "unknown-field", "zebra", "docs/jobs.md"),
        ("( exec: \"a\", task: true, task: true )", "duplicate-field", "task", "stands twice"),
        ("( exec: \"a\", script: \"b\" )", "exec-and-script", "script", "drop one"),
        ("( exec: 5 )", "wrong-type", "5", "`exec` takes a text"),
        ("( exec: \" \" )", "empty-command", "\" \"", "nothing to run"),
        ("( exec: [] )", "empty-command", "[]", "nothing to run"),
        ("( exec: \"a\nb\" )", "command-of-lines", "\"a\nb\"", "script("),
        ("( exec: \"a\", pre_start: script )", "missing-value", "script", "script(\"...\")"),
        ("( exec: \"a\", task: \"true\" )", "wrong-type", "\"true\"", "`true` without quotes"),
        ("( exec: \"a\", task: yes )", "wrong-type", "yes", "`true` or `false`"),
        ("( exec: \"a\", nice: 20 )", "out-of-range", "20", "from -20 to 19"),
        ("( exec: \"a\", nice: \"5\" )", "wrong-type", "\"5\"", "write `5` without quotes"),
        ("( exec: \"a\", nice: 99999999999999999999 )", "out-of-range", "99999999999999999999", "from -20"),
        ("( exec: \"a\", oom: -1001 )", "out-of-range", "-1001", "from -1000 to 1000"),
        ("( exec: \"a\", oom: nevr )", "unknown-word", "nevr", "did you mean `never`?"),
        ("( exec: \"a\", umask: 22 )", "wrong-type", "22", "octal digits"),
        ("( exec: \"a\", umask: \"089\" )", "out-of-range", "\"089\"", "three octal digits"),
        ("( exec: \"a\", umask: \"1000\" )", "out-of-range", "\"1000\"", "\"777\""),
        ("( exec: \"a\", kind: sevice )", "unknown-word", "sevice", "did you mean `service`?"),
        ("( exec: \"a\", console: \"log\" )", "unknown-word", "\"log\"", "`log` without quotes"),
        ("( exec: \"a\", kill: (signal: \"TREM\") )", "unknown-signal", "\"TREM\"", "did you mean `TERM`?"),
        ("( exec: \"a\", kill: (signal: \"usr1\") )", "unknown-signal", "\"usr1\"", "did you mean `USR1`?"),
        ("( exec: \"a\", kill: (signal: 65) )", "unknown-signal", "65", "1 to 64"),
        ("( exec: \"a\", kill: (sginal: \"HUP\") )", "unknown-field", "sginal", "did you mean `signal`?"),
        ("( exec: \"a\", kill: (leave: some) )", "unknown-word", "some", "`all` or `none`"),
        ("( exec: \"a\", kill: (timeout: 5) )", "wrong-type", "5", "write `\"5s\"`"),
        ("( exec: \"a\", kill: (timeout: \"5\") )", "bad-delay", "\"5\"", "lacks its unit"),
        ("( exec: \"a\", kill: (timeout: \"5 parsecs\") )", "bad-delay", "\"5 parsecs\"", "unknown unit"),
        ("( exec: \"a\", start_timeout: \"0s\" )", "out-of-range", "\"0s\"", "leave the field out"),
        ("( exec: \"a\", reload: signal(\"HPU\") )", "unknown-signal", "\"HPU\"", "did you mean `HUP`?"),
        ("( exec: \"a\", reload: signal )", "missing-value", "signal", "signal(\"USR1\")"),
        ("( exec: \"a\", normal_exit: [256] )", "out-of-range", "256", "0 to 255"),
        ("( exec: \"a\", normal_exit: [\"TERN\"] )", "unknown-signal", "\"TERN\"", "did you mean `TERM`?"),
        ("( exec: \"a\", respawn: \"always\" )", "wrong-type", "\"always\"", "`true`, `false` or"),
        ("( exec: \"a\", respawn: (limit: 0) )", "out-of-range", "0", "from 1"),
        (
            "( exec: \"a\", respawn: (backoff: \"5s..1s\") )",
            "out-of-range",
            "\"5s..1s\"",
            "write `\"1s..5s\"`",
        ),
        ("( exec: \"a\", respawn: (backoff: \"5s..x\") )", "bad-delay", "x", "write a number"),
        ("( exec: \"a\", ready: ntify )", "unknown-word", "ntify", "did you mean `notify`?"),
        ("( exec: \"a\", ready: fd(1) )", "out-of-range", "1", "from 3 to 255"),
        ("( exec: \"a\", ready: fd )", "missing-value", "fd", "write `fd(3)`"),
        ("( exec: \"a\", ready: notify(1) )", "wrong-type", "notify(1)", "write `notify`"),
        ("( exec: \"a\", ready: pidfile(\"run/x\") )", "relative-path", "\"run/x\"", "the whole path"),
        ("( exec: \"a\", ready: socket )", "no-sockets", "socket", "add `sockets"),
        ("( exec: \"a\", task: true, ready: notify )", "ready-of-task", "notify", "drop `ready`"),
        ("( exec: \"a\", chdir: \"srv\" )", "relative-path", "\"srv\"", "`srv` does not begin"),
        ("( exec: \"a\", user: \"1000\" )", "bad-user", "\"1000\"", "`uid:1000`"),
        ("( exec: \"a\", user: \"uid:x\" )", "bad-user", "\"uid:x\"", "no id"),
        ("( exec: \"a\", group: \"a:b\" )", "bad-user", "\"a:b\"", "`gid:1000`"),
        (
            "( exec: \"a\", capabilities: [\"NET_ADMN\"] )",
            "unknown-capability",
            "\"NET_ADMN\"",
            "`CAP_NET_ADMIN`",
        ),
        ("( exec: \"a\", ionice: best(8) )", "out-of-range", "8", "from 0 to 7"),
        ("( exec: \"a\", ionice: best )", "missing-value", "best", "best(4)"),
        ("( exec: \"a\", limits: (nofiles: 5) )", "unknown-word", "nofiles", "did you mean `nofile`?"),
        ("( exec: \"a\", limits: (nofile: (5, 4)) )", "out-of-range", "(5, 4)", "soft limit"),
        ("( exec: \"a\", limits: (nofile: \"5X\") )", "bad-size", "\"5X\"", "`\"64M\"`"),
        ("( exec: \"a\", cgroup: (memory: 5) )", "unknown-word", "memory", "limit of a cgroup"),
        ("( exec: \"a\", cgroup: (cpu_max: \"50\") )", "bad-size", "\"50\"", "\"50%\""),
        ("( exec: \"a\", sockets: [\"tpc:80\"] )", "bad-socket", "\"tpc:80\"", "did you mean `tcp:`?"),
        ("( exec: \"a\", sockets: [\"tcp:80000\"] )", "bad-socket", "\"tcp:80000\"", "127.0.0.1:80"),
        ("( exec: \"a\", sockets: [(name: \"x\")] )", "missing-field", "(name: \"x\")", "`listen`"),
        (
            "( exec: \"a\", sockets: [(listen: \"tcp:80\", mode: \"660\")] )",
            "bad-socket",
            "\"660\"",
            "unix:/path",
        ),
        ("( exec: \"a\", env: {\"A B\": \"x\"} )", "bad-key", "\"A B\"", "' '"),
        ("( exec: \"a\", env: {\"A\": 5} )", "wrong-type", "5", "write `\"5\"`"),
        ("( exec: \"a\", env: {\"A\": \"x\", \"A\": \"y\"} )", "duplicate-field", "\"A\"", "stands twice"),
        ("( exec: \"a\", env: [\"A=x\"] )", "wrong-type", "[\"A=x\"]", "`{\"LANG\": \"C\"}`"),
        ("( exec: \"a\", description: \"a\\nb\" )", "bad-value", "\"a\\nb\"", "'\\n'"),
        ("( exec: \"a\", commands: (stop: \"b\") )", "verb-taken", "stop", "choose another"),
        ("( exec: \"a\", provides: [\"a b\"] )", "bad-name", "\"a b\"", "' '"),
        ("( exec: \"a\", provides: [(expected: \"5s\")] )", "missing-field", "(expected: \"5s\")", "`name`"),
        (
            "( exec: \"a\", provides: [(name: \"X\", expcted: \"5s\")] )",
            "unknown-field",
            "expcted",
            "`expected`",
        ),
        ("( exec: \"a\", requires: [\"food\"] )", "waits-for-itself", "\"food\"", "wait for itself"),
        ("( exec: \"a\", needs: \"food\" )", "waits-for-itself", "\"food\"", "wait for itself"),
        ("( exec: \"a\", needs: \"db eth0\" )", "bad-need", "eth0", "KEY=VALUE"),
        ("( exec: \"a\", needs: \"db A!=1\" )", "bad-need", "A!=1", "one must be named"),
        ("( exec: \"a\", needs: \"db 5=1\" )", "bad-need", "5=1", "variable name"),
        ("( exec: \"a\", needs: \"db A=${\" )", "bad-need", "A=${", "names no variable"),
        ("( exec: \"a\", needs: \"\" )", "bad-need", "", "is empty"),
        ("( exec: \"a\", instance: \"${A\" )", "bad-variable", "\"${A\"", "${NAME:-default}"),
    ] {
        check(text, &[(code, cited, words)]);
    }
}

#[test]
fn a_condition_is_cited_within_its_text() {
    for (text, code, cited, words) in [
        ("( exec: \"a\", start_on: \"\" )", "condition", "", "the condition is empty"),
        ("( exec: \"a\", start_on: \"b or and c\" )", "condition", "and", "expected an event"),
        ("( exec: \"a\", start_on: \"not b\" )", "not-over-events", "not", "say it in `while`"),
        ("( exec: \"a\", start_on: \"b K=1 two\" )", "condition", "two", "KEY=VALUE"),
        ("( exec: \"a\", start_on: r#\"b K=1 two\"# )", "condition", "two", "KEY=VALUE"),
        // With an escape in it the text has other places than the file, so it is cited as a whole.
        ("( exec: \"a\", start_on: \"b \\\"c\\\" )\" )", "condition", "\"b \\\"c\\\" )\"", "parentheses"),
        ("( exec: \"a\", stop_on: \"(b or c\" )", "condition", "", "parentheses"),
        ("( exec: \"a\", while: \"link for ever\" )", "bad-delay", "ever", "for 5s"),
        ("( exec: \"a\", while: \"link until 5s\" )", "condition", "5s", "until gone"),
        (
            "( exec: \"a\", while: \"link IFACE=* or mode rescue\", instance: \"$IFACE\" )",
            "unbound-variable",
            "\"$IFACE\"",
            "in each branch",
        ),
        ("( exec: \"a\", while: \"link\", instance: \"$I\" )", "unbound-variable", "\"$I\"", "link I=*"),
        (
            "( exec: \"a\", start_on: \"x or stopping y\", again: coalesce(\"2s\") )",
            "coalesced-hook",
            "stopping",
            "again: queue",
        ),
        (
            "( exec: \"a\", start_on: \"x\", again: coalesce )",
            "missing-value",
            "coalesce",
            "coalesce(\"2s\")",
        ),
        ("( exec: \"a\", start_on: \"x\", again: coalesce(\"2\") )", "bad-delay", "\"2\"", "lacks its unit"),
        ("( exec: \"a\", start_on: \"x\", again: coalesce(\"0s\") )", "out-of-range", "\"0s\"", "no time"),
        ("( exec: \"a\", start_on: \"x\", again: queu )", "unknown-word", "queu", "did you mean `queue`?"),
    ] {
        check(text, &[(code, cited, words)]);
    }
    check(
        "( exec: \"a\", while: \"not link IFACE=$I\", instance: \"$I\" )",
        &[("unbound-variable", "link", "under `not`"), ("unbound-variable", "\"$I\"", "in each branch")],
    );
}

#[test]
fn what_works_but_cannot_be_meant_is_warned_of() {
    check("()", &[("nothing-to-do", "(file)", "has nothing to do")]);
    check("( description: \"x\", stop_on: \"y\" )", &[("nothing-to-do", "(file)", "exec")]);
    check("( exec: \"a\", again: queue )", &[("again-of-nothing", "queue", "add `start_on`")]);
    check("( start_on: \"a\", respawn: true )", &[("respawn-of-nothing", "true", "add `exec`")]);
    check(
        "( exec: \"a\", start_on: \"b\", instance: \"one\" )",
        &[("instance-without-variable", "\"one\"", "$IFACE")],
    );
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    check(
        "( exec: \"a\", start_om: \"b\", nice: 99, kill: (signal: \"X\", timeout: \"1\"), start_on: \"and\" )",
        &[
            ("unknown-field", "start_om", ""),
            ("out-of-range", "99", ""),
            ("unknown-signal", "\"X\"", ""),
            ("bad-delay", "\"1\"", ""),
            ("condition", "and", ""),
        ],
    );
}

#[test]
fn a_variable_has_a_value_in_each_branch_or_the_job_is_refused() {
    let load = |condition: &str, instance: &str| {
        let text = format!(
            "( exec: \"a\", env: {{\"E\": \"1\"}}, while: \"{condition}\", instance: \"{instance}\" )"
        );
        read_one(&text).described.is_some()
    };
    for (condition, instance) in [
        ("device SUBSYSTEM=net INTERFACE=eth* and link IFACE=$INTERFACE", "$INTERFACE"),
        ("link IFACE=$I", "$I"),
        ("link IFACE!=lo", "$IFACE"),
        ("mount $M", "$M"),
        ("link IFACE=* and not address IFACE=$IFACE", "$IFACE"),
        ("not address IFACE=$IFACE and link IFACE=*", "$IFACE"),
        ("(link IFACE=* or device IFACE=*) and not mode m", "$IFACE"),
        ("(a X=1 and b Y=1) or (b Y=2 and a X=2)", "$X-$Y"),
        ("a X=* and not (b X=$X or not c Y=$E)", "$X"),
        ("a X=*", "$X-${Z:-none}-$E"),
    ] {
        assert!(load(condition, instance), "{condition} / {instance}");
    }
    for (condition, instance) in [
        ("link IFACE=* or mode rescue", "$IFACE"),
        ("not link IFACE=*", "$IFACE"),
        ("a X=* and not b Y=$Z", "$X"),
        ("a X=* or not b Y=$X", "$E"),
        ("a X=* and not (b Y=* and not c Z=$Y)", "$X"),
        ("a K!=$X", "$X"),
        ("(a X=1 or b Y=1) and c Z=1", "$X"),
    ] {
        assert!(!load(condition, instance), "{condition} / {instance}");
    }
}

#[test]
fn a_full_file_becomes_the_job_that_it_describes() {
    let described = good(include_str!("../../../tests/data/full.ron"));
    let Described { job, work, .. } = &described;
    assert_eq!((job.name.as_str(), job.format, job.layer), ("food", Format::Native, 1));
    assert_eq!(job.provides[0].expected, Some(core::time::Duration::from_secs(30)));
    assert_eq!(job.requires.iter().map(|require| require.optional).collect::<Vec<_>>(), [false, true]);
    assert_eq!(job.needs.iter().map(|need| need.bounce).collect::<Vec<_>>(), [false, true]);
    assert_eq!(job.needs[0].args[0].1.as_str(), "$IFACE");
    assert_eq!(job.again, Again::Coalesce(core::time::Duration::from_secs(2)));
    assert_eq!(job.start, StartMode::Manual);
    assert_eq!(job.env.len(), 2);
    assert_eq!(job.env[1].1, None);
    assert_eq!(job.ready, Ready::Fd(3));
    assert_eq!(
        job.respawn.as_ref().map(|respawn| (respawn.limit, respawn.backoff.as_millis())),
        Some((0, 200))
    );
    assert_eq!(*job.normal_exit, [Exit::Code(3), Exit::Signal(Signal::TERM)]);
    assert!(job.kill.leave && job.is_purpose);
    assert_eq!(job.reload_signal.to_string(), "USR1");
    for kind in ProcessKind::ALL {
        let is_none = matches!(kind, ProcessKind::Reload | ProcessKind::Stop);
        assert_eq!(job.processes.has(kind), !is_none, "{kind}");
        assert_eq!(work.processes.iter().any(|(other, _)| *other == kind), !is_none, "{kind}");
    }
    assert_eq!(work.umask, Some(0o27));
    assert_eq!(work.oom_score, Some(-1000));
    assert_eq!(work.limits[0], (Resource::Nofile, Limit { soft: Some(1024), hard: Some(4096) }));
    assert_eq!(work.limits[1], (Resource::Core, Limit { soft: None, hard: None }));
    assert_eq!(work.limits[2].1.soft, Some(64 << 20));
    assert_eq!(work.cgroup[0], ("memory.max".into(), "536870912".into()));
    assert_eq!(work.cgroup[1], ("cpu.max".into(), "50000 100000".into()));
    assert_eq!(work.capabilities.as_deref(), Some(["CAP_NET_ADMIN".into()].as_slice()));
    assert_eq!(work.sockets[1].mode, Some(0o660));
}

/// Every field stands in the full file, so that no setter is left unread.
#[test]
fn the_full_file_has_every_field_but_those_that_exclude_each_other() {
    let text = include_str!("../../../tests/data/full.ron");
    for name in field_names().filter(|name| !["script", "task"].contains(name)) {
        assert!(text.contains(&format!("\n    {name}: ")), "{name}");
    }
}

#[test]
fn each_name_is_mentioned_with_its_use_and_place() {
    let text =
        "( exec: \"a\", provides: [\"P\"], requires: [(name: \"R\")], needs: [\"N K=1\"], before: [\"B\"],
        keywords: [\"kw\"], modes: [\"m\"], start_on: \"started db or (x and stopped JOB=web)\",
        stop_on: \"stopping \\\"q\\\"\", while: \"running r and provided p and mode n\" )";
    let described = good(text);
    let found: Vec<_> =
        described.mentions.iter().map(|mention| (mention.role, mention.name.as_str())).collect();
    use Role::*;
    let expected = vec![
        (Provides, "P"),
        (Requires, "R"),
        (Needs, "N"),
        (Before, "B"),
        (Keyword, "kw"),
        (Mode, "m"),
        (StartOn, "started"),
        (JobOfEvent, "db"),
        (StartOn, "x"),
        (StartOn, "stopped"),
        (JobOfEvent, "web"),
        (StopOn, "stopping"),
        (JobOfEvent, "q"),
        (While, "running"),
        (JobOfEvent, "r"),
        (While, "provided"),
        (JobOfEvent, "p"),
        (While, "mode"),
        (Mode, "n"),
    ];
    assert_eq!(found, expected);
    for mention in described.mentions {
        let cited = &text[mention.span];
        let whole = "\"stopping \\\"q\\\"\"";
        assert!(mention.name == cited || cited == whole, "{cited}");
    }
}

#[test]
fn an_override_replaces_single_fields() {
    let name = Name::new("food").unwrap();
    let file = source("food.ron", "( exec: \"a\", nice: 5, start_on: \"b\", respawn: true, needs: [\"x\"] )");
    let over = source("food.override.ron", "( script: \"c\nd\", needs: [\"y\"], respawn: None )");
    let last = source("food.override.ron2", "( nice: 7 )");
    let described = read(&name, &file, &[over, last], 0).described.unwrap();
    assert_eq!(described.work.processes, [(ProcessKind::Main, Command::Script("c\nd".into()))]);
    assert_eq!((described.work.nice, described.job.respawn), (Some(7), None));
    assert!(described.job.start_on.is_some());
    let needs: Vec<_> = described.mentions.iter().filter(|mention| mention.role == Role::Needs).collect();
    assert_eq!(needs.len(), 1);
    assert_eq!((needs[0].name.as_str(), needs[0].path.as_deref()), ("y", Some("food.override.ron")));
}

#[test]
fn a_wrong_override_refuses_the_job() {
    let name = Name::new("food").unwrap();
    let file = source("food.ron", "( exec: \"a\" )");
    let reading = read(&name, &file, &[source("food.override.ron", "( need: [\"x\"] )")], 0);
    assert_eq!(reading.described, None);
    assert_eq!(reading.reports[0].places[0].path, "food.override.ron");
}

fn foreign() -> Described {
    let mut job = Job::new(Name::new("networking").unwrap(), Format::Lsb);
    job.processes = [ProcessKind::Main].into_iter().collect();
    job.task = true;
    let processes =
        vec![(ProcessKind::Main, Command::Argv(vec!["/etc/init.d/networking".into(), "start".into()]))];
    let mention = |role, name: &str, at: usize| Mention {
        role,
        name: Name::new(name).unwrap(),
        path: None,
        span: at..at.saturating_add(1),
    };
    let mentions = vec![
        mention(Role::StartOn, "started", 0),
        mention(Role::JobOfEvent, "udev", 10),
        mention(Role::StopOn, "stopped", 20),
        mention(Role::JobOfEvent, "dbus", 30),
    ];
    Described { job, work: Work { processes, ..Work::default() }, mentions, path: "networking".into() }
}

#[test]
fn an_override_hardens_a_foreign_job() {
    let mut described = foreign();
    let source = source("networking.override.ron", "( needs: [\"FIREWALL\"], start_on: \"firewall-up\" )");
    assert_eq!(apply_override(&mut described, &source), []);
    assert_eq!(described.job.needs[0].name, "FIREWALL");
    assert_eq!(described.work.processes.len(), 1);
    let left: Vec<_> = described.mentions.iter().map(|mention| mention.name.as_str()).collect();
    assert_eq!(left, ["stopped", "dbus", "FIREWALL", "firewall-up"]);
    assert_eq!(described.mentions[2].path.as_deref(), Some("networking.override.ron"));
}

#[test]
fn a_wrong_override_of_a_foreign_job_changes_nothing() {
    let mut described = foreign();
    let source = source("networking.override.ron", "( needs: [\"FIREWALL\"], nice: 99 )");
    let reports = apply_override(&mut described, &source);
    assert_eq!((reports.len(), reports[0].code), (1, "out-of-range"));
    assert_eq!(described, foreign());
}

#[test]
fn what_a_foreign_file_says_is_not_blamed_on_its_override() {
    let mut described = foreign();
    // The format of the foreign job allows this, and the override does not speak of it.
    described.job.ready = Ready::Forked;
    assert_eq!(apply_override(&mut described, &source("o", "( nice: 5 )")), []);
    assert_eq!(apply_override(&mut described, &source("o", "( ready: notify )"))[0].code, "ready-of-task");
}

#[test]
fn a_path_tells_the_name_of_a_job() {
    for (path, name) in [
        ("food.ron", Some("food")),
        ("net/dhcp.ron", Some("net/dhcp")),
        ("a.b.ron", Some("a.b")),
        ("food.override.ron", None),
        (".food.ron", None),
        (".git/food.ron", None),
        (".ron", None),
        ("food.ron~", None),
        ("food.conf", None),
        ("my job.ron", None),
    ] {
        assert_eq!(job_name(path).as_ref().map(Name::as_str), name, "{path}");
    }
    assert_eq!(overridden_name("net/dhcp.override.ron").unwrap().as_str(), "net/dhcp");
    assert_eq!(overridden_name("dhcp.ron"), None);
}

#[test]
fn deep_nesting_is_refused() {
    for (open, close) in [("[", "]"), ("(", ")"), ("{1:", "}"), ("Some(", ")"), ("a(", ")"), ("(a:", ")")] {
        for depth in [9, 40, 100, 20_000] {
            let text = format!("( needs: {}1{} )", open.repeat(depth), close.repeat(depth));
            let reading = read_one(&text);
            assert_eq!(reading.reports[0].code, "too-deep", "{open} {depth}");
        }
    }
    assert_eq!(read_one(&"(".repeat(200_000)).reports[0].code, "ron-syntax");
    assert_eq!(read_one(&"/*".repeat(100_000)).reports[0].code, "ron-syntax");
    assert_eq!(read_one(&" ".repeat(300 * 1024)).reports[0].code, "file-too-large");
    // `not` may stand as often as one likes, and costs no stack.
    good(&format!("( exec: \"a\", while: \"{}mode x\" )", "not ".repeat(50_000)));
}

#[test]
fn comments_and_raw_texts_are_no_hindrance() {
    let text = "// first\n#![enable(implicit_some)]\nJob( /* a */ exec /* b */ : /* c */ r#\"a \"b\"\"# /* ] */, // d\n\
        needs: [ /* x */ \"y\" /* ) */ , ], ready: /* . */ fd /* . */ ( /* . */ 3 /* . */ , ) /* ) */ ,\n // end\n ) // f";
    let described = good(text);
    assert_eq!(described.job.ready, Ready::Fd(3));
    assert_eq!(described.job.needs.len(), 1);
    assert_eq!(described.work.processes[0].1, Command::Exec("a \"b\"".into()));
    check("( exec: \"a\", nice: /* 1 */ 50 /* 2 */ )", &[("out-of-range", "50", "")]);
    check("( exec: \"a\", ready: fd /* 1 */ (1 /* 2 */) /* 3 */ )", &[("out-of-range", "1", "")]);
    check("( exec: \"a\", chdir: [1] /* ] */ )", &[("wrong-type", "[1]", "")]);
    check("( exec: \"a\", console: lgo /* . */ )", &[("unknown-word", "lgo", "`log`")]);
}

/// Whatever is said of a file, its places lie in it.
fn places_lie_in(text: &str) {
    let reading = read_one(text);
    let spans =
        reading.reports.iter().flat_map(|report| &report.places).filter_map(|place| place.span.clone());
    let mentions = reading.described.iter().flat_map(|described| &described.mentions);
    for span in spans.chain(mentions.map(|mention| mention.span.clone())) {
        assert!(text.get(span.clone()).is_some(), "{span:?} in {text:?}");
    }
}

const WORDS: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "\"",
    "\\",
    "r#",
    "#",
    "//",
    "/*",
    "*/",
    "\n",
    " ",
    "Some",
    "None",
    "true",
    "exec",
    "needs",
    "while",
    "start_on",
    "fd",
    "script",
    "'",
    "b\"",
    "0x",
    "1_0",
    "1..2",
    "-",
    "+",
    "inf",
    "ä",
    "$I",
    "\\u{41}",
    "#![enable(unwrap_variant_newtypes)]",
    "\"a\"",
    "kill",
    "env",
    "and",
    "not",
    "\u{200e}",
    "r#\"x\"#",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}") {
        places_lie_in(&text);
        places_lie_in(&format!("( exec: \"a\", {text} )"));
        places_lie_in(&format!("( exec: \"a\", start_on: \"{text}\" )"));
    }

    #[test]
    fn no_row_of_words_makes_it_panic(words in prop::collection::vec(prop::sample::select(WORDS), 0..40)) {
        places_lie_in(&words.concat());
        places_lie_in(&format!("( {} )", words.concat()));
        places_lie_in(&format!("( needs: {} )", words.join(" ")));
    }

    #[test]
    fn no_change_of_a_good_file_makes_it_panic(
        edits in prop::collection::vec((0_usize..6_000, 0_usize..12, prop::sample::select(WORDS)), 1..6),
    ) {
        let mut text = include_str!("../../../tests/data/full.ron").to_string();
        for (at, len, word) in edits {
            let at = text.floor_char_boundary(at % text.len());
            let end = text.floor_char_boundary(at.saturating_add(len).min(text.len()));
            text.replace_range(at..end.max(at), word);
        }
        places_lie_in(&text);
    }
}
