mod plain;
mod wrong;

use alloc::{format, string::ToString as _, vec};
use core::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{
    Again, Command, Connections, Exit, Kill, Limit, OnConnection, ProcessKind, Ready, Resource, Severity,
    Signal, StartMode,
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
    for place in reading.reports.iter().flat_map(|report| &report.places) {
        assert!(place.span.clone().is_none_or(|span| text.get(span).is_some()), "{text}\n{place:?}");
    }
    let refused = reading.reports.iter().any(|report| report.severity == Severity::Error);
    assert_eq!(reading.described.is_none(), refused, "{text}");
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
    for name in field_names()
        .filter(|name| !["script", "task", "connections", "arguments", "parallel"].contains(name))
    {
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
fn an_override_that_says_how_a_script_ends_leaves_its_verb_the_time_it_had() {
    for (text, format, timeout, together) in [
        ("( kill: (leave: all) )", Format::Rcd, 90, Some(300)),
        ("( kill: (timeout: \"2m\") )", Format::Rcd, 120, None),
        ("( kill: None )", Format::Lsb, 90, Some(300)),
        ("( kill: (leave: all) )", Format::Upstart, 5, None),
    ] {
        let mut described = foreign();
        described.job.format = format;
        let together_before = Some(Duration::from_secs(300));
        described.job.kill =
            Kill { timeout: Duration::from_secs(90), together: together_before, ..Kill::default() };
        assert_eq!(apply_override(&mut described, &source("o", text)), []);
        let kill = described.job.kill;
        assert_eq!(
            (kill.timeout.as_secs(), kill.together.map(|it| it.as_secs())),
            (timeout, together),
            "{text}"
        );
    }
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
fn nobody_is_shown_more_than_a_hundred_faults() {
    for text in [
        format!("( exec: \"a\", normal_exit: [{}] )", "\"x\",".repeat(5_000)),
        format!("( {} )", (0..5_000).map(|at| format!("f{at}: 1,")).collect::<String>()),
    ] {
        let reading = read_one(&text);
        assert_eq!((reading.reports.len(), reading.described), (100, None));
    }
}

#[test]
fn a_command_that_is_more_than_one_program_is_a_script() {
    let command = |line: &str| good(&format!("( exec: \"{line}\" )")).work.processes[0].1.argv();
    assert_eq!(command("a b"), ["a", "b"]);
    assert_eq!(command("a $B"), ["/bin/sh", "-e", "-c", "exec a $B"]);
    assert_eq!(command("! test -e /x"), ["/bin/sh", "-e", "-c", "! test -e /x"]);
    assert_eq!(command("a && b"), ["/bin/sh", "-e", "-c", "a && b"]);
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

#[test]
fn what_a_connection_does_is_among_what_starts_the_job() {
    #[track_caller]
    fn check(text: &str, start_on: &str, instance: Option<&str>, on_connection: OnConnection) {
        let Described { job, work, .. } = good(text);
        assert_eq!(job.start_on.unwrap().to_string(), start_on, "{text}");
        assert_eq!(job.instance.as_ref().map(|it| it.as_str()), instance, "{text}");
        assert_eq!(work.on_connection, on_connection, "{text}");
    }
    let sockets = "exec: \"a\", sockets: \"tcp:7\"";
    check(&format!("({sockets}, on_connection: start)"), "socket JOB=food", None, OnConnection::Start);
    check(
        &format!("({sockets}, on_connection: stdin, start_on: \"a and b\")"),
        "((a and b) or socket JOB=food)",
        None,
        OnConnection::Stdin,
    );
    let each = OnConnection::Each(Connections { most: 3, ..Connections::default() });
    check(
        &format!("({sockets}, connections: (most: 3), on_connection: each)"),
        "socket JOB=food",
        Some("$CONNECTION"),
        each,
    );
}
