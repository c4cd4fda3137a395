//! What a fault says, and what is warned of. The pages explain every code.

use jobs::Severity;

use crate::{codes, marked, reading};

const PAGE: &str = include_str!("../../../docs/upstart.md");

/// Each fault: the text, its code, what its first place marks, and a part of its help.
const FAULTS: &[(&str, &str, &str, &str)] = &[
    ("exce /bin/a\n", "unknown-stanza", "exce", "did you mean `exec`?"),
    ("\"task\"\n", "unknown-stanza", "\"task\"", "take the quotes away"),
    ("zebra\n", "unknown-stanza", "zebra", "docs/upstart.md"),
    ("\u{feff}task\n", "unknown-stanza", "\u{feff}task", "byte order mark"),
    ("service\n", "unknown-stanza", "service", "unless it says `task`"),
    ("pid file /run/a\n", "unknown-stanza", "pid", "`expect daemon`"),
    ("daemon\n", "unknown-stanza", "daemon", "`expect daemon`"),
    ("depends a\n", "unknown-stanza", "depends", "`start on started NAME`"),
    ("on a\n", "unknown-stanza", "on", "`start on EVENT`"),
    ("normalexit 1\n", "unknown-stanza", "normalexit", "`normal exit STATUS`"),
    ("session leader\n", "unknown-stanza", "session", "every process leads a session"),
    ("end script\n", "unknown-stanza", "end", "no `script` before it"),
    ("manual yes\n", "unknown-stanza", "yes", "`manual` takes no argument"),
    ("respawn /bin/a\n", "unknown-stanza", "/bin/a", "`exec COMMAND`"),
    ("respawn limt 3 5\n", "unknown-stanza", "limt", "did you mean `limit`?"),
    ("console logged\n", "unknown-stanza", "logged", "`console log`"),
    ("console ouput\n", "unknown-stanza", "ouput", "did you mean `output`?"),
    ("limit nofiles 1 2\n", "unknown-stanza", "nofiles", "did you mean `nofile`?"),
    ("expect deamon\n", "unknown-stanza", "deamon", "did you mean `daemon`?"),
    ("expect notify\n", "unknown-stanza", "notify", "`ready: notify`"),
    ("start on(a)\n", "unknown-stanza", "on(a)", "put a blank"),
    ("pre-start /bin/a\n", "unknown-stanza", "/bin/a", "write `exec`"),
    ("kill siganl TERM\n", "unknown-stanza", "siganl", "did you mean `signal`?"),
    ("stop on\n", "expected-token", "", "`stop on EVENT`"),
    ("env", "expected-token", "", ""),
    ("setuid ''\n", "expected-token", "''", ""),
    ("start on (a\n# note\n or b)\n", "expected-token", "# note", "remove the line"),
    ("start on (a\n \t\n or b)\n", "expected-token", " \t", "remove the line"),
    ("task now\n", "unexpected-token", "now", "begin a new line"),
    ("exec echo don't\n", "unterminated-quote", "", "apostrophe"),
    ("task \\", "trailing-slash", "\\", "remove the `\\`"),
    ("script\n a\n endscript\n", "unterminated-block", "", "not `endscript`"),
    ("script\n a\n end script now\n", "unterminated-block", "", "not `end script now`"),
    ("script\n a\n", "unterminated-block", "", "on a line of its own"),
    ("start on a and\n", "expected-event", "", "both sides"),
    ("start on a (b)\n", "expected-operator", "(", "`and` or `or`"),
    ("start on a K=1 two\n", "expected-variable", "two", "before the first KEY=VALUE"),
    ("start on (a\n", "mismatched-parens", "", "close it"),
    ("start on a)\n", "mismatched-parens", ")", "remove the `)`"),
    ("start on \"a and b\"\n", "illegal-name", "\"a and b\"", "one word"),
    ("start on not a\n", "not-over-events", "not", "KEY!=VALUE"),
    ("start on a K=${V\n", "illegal-variable", "K=${V", "`${}`"),
    ("start on a 5=1 K/=2\n", "illegal-key", "5=1", "quote"),
    ("instance ${5}\n", "illegal-variable", "${5}", "`${}`"),
    ("env 5=1\n", "illegal-key", "5=1", "begins with no digit"),
    ("export A-$\n", "illegal-key", "A-$", "letters"),
    ("env A='a\tb'\n", "illegal-value", "A='a\tb'", "script"),
    ("kill timeout 5s\n", "illegal-interval", "5s", "without a unit"),
    ("kill timeout 2147483648\n", "illegal-interval", "2147483648", "2147483647"),
    ("respawn limit often 5\n", "illegal-limit", "often", "unlimited"),
    ("respawn limit -1 5\n", "illegal-limit", "-1", "unlimited"),
    ("limit core -1 5\n", "illegal-limit", "-1", "unlimited"),
    ("normal exit 256\n", "illegal-exit", "256", "0 to 255"),
    ("normal exit TREM\n", "illegal-exit", "TREM", "did you mean `TERM`?"),
    ("kill signal 99\n", "illegal-signal", "99", "1 to 64"),
    ("kill signal 0\n", "illegal-signal", "0", "1 to 64"),
    ("kill signal sigterm\n", "illegal-signal", "sigterm", "did you mean `TERM`?"),
    ("reload signal 65\n", "illegal-signal", "65", "1 to 64"),
    ("nice 20\n", "illegal-nice", "20", "-20"),
    ("nice -21\n", "illegal-nice", "-21", "-20"),
    ("oom score 1001\n", "illegal-oom", "1001", "1000"),
    ("oom -18\n", "illegal-oom", "-18", "-17"),
    ("umask 1000\n", "illegal-umask", "1000", "0777"),
    ("umask +22\n", "illegal-umask", "+22", "octal"),
    ("exec a\0b\n", "nul-byte", "\0", "remove it"),
];

#[test]
fn a_fault_says_where_it_is_and_what_to_do() {
    for (conf, code, cited, help) in FAULTS {
        let reading = reading(conf);
        assert!(reading.described.is_none(), "{conf:?}");
        assert_eq!((codes(&reading), marked(&reading, code, conf)), (vec![*code], vec![*cited]), "{conf:?}");
        let shown = reading.reports[0].help.as_deref().unwrap_or("");
        assert!(shown.contains(help), "{conf:?}: {shown}");
        assert!(PAGE.contains(&format!("`{code}`")), "{code} is not in the pages");
    }
}

#[test]
fn where_a_thing_was_opened_is_shown_besides() {
    for (conf, opened) in [
        ("task\nexec echo don't\ntask\n", "'"),
        ("pre-start script\n a\n", "pre-start script"),
        ("start on a or (b and (c)\n", "("),
        ("instance ${A#b}\n", "#"),
        ("kill timeout\n", "kill timeout"),
    ] {
        let reading = reading(conf);
        let span = reading.reports[0].places[1].span.clone().unwrap();
        assert_eq!(&conf[span], opened, "{conf:?}");
    }
}

/// Each warning: the text, its code, and what its places mark.
const WARNINGS: &[(&str, &str, &[&str])] = &[
    ("respawn limit 3 20\n", "respawn-limit-alone", &["respawn limit 3 20"]),
    ("exec a --color=#fff b\n", "comment-cuts-word", &["#"]),
    ("exec a \\#b# c\n", "comment-cuts-word", &["#"]),
    ("emits a#b\n", "comment-cuts-word", &["#"]),
    ("start on start on a\n", "repeated-on", &["start"]),
    ("stop on stop on a\n", "repeated-on", &["stop"]),
    ("env V=1\nstart on a $W K=$V L=${V:-1}\n", "variable-in-start-on", &["$W", "K=$V"]),
    ("env P=$PATH:/opt\n", "variable-not-replaced", &["P=$PATH:/opt"]),
    ("chdir /srv/$WHO\nchroot /srv/$5\n", "variable-not-replaced", &["/srv/$WHO"]),
    ("start on net-* or b\n", "event-name-pattern", &["net-*"]),
    ("start on IFACE=eth0\n", "event-name-argument", &["IFACE=eth0"]),
    ("start on a AND b || c or d \"OR\"\n", "operator-as-argument", &["AND", "||"]),
    ("exec /bin/a\nscript\n b\nend script\n", "given-twice", &["script"]),
    (
        "kill timeout 1\nkill timeout 2\nkill timeout 3\n",
        "given-twice",
        &["kill timeout 2", "kill timeout 3"],
    ),
    ("start on a\nstart on b\n", "given-twice", &["start on"]),
    ("manual exec /bin/a\n", "stanza-behind-manual", &["manual"]),
    (
        "limit nofile 9 8\nlimit core unlimited 1\nlimit as 1 unlimited\n",
        "soft-above-hard",
        &["9 8", "unlimited 1"],
    ),
    ("cgroup cpu\ncgroup memory a b c\n", "cgroup-ignored", &["cgroup cpu"]),
    ("debug\n", "debug-ignored", &["debug"]),
];

#[test]
fn what_cannot_be_meant_is_warned_of() {
    for (conf, code, cited) in WARNINGS {
        let reading = reading(conf);
        assert!(reading.described.is_some(), "{conf:?}");
        assert_eq!(marked(&reading, code, conf), *cited, "{conf:?}");
        assert!(codes(&reading).iter().all(|other| other == code), "{conf:?}: {:?}", codes(&reading));
        assert!(reading.reports.iter().all(|report| report.severity == Severity::Warning), "{conf:?}");
        assert!(reading.reports.iter().all(|report| report.help.is_some()), "{conf:?}");
        assert!(PAGE.contains(&format!("`{code}`")), "{code} is not in the pages");
    }
}

#[test]
fn what_is_meant_is_not_warned_of() {
    for conf in [
        "respawn\nrespawn limit 3 20\n",
        "exec a \"#b\" '#c' # d\n",
        "exec a\t# d\n",
        "start on started start\nstop on a K=$V\n",
        "start on a ${} $5 K=${V:-1}\n",
        "start on (a # why\n  or b) # and why\n",
        "script\n a#b\nend script\n",
        "env A=$5\nenv B=a$\n",
        "env A=1\nenv B=2\nlimit core 1 2\nlimit nofile 1 2\npre-start exec a\nexec b\n",
    ] {
        assert_eq!(codes(&reading(conf)), Vec::<&str>::new(), "{conf:?}");
    }
}

#[test]
fn the_pages_name_every_stanza() {
    for name in jobs::formats::upstart::stanza_names() {
        let is_there = ["`", " "].iter().any(|end| PAGE.contains(&format!("`{name}{end}")));
        assert!(is_there, "`{name}` is not in the pages");
    }
    assert_eq!(jobs::formats::upstart::stanza_names().count(), 37);
}
