use alloc::{
    string::{String, ToString as _},
    vec::Vec,
};

use super::*;

fn source(text: &str) -> Source {
    Source { path: "/etc/init.d/x".into(), text: text.into(), executable: true }
}

fn block(lines: &str) -> String {
    format!("#!/bin/sh\n### BEGIN INIT INFO\n{lines}\n### END INIT INFO\necho \"$1\"\n")
}

fn read_as(name: &str, text: &str, links: &[&str]) -> Reading {
    let links = Links::parse(links.iter().copied());
    read(&Name::new(name).unwrap(), &source(text), None, &Facilities::default(), &links)
}

/// The job that the lines describe, of which nothing is reported.
fn job(lines: &str) -> Job {
    let reading = read_as("x", &block(lines), &[]);
    assert_eq!(reading.reports, [], "{lines}");
    reading.described.unwrap().job
}

fn codes(lines: &str) -> Vec<&'static str> {
    read_as("x", &block(lines), &[]).reports.iter().map(|report| report.code).collect()
}

fn joined<'n>(names: impl IntoIterator<Item = &'n Name>) -> String {
    names.into_iter().map(Name::as_str).collect::<Vec<_>>().join(" ")
}

/// What a job requires; a `?` stands behind what may be missing.
fn requires(job: &Job) -> String {
    let word = |require: &Require| format!("{}{}", require.name, if require.optional { "?" } else { "" });
    job.requires.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn keys_are_taken_in_any_case_and_spelling() {
    for key in ["Required-Start", "required-start", "REQUIRED-START", "Required_Start", "required--start"] {
        assert_eq!(requires(&job(&format!("# Provides: x\n# {key}: dbus"))), "dbus", "{key}");
    }
    for key in ["X-Start-Before", "Start-Before", "x-start-before", "X-UnitedLinux-Start-Before"] {
        assert_eq!(joined(&job(&format!("# {key}: gdm")).before), "gdm", "{key}");
    }
    assert_eq!(requires(&job("#Required-Start:dbus")), "dbus");
    assert_eq!(requires(&job("#\t Required-Start:\tdbus")), "dbus");
    assert_eq!(requires(&job(" # Required-Start: dbus\n# Required-Start : dbus\nRequired-Start: dbus")), "");
}

#[test]
fn commas_separate_names_too() {
    assert_eq!(requires(&job("# Required-Start: a,b, c\td ,e")), "a b c d e");
}

#[test]
fn dos_line_ends_do_no_harm() {
    let job = job("# Provides: x\r\n# Required-Start: a b\r\n# Default-Start: 2 3\r");
    assert_eq!(
        (requires(&job), joined(job.provides.iter().map(|provide| &provide.name))),
        ("a b".into(), "x $rc".into())
    );
    assert!(job.start_on.is_some());
}

#[test]
fn what_the_kernel_does_not_execute_is_named() {
    let header = "### BEGIN INIT INFO\n# Provides: x\n### END INIT INFO\n";
    for (text, code) in [
        (format!("\u{feff}#!/bin/sh\n{header}"), "byte-order-mark"),
        (format!("#!/bin/sh\r\n{header}"), "carriage-return"),
    ] {
        let reports = read_as("x", &text, &[]).reports;
        assert!(reports.iter().any(|report| report.code == code), "{reports:?}");
    }
}

#[test]
fn the_first_block_and_the_first_line_of_a_key_count() {
    assert_eq!(requires(&job("# Required-Start: a\n# Required-Start: b")), "a");
    let twice = format!("{}{}", block("# Required-Start: a"), block("# Should-Start: b"));
    assert_eq!(requires(&read_as("x", &twice, &[]).described.unwrap().job), "a");
    assert_eq!(requires(&job("")), "");
}

#[test]
fn a_description_may_go_on_over_lines() {
    let lines = "# Short-Description: a toy\n# Description: long\n#  Required-Start of it\n#\tand more\n# Default-Start: 2";
    let reading = read_as("x", &block(lines), &[]);
    assert_eq!(reading.reports, []);
    let described = reading.described.unwrap();
    assert_eq!(
        (requires(&described.job), described.work.description.unwrap().as_str()),
        (String::new(), "a toy")
    );
}

#[test]
fn what_is_required_may_not_be_missing_and_what_should_may() {
    assert_eq!(requires(&job("# Required-Start: a +b\n# Should-Start: c a")), "a b? c?");
    assert_eq!(requires(&job("# Required-Start: c\n# Should-Start: c")), "c");
    assert_eq!(requires(&job("# Should-Start: +a")), "a?");
}

#[test]
fn a_facility_is_its_own_name_and_all_it_stands_for() {
    assert_eq!(requires(&job("# Required-Start: $network")), "$network? networking? ifupdown?");
    assert_eq!(
        requires(&job("# Required-Start: $remote_fs $network")),
        "$remote_fs? $local_fs? mountnfs? mountnfs-bootclean? umountnfs? sendsigs? mountall? \
         mountall-bootclean? mountoverflowtmp? umountfs? $network? networking? ifupdown?"
    );
    assert_eq!(requires(&job("# Provides: ifupdown\n# Required-Start: $network")), "$network? networking?");
    assert_eq!(joined(&job("# X-Start-Before: $network").before), "$network networking ifupdown");
    assert_eq!(
        requires(&job("# Required-Start: $portmap $x-display-manager")),
        "$portmap? $x-display-manager?"
    );
}

#[test]
fn all_means_everything_else_and_null_means_nothing() {
    assert_eq!(requires(&job("# Required-Start: $all $null")), "$all?");
    assert_eq!(joined(&job("# X-Start-Before: $all gdm").before), "gdm");
    assert_eq!(joined(&job("# Required-Stop: $all").stop_order.unwrap().before), "$all");
}

#[test]
fn an_unknown_facility_is_a_warning() {
    let reading = read_as("x", &block("# Required-Start: $netwrok $bogus"), &[]);
    let said: Vec<String> = reading.reports.iter().map(|report| report.help.clone().unwrap()).collect();
    assert_eq!(said[0], "did you mean `$network`?");
    assert!(said[1].starts_with("name its scripts"));
    let place = reading.reports[1].places[0].span.clone().unwrap();
    assert_eq!(&block("# Required-Start: $netwrok $bogus")[place], "$bogus");
}

#[test]
fn insserv_conf_adds_to_what_is_known() {
    let mut facilities = Facilities::default();
    facilities.extend("# $no one\n$network +wicked, connman\r\n$own = one\n$loop $loop $ring a\n$ring $loop\n<interactive> x\n");
    assert_eq!(facilities.members_of("$network"), ["networking", "ifupdown", "wicked", "connman"]);
    assert_eq!(facilities.members_of("$own"), ["one"]);
    assert_eq!(facilities.members_of("$loop"), ["$ring", "a"]);
    assert!(!facilities.knows("$no"));
    let reading = read(
        &Name::new("x").unwrap(),
        &source(&block("# Provides: x")),
        None,
        &facilities,
        &Links::default(),
    );
    assert_eq!(reading.described.unwrap().work.console, Console::Owner);
}

#[test]
fn stop_headers_give_the_order_at_stop() {
    let job = job("# Required-Stop: umountroot $time\n# Should-Stop: udev\n# X-Stop-After: gdm kdm");
    let order = job.stop_order.unwrap();
    assert_eq!(joined(&order.before), "umountroot $time hwclock udev");
    assert_eq!(joined(&order.after), "gdm kdm");
}

fn levels(start: &str, stop: &str, links: &[&str]) -> (Option<String>, Option<String>, StartMode) {
    let text = block(&format!("# Default-Start: {start}\n# Default-Stop: {stop}"));
    let reading = read_as("x", &text, links);
    assert_eq!(reading.reports, []);
    let job = reading.described.unwrap().job;
    let text = |condition: Option<events::Condition>| condition.map(|condition| condition.to_string());
    (text(job.start_on), text(job.stop_on), job.start)
}

fn check_levels(start: &str, stop: &str, links: &[&str], start_on: &str, stop_on: &str) {
    let (found_start, found_stop, mode) = levels(start, stop, links);
    assert_eq!(
        (found_start.as_deref().unwrap_or(""), found_stop.as_deref().unwrap_or("")),
        (start_on, stop_on)
    );
    let expected = if start_on.is_empty() { StartMode::Manual } else { StartMode::Automatic };
    assert_eq!(mode, expected);
}

#[test]
fn run_levels_become_events() {
    check_levels("2 3 4 5", "0 1 6", &[], "runlevel [2345]", "runlevel 1");
    check_levels("S", "0 6", &[], "startup", "");
    check_levels("S 1", "", &[], "(startup or runlevel 1)", "");
    check_levels("3 5", "0 1 2 4 6", &[], "runlevel [35]", "runlevel [124]");
    check_levels("", "0 6", &[], "", "");
    check_levels("2 3", "3 1", &[], "runlevel [23]", "runlevel 1");
}

#[test]
fn links_decide_where_there_are_any() {
    let links =
        ["/etc/rc2.d/S01x", "/etc/rc3.d/S20x", "/etc/rc1.d/K01x", "/etc/rc0.d/K01x", "/etc/rcS.d/S02y"];
    check_levels("4", "5", &links, "runlevel [23]", "runlevel 1");
    check_levels("4", "5", &["rcS.d/S01x"], "startup", "");
    check_levels("4", "5", &["rc2.d/S01other"], "", "");
    let no_links = [
        "rc2.d/README",
        "rc2.d/S1x",
        "rc7.d/S01x",
        "init.d/S01x",
        "rc2.d/S01",
        "S01x",
        "rc2.d/s01x",
        "rc2.d/Sé1x",
    ];
    assert!(Links::parse(no_links).is_empty());
}

#[test]
fn what_is_no_run_level_is_named() {
    assert_eq!(codes("# Default-Start: 2345"), ["unknown-run-level"]);
    assert_eq!(codes("# Default-Stop: 0 7"), ["unknown-run-level"]);
}

#[test]
fn a_header_elsewhere_replaces_the_scripts_own() {
    let other = Source {
        path: "/etc/insserv/overrides/x".into(),
        ..source(&block("# Provides: y\n# Required-Start: b"))
    };
    let links = Links::default();
    let name = Name::new("x").unwrap();
    let own = source(&block("# Provides: x\n# Required-Start: a"));
    let described = read(&name, &own, Some(&other), &Facilities::default(), &links).described.unwrap();
    assert_eq!((requires(&described.job), described.path.as_str()), ("b".into(), "/etc/init.d/x"));
    assert_eq!(described.mentions[0].path.as_deref(), Some("/etc/insserv/overrides/x"));
    let empty = Source { text: "nothing\n".into(), ..other };
    let described = read(&name, &own, Some(&empty), &Facilities::default(), &links).described.unwrap();
    assert_eq!((requires(&described.job), &described.mentions[0].path), ("a".into(), &None));
}

#[test]
fn an_interactive_script_owns_the_console() {
    let console = |value: &str| {
        let reading = read_as("x", &block(&format!("# X-Interactive: {value}")), &[]);
        reading.described.unwrap().work.console
    };
    assert_eq!(console("true"), Console::Owner);
    assert_eq!(console("false"), Console::Log);
    assert_eq!(console("yes"), Console::Log);
}

#[test]
fn a_script_of_openrc_has_its_order_from_depend() {
    let text = "#!/sbin/openrc-run\ndescription=\"a toy\"\ndepend() {\n\tneed net db\n\tuse logger\n\tbefore web\n\tprovide toy\n}\n";
    let reading = read_as("x", text, &["/etc/runlevels/default/x"]);
    assert_eq!(reading.reports, []);
    let described = reading.described.unwrap();
    let job = &described.job;
    let provides = joined(job.provides.iter().map(|provide| &provide.name));
    assert_eq!((provides.as_str(), joined(&job.before).as_str()), ("x toy $rc", "web"));
    let required = requires(job);
    assert!(required.starts_with("$network? networking? ifupdown? net? db $syslog? rsyslog?"), "{required}");
    assert!(required.ends_with("logger?"), "{required}");
    assert_eq!(job.start_on.as_ref().unwrap().to_string(), "runlevel [2345]");
    assert_eq!(described.work.description.as_deref(), Some("a toy"));
    let (_, start) = &described.work.processes[0];
    assert_eq!(
        (&start.argv()[0][..], &start.argv()[3..]),
        ("/bin/sh", &["/etc/init.d/x".into(), "start".into()][..])
    );
    // Nothing that is in no run level starts by itself.
    assert_eq!(read_as("x", text, &[]).described.unwrap().job.start, StartMode::Manual);
    assert_eq!(
        read_as("x", text, &["/etc/runlevels/boot/x"]).described.unwrap().job.start_on.unwrap().to_string(),
        "startup"
    );
}

#[test]
fn login_prompts_can_wait_for_who_asks_at_boot() {
    let provides = |levels: &str| {
        let reading = read_as("x", &block(&format!("# X-Interactive: true\n# Default-Start: {levels}")), &[]);
        joined(reading.described.unwrap().job.provides.iter().map(|provide| &provide.name))
    };
    assert_eq!((provides("2").as_str(), provides("").as_str()), ("x $rc $interactive", "x"));
}

#[test]
fn a_script_without_header_has_no_run_level_and_provides_its_name() {
    let reading = read_as("nh", "#!/bin/sh\n", &[]);
    assert_eq!(reading.reports[0].code, "no-lsb-header");
    let job = reading.described.unwrap().job;
    assert_eq!((job.provides[0].name.as_str(), job.start, job.start_on), ("nh", StartMode::Manual, None));
    let linked = read_as("nh", "#!/bin/sh\n", &["rc2.d/S20nh"]).described.unwrap().job;
    assert_eq!(
        (linked.start, linked.start_on.unwrap().to_string()),
        (StartMode::Automatic, "runlevel 2".into())
    );
}

#[test]
fn a_header_that_is_not_ended_is_named() {
    let reading = read_as("x", "### BEGIN INIT INFO\n# Required-Start: a\n", &[]);
    assert_eq!(reading.reports[0].code, "open-lsb-header");
    assert_eq!(requires(&reading.described.unwrap().job), "a");
}

#[test]
fn a_slip_in_a_key_is_named() {
    let reading = read_as("x", &block("# Requierd-Start: a\n# Author: me\n# Homepage: http://x"), &[]);
    let [report] = &*reading.reports else { panic!("one report: {:?}", reading.reports) };
    assert_eq!(
        (report.code, report.help.as_deref()),
        ("unknown-lsb-key", Some("did you mean `required-start`?"))
    );
}

#[test]
fn a_script_cannot_provide_a_facility() {
    assert_eq!(codes("# Provides: $time x"), ["lsb-provides"]);
    assert_eq!(codes("# Provides: x # a comment"), ["lsb-provides"]);
}

#[test]
fn what_pid_1_does_itself_never_runs() {
    for name in [
        "halt",
        "reboot",
        "sendsigs",
        "umountfs",
        "umountroot",
        "umountnfs.sh",
        "killprocs",
        "single",
        "bootlogs",
    ] {
        let job =
            read_as(name, &block("# Default-Start: 2\n# Default-Stop: 0 6"), &[]).described.unwrap().job;
        assert_eq!(job.start, StartMode::Disabled("PID 1 does this itself".into()), "{name}");
    }
    let job = read_as("mountall.sh", &block("# Default-Start: S"), &[]).described.unwrap().job;
    assert_eq!(job.start, StartMode::Automatic);
}

#[test]
fn a_script_that_is_not_executable_is_disabled_and_named() {
    let source = Source { executable: false, ..source(&block("# Provides: x\n# Default-Start: 2")) };
    let reading = read(&Name::new("x").unwrap(), &source, None, &Facilities::default(), &Links::default());
    assert_eq!(reading.reports[0].code, "not-executable");
    assert_eq!(reading.described.unwrap().job.start, StartMode::Disabled("not executable".into()));
}

#[test]
fn the_verbs_of_a_script_are_its_processes() {
    let described = read_as("x", &block("# Provides: x"), &[]).described.unwrap();
    let verbs: Vec<String> =
        described.work.processes.iter().map(|(_, command)| command.argv().join(" ")).collect();
    assert_eq!(verbs, ["start", "stop", "reload", "status"].map(|verb| format!("/etc/init.d/x {verb}")));
    assert_eq!((described.job.ready, described.job.kill.timeout), (Ready::Forked, STOP_VERB_LIMIT));
}

#[test]
fn names_know_where_they_stand() {
    let text = block("# Provides: x y\n# Required-Start: $time,+a\n# X-Start-Before: b");
    let described = read_as("x", &text, &[]).described.unwrap();
    let cited: Vec<(Role, &str)> =
        described.mentions.iter().map(|found| (found.role, &text[found.span.clone()])).collect();
    let expected = [
        (Role::Provides, "x"),
        (Role::Provides, "y"),
        (Role::Requires, "$time"),
        (Role::Requires, "+a"),
        (Role::Before, "b"),
    ];
    assert_eq!(cited, expected);
}

#[test]
fn what_editors_and_package_tools_leave_behind_is_no_script() {
    for name in [
        "foo.bar-baz",
        "ssh.bak",
        "ssh.dpkg-old",
        "ssh.old",
        "ssh.orig",
        "ssh.swp",
        "ssh~",
        "ssh.rpmnew",
        "ssh,v",
        ".depend.boot",
        "README",
        "skeleton",
        "rc",
        "rcS",
        "ssh.ucf-dist",
        "",
    ] {
        assert!(!is_script_name(name), "{name}");
    }
    for name in ["ssh", "rc.local", "hostname.sh", "rcd", "core-daemon", "bar.d.sh"] {
        assert!(is_script_name(name), "{name}");
    }
}

#[test]
fn what_belongs_to_the_boot_or_to_a_run_level_says_so() {
    let provides = |levels: &str| {
        let job = job(&format!("# Provides: x\n# Default-Start: {levels}"));
        joined(job.provides.iter().map(|provide| &provide.name))
    };
    let found = ["S", "2 3", "S 5", "1", ""].map(provides);
    assert_eq!(found, ["x $rcS", "x $rc", "x $rcS $rc", "x", "x"]);
}
