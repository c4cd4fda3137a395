//! Wrong files, each with what is said of it.

use alloc::{format, vec, vec::Vec};

use super::check;

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
        ("( needs: [\"a\" )", "ron-syntax", ")", "`]` is missing"),
        ("( exec: \"a\", start_on: 'startup' )", "ron-syntax", "'startup'", "double quotes: `\"startup\"`"),
        ("( exec: 'a b", "ron-syntax", "'", "texts stand in double quotes"),
        ("( exec: 'a' )", "wrong-type", "'a'", "texts stand in double quotes"),
        ("# comment\n( exec: \"a\" )", "ron-syntax", "#", "a comment begins with `//`"),
        ("( exec: \"a\", # comment\n )", "ron-syntax", "#", "a comment begins with `//`"),
        ("( exec: \"a\" #comment\n )", "ron-syntax", "#", "a comment begins with `//`"),
        ("( exec: \"a\", respawn: (within: 5s) )", "ron-syntax", "5s", "write `\"5s\"`"),
        ("( exec: \"a\", settle: 1h30min )", "ron-syntax", "1h30min", "write `\"1h30m\"`"),
        ("\u{feff}( exec: \"a\" )", "byte-order-mark", "\u{feff}", "save the file without it"),
        ("[Unit]\nDescription=a\n", "ron-syntax", "[Unit]", "systemd unit: a job is one pair of parentheses"),
        ("# a\n[Service]\nExecStart=/a\n", "ron-syntax", "[Service]", "see docs/jobs.md"),
        ("ExecStart=/a\n", "ron-syntax", "ExecStart=/a", "systemd unit"),
    ] {
        check(text, &[(code, cited, words)]);
    }
}

/// What is not closed is shown twice: where it is missed, and where it was opened.
#[test]
fn what_is_not_closed_is_shown_where_it_was_opened() {
    for (text, missed, opened, label) in [
        ("( exec: \"a, )", 13, 8, "opened here"),
        ("( exec: r#\"a\", )\n", 16, 8, "opened here"),
        ("( exec: \"foo,\n start_on: \"x\",\n)", 26, 8, "the text before it was opened here"),
        ("( exec: \"a\", needs: [\"b\",\n task: true )", 31, 20, "opened here"),
        ("( exec: \"(\", // (\n respawn: (limit: 1", 37, 28, "opened here"),
        ("( exec: \"a\", start_on: \"(b or c\" )", 31, 24, "opened here"),
        ("( exec: \"a\", start_on: \"(b) and (c or (d)\" )", 41, 32, "opened here"),
    ] {
        let reading = super::read_one(text);
        let places: Vec<_> = reading.reports.iter().flat_map(|report| &report.places).collect();
        let starts: Vec<_> =
            places.iter().filter_map(|place| place.span.as_ref().map(|span| span.start)).collect();
        assert_eq!(
            (starts, places.last().map(|place| place.label.as_str())),
            (vec![missed, opened], Some(label)),
            "{text}"
        );
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
        ("( exec: \"a\", task: yes )", "wrong-type", "yes", "takes `true` or `false`: write `true`"),
        ("( exec: \"a\", main: 0 )", "wrong-type", "0", "write `false`"),
        (
            "( exec: \"a\", start_on: [\"b\", \"c\"] )",
            "wrong-type",
            "[\"b\", \"c\"]",
            "one text: `\"b or c\"`",
        ),
        ("( exec: \"a\", description: [\"b\"] )", "wrong-type", "[\"b\"]", "write one text"),
        ("( exec: \"a\", nice: \"ten\" )", "wrong-type", "\"ten\"", "write a number"),
        (
            "( exec: \"a\", respawn: \"yes\" )",
            "wrong-type",
            "\"yes\"",
            "`true` or `(limit: 10, within: \"5s\")`",
        ),
        ("( exec: \"a\", enabled: true )", "unknown-field", "enabled", "`manual: true` is the opposite"),
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
        ("( exec: \"a\", kill: (timeout: \"5parsecs\") )", "bad-delay", "\"5parsecs\"", "unknown unit"),
        ("( exec: \"a\", settle: \"5 minutes\" )", "bad-delay", "\"5 minutes\"", "write `\"5m\"`"),
        (
            "( exec: \"a\", settle: \"5 s\" )",
            "bad-delay",
            "\"5 s\"",
            "no blank stands between number and unit",
        ),
        ("( exec: \"a\", settle: \"5sec\" )", "bad-delay", "\"5sec\"", "write `\"5s\"`"),
        ("( exec: \"a\", settle: \"5min\" )", "bad-delay", "\"5min\"", "write `\"5m\"`"),
        (
            "( exec: \"a\", settle: \"99999999d\" )",
            "out-of-range",
            "\"99999999d\"",
            "longer than 10,000 days",
        ),
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
        ("( exec: \"a\", on_connection: start )", "bad-socket", "start", "add `sockets"),
        (
            "( exec: \"a\", sockets: \"tcp:7\", on_connection: strat )",
            "unknown-word",
            "strat",
            "did you mean `start`?",
        ),
        (
            "( exec: \"a\", sockets: \"udp:7\", on_connection: each )",
            "bad-socket",
            "each",
            "use `on_connection: start` or `stdin`",
        ),
        (
            "( exec: \"a\", sockets: [\"tcp:7\", \"tcp:8\"], on_connection: stdin )",
            "bad-socket",
            "stdin",
            "hands over all of them",
        ),
        (
            "( exec: \"a\", sockets: \"tcp:7\", on_connection: each, respawn: true )",
            "bad-socket",
            "each",
            "drop `respawn`",
        ),
        (
            "( exec: \"a\", sockets: \"tcp:7\", instance: \"$A\", on_connection: start )",
            "bad-socket",
            "start",
            "drop `instance`",
        ),
        (
            "( exec: \"a\", sockets: \"tcp:7\", on_connection: each, connections: (most: 0) )",
            "out-of-range",
            "0",
            "from 1 to",
        ),
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
        ("( exec: \"a\", env: [\"A=x\"] )", "wrong-type", "[\"A=x\"]", "write `{\"A\": \"x\"}`"),
        ("( exec: \"a\", env: [\"A\"] )", "wrong-type", "[\"A\"]", "`{\"LANG\": \"C\"}`"),
        ("( exec: \"a\", env: {\"A\": 3} )", "wrong-type", "3", "a value in `env` is a text: write `\"3\"`"),
        ("( exec: \"a\", env: {\"A\": true} )", "wrong-type", "true", "write `\"true\"`"),
        ("( exec: \"a\", env: {\"1\": \"x\"} )", "bad-key", "\"1\"", "does not begin with a digit"),
        ("( exec: \"a\", description: \"a\\nb\" )", "bad-value", "\"a\\nb\"", "'\\n'"),
        ("( exec: \"a\", commands: (stop: \"b\") )", "verb-taken", "stop", "choose another"),
        (
            "( exec: \"a\", provides: [\"a b\"] )",
            "bad-name",
            "\"a b\"",
            "write a text for each name: `[\"a\", \"b\"]`",
        ),
        ("( exec: \"a\", before: \"\" )", "bad-name", "\"\"", "leave the field out"),
        ("( exec: \"a\", before: [\"\"] )", "bad-name", "\"\"", "leave the field out"),
        (
            "( exec: \"a\", requires: [\"dhcp INTERFACE=eth0\"] )",
            "bad-name",
            "\"dhcp INTERFACE=eth0\"",
            "only `needs` can name an instance",
        ),
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
    for (name, meant) in [
        ("./dhcp.ron", "`dhcp`"),
        ("./net/dhcp", "`net/dhcp`"),
        ("net/dhcp.ron", "`net/dhcp`"),
        ("/etc/onset/jobs/dhcp.ron", "`dhcp`"),
        ("dhcp.conf", "`dhcp`"),
    ] {
        for field in ["requires", "needs", "before"] {
            let cited = format!("\"{name}\"");
            check(&format!("( exec: \"a\", {field}: [{cited}] )"), &[("name-of-file", &cited, meant)]);
        }
    }
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
