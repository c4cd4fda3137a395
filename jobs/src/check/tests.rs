use alloc::{format, string::String, vec::Vec};

use super::*;
use crate::{
    formats::rcd::KeywordFilter,
    load::{load, tests::tree},
};

/// What is said of files across each other, as `code path[text] message`; native files by their name.
fn said(files: &[(&str, &str)]) -> Vec<(String, Report)> {
    let files: Vec<(String, &str)> = files
        .iter()
        .map(|(path, text)| match path.strip_prefix('/') {
            Some(_) => (String::from(*path), *text),
            None => (format!("/etc/onset/jobs/{path}.ron"), *text),
        })
        .collect();
    let texts: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    let generation = load(&tree(&texts), &KeywordFilter::default());
    assert_eq!(generation.refused, [], "{:#?}", generation.reports);
    let order = crate::order(&generation.jobs.iter().map(|described| &described.job).collect::<Vec<_>>());
    let cited = |report: &Report| {
        let place = report.places.first().unwrap();
        let text = texts.iter().find(|(path, _)| *path == place.path).unwrap().1;
        String::from(place.span.clone().map_or("", |span| &text[span]))
    };
    super::check(&generation, &order).into_iter().map(|report| (cited(&report), report)).collect()
}

/// These files must give these codes, each at this text.
#[track_caller]
fn check(files: &[(&str, &str)], expected: &[(&str, &str)]) {
    let said = said(files);
    let codes: Vec<(&str, &str)> = said.iter().map(|(cited, report)| (report.code, cited.as_str())).collect();
    assert_eq!(codes, expected, "{said:#?}");
}

#[track_caller]
fn check_help(files: &[(&str, &str)], help: &str) {
    let said = said(files);
    assert_eq!(said.first().and_then(|(_, report)| report.help.as_deref()), Some(help), "{said:#?}");
}

const X: &str = "(start_on: \"startup\", exec: \"/x\")";

#[test]
fn names_that_nobody_provides_are_told() {
    check(&[("a", "(start_on: \"startup\", requires: [\"nope\"])")], &[("no-provider", "nope")]);
    check(&[("a", "(start_on: \"startup\", before: [\"nope\"])")], &[("before-unknown", "nope")]);
    check(&[("a", "(start_on: \"startup\", needs: [\"nope\"])")], &[("need-unknown", "nope")]);
    check(&[("/etc/rc.d/a", "# PROVIDE: a\n# REQUIRE: nope\n")], &[("no-provider", "nope")]);
}

#[test]
fn who_is_meant_is_guessed() {
    check_help(
        &[("a", "(needs: [\"databse\"])"), ("/etc/rc.d/pg", "# PROVIDE: database\n")],
        "did you mean `database`, provided by /etc/rc.d/pg?",
    );
    check_help(&[("a", "(requires: [\"wbe\"])"), ("web", X)], "did you mean `web`?");
    check_help(
        &[("a", "(requires: [\"web\"])"), ("web", "-> /dev/null")],
        "`web` is masked by /etc/onset/jobs/web.ron",
    );
    check_help(&[("a", "(start_on: \"net-devise-up\")")], "did you mean `net-device-up`?");
    check_help(&[("a", "(start_on: \"started wbe\")"), ("web", X)], "did you mean `web`?");
}

#[test]
fn a_need_of_a_job_with_instances_says_which() {
    let dhcp = ("dhcp", "(start_on: \"net-device-up\", instance: \"$IFACE\", exec: \"/x\")");
    check(&[("a", "(needs: [\"dhcp\"])"), dhcp], &[("need-which-instance", "dhcp")]);
    check(&[("a", "(needs: [\"dhcp IFACE=eth0\"])"), dhcp], &[]);
    let wrong = [("a", "(needs: [\"dhcp INTERFACE=eth0\"])"), dhcp];
    check(&wrong, &[("need-which-instance", "dhcp")]);
    check_help(&wrong, "say which one: `dhcp IFACE=eth0`");
    let of_one = [("a", "(needs: [\"b X=1\"])"), ("b", X)];
    check(&of_one, &[("need-which-instance", "b")]);
    check_help(&of_one, "write `b` alone");
    let of_two = ("d", "(start_on: \"net-device-up\", instance: \"$A-${B:-x}\", exec: \"/x\")");
    check(&[("a", "(needs: [\"d A=1\"])"), of_two], &[]);
    check(&[("a", "(needs: [\"d B=1\"])"), of_two], &[("need-which-instance", "d")]);
}

#[test]
fn a_name_that_stands_twice_is_shown_where_it_is_wrong() {
    let at = |text: &str| said(&[("a", text), ("b", X)])[0].1.places[0].span.clone().unwrap().start;
    let text = "(start_on: \"started b and started JOB=c\", stop_on: \"stopping c\", exec: \"/x\")";
    let found: Vec<usize> = said(&[("a", text), ("b", X)])
        .iter()
        .map(|(_, report)| report.places[0].span.clone().unwrap().start)
        .collect();
    assert_eq!(found, [text.find("c\", stop").unwrap(), text.find("c\", exec").unwrap()]);
    let text = "(start_on: \"startup\", stop_on: \"startup and stopping startup\", exec: \"/x\")";
    assert_eq!(at(text), text.find("startup\", exec").unwrap());
}

#[test]
fn a_job_whose_event_nobody_emits_can_never_start() {
    check(&[("a", "(start_on: \"nope\")")], &[("never-starts", "nope")]);
    check(&[("a", "(start_on: \"nope and startup\")")], &[("never-starts", "nope")]);
    check(&[("a", "(start_on: \"nope or startup\")")], &[("unknown-event", "nope")]);
    check(&[("a", "(start_on: \"startup\", stop_on: \"nope\")")], &[("unknown-event", "nope")]);
    check(&[("a", "(start_on: \"started nope\")")], &[("never-starts", "nope")]);
    check(&[("a", "(start_on: \"started nope or startup\")")], &[("unknown-job", "nope")]);
    check(&[("a", "(start_on: \"nope\", manual: true)")], &[("unknown-event", "nope")]);
}

#[test]
fn events_come_from_sources_jobs_and_their_scripts() {
    check(&[("a", "(start_on: \"its-there\")"), ("b", "(emits: [\"its-*\"])")], &[]);
    check(
        &[("a", "(start_on: \"done\")"), ("/etc/init/b.conf", "exec initctl emit --no-wait done X=1\n")],
        &[],
    );
    check(&[("a", "(start_on: \"block-device-added DEVNAME=/dev/sd*\")")], &[]);
    check(&[("a", "(start_on: \"net-device-up IFACE=eth0 and runlevel 2 and started b\")"), ("b", X)], &[]);
    check(&[("a", "(start_on: \"started JOB=b\")"), ("b", X)], &[]);
    check(&[("a", "(start_on: \"started b*\")"), ("bb", X)], &[]);
    check(&[("a", "(start_on: \"started c*\")"), ("bb", X)], &[("never-starts", "")]);
}

#[test]
fn what_the_engine_says_can_happen() {
    for event in
        ["shutdown KIND=reboot", "mode MODE=x", "startup/failed", "stopped/failed b", "usb-device-added"]
    {
        check(&[("a", &format!("(start_on: \"{event}\")")), ("b", X)], &[]);
    }
}

#[test]
fn a_time_is_one_that_comes() {
    for text in [
        "calendar AT='Mon..Fri 03:00'",
        "calendar AT=daily",
        "calendar AT='Sat,sunday 8..18:0/15:30'",
        "calendar AT='2026-12-24 18:00'",
        "calendar AT='*-*-01 06:00'",
        "timer EVERY=1h30m",
        "timer AFTER=30s",
        "timer AFTER=30s FROM=boot",
        "timer EVERY=$PERIOD",
        "calendar AT=daily TZ=Europe/Vienna JITTER=10m CATCH_UP=yes",
        "calendar CATCH_UP=yes",
    ] {
        check(&[("a", &format!("(start_on: \"{text}\", env: {{\"PERIOD\": \"5m\"}})"))], &[]);
    }
    for (text, code) in [
        ("calendar AT='Mon..Fry 03:00'", "bad-time"),
        ("calendar AT=25:00", "bad-time"),
        ("calendar AT=''", "bad-time"),
        ("calendar AT=2026-13-01", "bad-time"),
        ("calendar ATT=03:00", "time-argument"),
        ("calendar 03:00", "time-argument"),
        ("calendar", "time-argument"),
        ("timer EVERY=10", "bad-time"),
        ("timer AFTER=soon", "bad-time"),
        ("timer AT=03:00", "time-argument"),
        ("timer EVERY=$TIME", "time-argument"),
        ("timer EVERY=0s", "bad-time"),
        ("timer AFTER=30s FROM=end", "bad-time"),
        ("calendar AT=02-30", "bad-time"),
        ("calendar AT=daily TZ=../x", "bad-time"),
        ("calendar AT=daily CATCH_UP=maybe", "bad-time"),
    ] {
        let name = text.split(' ').next().unwrap();
        check(&[("a", &format!("(start_on: \"{text}\")"))], &[(code, name)]);
    }
    check_help(&[("a", "(start_on: \"calendar ATT=03:00\")")], "did you mean `AT`?");
    let stops = "(start_on: \"startup\", stop_on: \"timer AFTER=30s\")";
    check(&[("a", stops)], &[("time-argument", "timer")]);
}

#[test]
fn a_variable_of_an_instance_comes_with_an_event() {
    let job =
        |on: &str, instance: &str| format!("(start_on: \"{on}\", instance: \"{instance}\", exec: \"/x\")");
    let wrong = job("net-device-up IFACE!=lo", "$IFCAE");
    check(&[("a", &wrong)], &[("instance-variable", "")]);
    check_help(&[("a", &wrong)], "did you mean `$IFACE`?");
    check(&[("a", &job("net-device-up", "$IFCAE"))], &[("instance-variable", "")]);
    check(&[("a", &job("net-device-up IFACE!=lo", "$IFACE-$ADDRFAM"))], &[]);
    check(&[("a", &job("net-device-up IFACE!=lo", "${IFCAE:-none}"))], &[]);
}

#[test]
fn a_device_does_what_devices_do() {
    check(&[("a", "(start_on: \"net-device-changed\")"), ("b", "(start_on: \"x-device-removed\")")], &[]);
    for (event, help) in [
        ("net-device-pu", "did you mean `net-device-up`?"),
        ("net-device-swallowed", "a network card is added, removed, changed, up or down: `net-device-up`"),
        ("tape-device-rewound", "a device is added, removed or changed: `block-device-added`"),
    ] {
        let text = format!("(start_on: \"{event}\")");
        check(&[("a", &text)], &[("never-starts", event)]);
        check_help(&[("a", &text)], help);
    }
}

#[test]
fn a_loop_is_shown_with_the_place_of_each_edge() {
    let files = [
        ("a", "(start_on: \"startup\", requires: [\"word\"])"),
        ("/etc/rc.d/b", "# PROVIDE: word\n# REQUIRE: a\n"),
    ];
    let said = said(&files);
    let (_, report) = &said[0];
    assert_eq!(report.message, "jobs wait for each other: a -> b -> a");
    let labels: Vec<&str> = report.places.iter().map(|place| place.label.as_str()).collect();
    assert_eq!(labels, ["`a` requires `word`, provided by `b` (ignored)", "`b` requires `a`"]);
    assert_eq!(report.severity, Severity::Warning);
    check(&files, &[("loop", "word")]);
}

#[test]
fn a_loop_of_needs_has_no_right_order() {
    check(
        &[("a", "(start_on: \"startup\", needs: [\"b\"])"), ("b", "(start_on: \"startup\", needs: [\"a\"])")],
        &[("hard-loop", "b")],
    );
    check(&[("/etc/rc.d/a", "# PROVIDE: a\n# REQUIRE: a\n")], &[("loop", "a")]);
}

#[test]
fn jobs_that_run_only_while_they_do_not_are_an_error() {
    check(&[("a", "(while: \"not running a\")")], &[("while-loop", "running")]);
    check(
        &[("a", "(while: \"not running b\")"), ("b", "(while: \"not running a\")")],
        &[("while-loop", "running")],
    );
    check(
        &[
            ("a", "(while: \"link and not provided p\")"),
            ("b", "(provides: [\"p\"], while: \"running c or mode x\")"),
            ("c", "(while: \"running a\")"),
        ],
        &[("while-loop", "provided")],
    );
    check(&[("a", "(while: \"running b\")"), ("b", "(while: \"running a\")")], &[]);
    check(&[("a", "(while: \"not running b\")"), ("b", X)], &[]);
    check(&[("a", "(while: \"not (not running b)\")"), ("b", "(while: \"running a\")")], &[]);
}

#[test]
fn a_provider_that_comes_with_another_event_is_told() {
    let late = ("late", "(start_on: \"net-device-up\", provides: [\"NET\"], exec: \"/x\")");
    let waits = ("a", "(start_on: \"startup\", requires: [\"NET\"])");
    check(&[waits, late], &[("other-event", "NET")]);
    check(&[waits, late, ("early", "(start_on: \"startup\", provides: [\"NET\"])")], &[]);
    check(&[waits, ("late", "(while: \"link IFACE=eth0\", provides: [\"NET\"])")], &[("other-event", "NET")]);
    check(
        &[waits, ("late", "(start_on: \"net-device-up\", provides: [(name: \"NET\", expected: \"30s\")])")],
        &[],
    );
    check(&[("a", "(start_on: \"net-device-up\", requires: [\"NET\"])"), late], &[]);
    check(&[("a", "(start_on: \"net-device-up\", requires: [\"b\"])"), ("b", X)], &[]);
}

#[test]
fn a_word_of_a_script_and_a_job_is_told() {
    check(
        &[("a", "(start_on: \"startup\", provides: [\"mail\"])"), ("/etc/rc.d/m", "# PROVIDE: mail\n")],
        &[("provided-twice", "mail")],
    );
    check(&[("/etc/rc.d/l", "# PROVIDE: mail\n"), ("/etc/rc.d/m", "# PROVIDE: mail\n")], &[]);
}

#[test]
fn a_tangle_is_named() {
    let texts: Vec<(String, &str)> =
        (0..1_100).map(|n| (format!("/etc/rc.d/{n:04}"), "# PROVIDE: x\n# REQUIRE: x\n")).collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    let said = said(&files);
    assert!(said.iter().any(|(_, report)| report.code == "tangle"));
    assert!(said.len() < 400);
}

#[test]
fn thousands_of_unknown_names_take_no_quadratic_time() {
    let texts: Vec<(String, String)> =
        (0..4_000).map(|n| (format!("/etc/rc.d/{n:04}"), format!("# REQUIRE: unknown{n}\n"))).collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    assert_eq!(said(&files).len(), 4_000);
}

#[test]
fn a_job_with_very_many_unknown_names_tells_the_first() {
    let names: Vec<String> = (0..20_000).map(|n| format!("n{n}")).collect();
    let text = format!("# REQUIRE: {}\n", names.join(" "));
    assert_eq!(said(&[("/etc/rc.d/a", &text)]).len(), 64);
}

#[test]
fn who_masks_a_job_knows_that_nothing_stops_with_it() {
    let masked = ("web", "-> /dev/null");
    check(&[("a", "(start_on: \"startup\", stop_on: \"stopping web\")"), masked], &[]);
    check(&[("a", "(while: \"link and not running web\")"), masked], &[]);
    check(&[("a", "(start_on: \"startup\", stop_on: \"stopping wbe\")"), masked], &[("unknown-job", "wbe")]);
    check(&[("a", "(start_on: \"started web\")"), masked], &[("never-starts", "web")]);
}

#[test]
fn facts_that_never_hold_are_told() {
    check(&[("a", "(while: \"devcie SUBSYSTEM=net\")")], &[("unknown-fact", "devcie")]);
    check(&[("a", "(while: \"link and not running wbe\")"), ("web", X)], &[("unknown-job", "wbe")]);
    check(&[("a", "(while: \"provided wbe\")"), ("web", X)], &[("unknown-provision", "wbe")]);
    check_help(&[("a", "(while: \"devcie SUBSYSTEM=net\")")], "did you mean `device`?");
    check_help(&[("a", "(while: \"running wbe\")"), ("web", X)], "did you mean `web`?");
    check_help(
        &[("a", "(while: \"running web\")"), ("web", "-> /dev/null")],
        "`web` is masked by /etc/onset/jobs/web.ron",
    );
    check_help(
        &[("a", "(while: \"running NET\")"), ("/etc/rc.d/n", "# PROVIDE: NET\n")],
        "jobs provide it: did you mean `provided NET`?",
    );
    check_help(
        &[("a", "(while: \"provided n\")"), ("/etc/rc.d/n", "# PROVIDE: NET\n")],
        "it is a job: did you mean `running n`?",
    );
}

#[test]
fn facts_that_a_person_or_a_job_may_set_are_not_doubted() {
    check(&[("a", "(while: \"tape-loaded DRIVE=st0 and mode any and running w* and provided $P\")")], &[]);
    check(&[("a", "(while: \"links\")")], &[("unknown-fact", "links")]);
    check(
        &[("a", "(while: \"links\")"), ("b", "(start_on: \"startup\", exec: \"/bin/onsetctl set links\")")],
        &[],
    );
    check(&[("a", "(while: \"links\")"), ("b", "(start_on: \"startup\", emits: [\"links\"])")], &[]);
}

#[test]
fn jobs_that_start_only_after_each_other_are_told_once() {
    let ring = [("a", "(start_on: \"started b\")"), ("b", "(start_on: \"stopped a or stopping c\")")];
    let hangs_on_it = ("d", "(start_on: \"startup and started a\")");
    check(&[("a", "(start_on: \"stopped a\")")], &[("never-starts", "a")]);
    check(&[ring[0], ring[1], ("c", "(start_on: \"starting b\")")], &[("never-starts", "b")]);
    check(&[ring[0], ring[1], ("c", "(start_on: \"starting b\")"), hangs_on_it], &[("never-starts", "b")]);
    // Something else may start one of them.
    check(&[ring[0], ring[1], ("c", X), hangs_on_it], &[]);
    for c in ["startup or starting b", "starting b\", manual: true, usage: \""] {
        check(&[ring[0], ring[1], ("c", &format!("(start_on: \"{c}\")"))], &[]);
    }
    check(&[ring[0], ring[1], ("c", "(start_on: \"starting b\")"), ("e", "(needs: [\"a\"])")], &[]);
    let by_script = ("e", "(start_on: \"startup\", exec: \"/bin/onsetctl start a\")");
    check(&[ring[0], ring[1], ("c", "(start_on: \"starting b\")"), by_script], &[]);
}

#[test]
fn what_never_starts_because_of_a_misspelt_event_is_told_at_its_root() {
    check(
        &[("a", "(start_on: \"strtup\")"), ("b", "(start_on: \"started a\")")],
        &[("never-starts", "strtup")],
    );
}

#[test]
fn a_long_ring_of_starts_is_found_in_linear_time() {
    let names: Vec<(String, String)> = (0..4_000)
        .map(|n| (format!("j{n}"), format!("(start_on: \"started j{}\")", (n + 1) % 4_000)))
        .collect();
    let files: Vec<(&str, &str)> = names.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    check(&files, &[("never-starts", "j1")]);
}

#[test]
fn arguments_that_the_world_does_not_give_are_told() {
    let never = [
        ("power-button KEY=1", "it has no arguments"),
        ("shutdown KND=reboot", "did you mean `KIND`?"),
        ("oom-kill NAME=web", "it has `JOB`, `INSTANCE`"),
    ];
    for (event, help) in never {
        let job = format!("(start_on: \"{event}\")");
        check(&[("a", &job)], &[("never-starts", event.split(' ').next().unwrap())]);
        check_help(&[("a", &job)], help);
    }
    // These may have arguments that only the kernel knows of.
    let open = [("net-device-up IFCAE=eth0", "IFACE"), ("block-device-added DEVTPYE=disk", "DEVTYPE")];
    for (event, meant) in open {
        let job = format!("(start_on: \"{event}\")");
        check(&[("a", &job)], &[("unknown-key", event.split(' ').next().unwrap())]);
        check_help(&[("a", &job)], &format!("did you mean `{meant}`?"));
    }
    check(&[("a", "(start_on: \"net-device-added ID_BUS=usb or net-device-up METHOD=dhcp\")")], &[]);
    // Who emits it himself knows what he says with it.
    let own = ("b", "(start_on: \"startup\", exec: \"onsetctl emit net-device-up IFCAE=x\")");
    check(&[("a", "(start_on: \"net-device-up IFCAE=eth0\")"), own], &[]);
}

#[test]
fn arguments_of_facts_that_hold_never_are_told() {
    for (fact, help) in [
        ("link IFCAE=eth0", "did you mean `IFACE`?"),
        ("mode NAME=test", "it has `MODE`"),
        ("running JBO=b", "did you mean `JOB`?"),
    ] {
        let files = [("a", &*format!("(while: \"{fact}\")")), ("b", X)];
        check(&files, &[("unknown-key", fact.split(' ').next().unwrap())]);
        check_help(&files, help);
    }
    check(&[("a", "(while: \"device ID_BUS=usb and carp VHID=1@eth0 ROLE=master\")")], &[]);
}

#[test]
fn arguments_that_no_job_gives_are_told() {
    let x = ("x", "(start_on: \"startup\", export: [\"PORT\"], exec: \"/x\")");
    check(&[("a", "(start_on: \"stopped x RESLT=failed\")"), x], &[("never-starts", "stopped")]);
    check(&[("a", "(start_on: \"startup or started x PROT=1\")"), x], &[("unknown-key", "started")]);
    check_help(&[("a", "(start_on: \"stopped x RESLT=failed\")"), x], "did you mean `RESULT`?");
    check_help(&[("a", "(start_on: \"started x PROT=1\")"), x], "did you mean `PORT`?");
    check(
        &[("a", "(start_on: \"stopped x EXIT_SIGNAL=K* or started PORT=1 or stopping RESULT!=ok\")"), x],
        &[],
    );
}
