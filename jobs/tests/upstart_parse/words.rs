//! Words, command lines, scripts and the names of files.

use events::Name;
use jobs::{
    Command, ProcessKind,
    formats::upstart::{job_name, override_name},
};

use crate::reading;

fn env_value(conf: &str) -> String {
    let reading = reading(conf);
    let described = reading.described.unwrap_or_else(|| panic!("{:?}", reading.reports));
    described.job.env[0].1.clone().unwrap().to_string()
}

#[test]
fn quotes_and_backslashes_vanish_from_words_only() {
    for (conf, value) in [
        ("env A=a\\ b\n", "a b"),
        ("env A=a\\\\b\n", "a\\b"),
        ("env A=a\\nb\n", "a\\nb"),
        ("env A=\"say \\\"hi\\\"\"\n", "say \\\"hi\\\""),
        ("env A=''\n", ""),
        ("env A=\"two  words\"\n", "two  words"),
        ("env A=\"over \t\n\n\t lines\"\n", "over lines"),
        ("env A=\"over\\\n lines\"\n", "over lines"),
        ("env \\\n  A=b\n", "b"),
        ("env \\\r\n  A=b\r\n", "b"),
        ("env A=b=c\n", "b=c"),
        ("env A=ü\n", "ü"),
    ] {
        assert_eq!(env_value(conf), value, "{conf:?}");
    }
}

#[test]
fn a_command_keeps_its_quotes_and_backslashes() {
    for (conf, line) in [
        ("exec  a 'b  c' \"d\\\"e\" \\$f \\\\ \r\n", "a 'b  c' \"d\\\"e\" \\$f \\\\"),
        ("exec a \"b\n  c\" d\n", "a \"b c\" d"),
        ("exec a \\\n\ntask\n", "a"),
        ("exec a \\\n \\\n b", "a b"),
        ("exec a '#b' #c", "a '#b'"),
        ("exec a#b", "a"),
    ] {
        let described = reading(conf).described.unwrap();
        assert_eq!(described.work.processes, [(ProcessKind::Main, Command::Exec(line.into()))], "{conf:?}");
    }
}

#[test]
fn a_script_loses_the_blanks_that_all_its_lines_share() {
    for (body, script) in [
        ("\ta\n\t\tb\n", "a\n\tb\n"),
        ("\t a\n \tb\n", "\t a\n \tb\n"),
        ("   \n    a\n", "\n a\n"),
        ("", ""),
        (" a\r\n b\r\n", "a\r\nb\r\n"),
        (" don't # \"\n", "don't # \"\n"),
        (" xend script\n ends script\n endscript\n", "xend script\nends script\nendscript\n"),
    ] {
        let described = reading(&format!("script # why\n{body}\tend \t script\ntask\n")).described.unwrap();
        let processes = [(ProcessKind::Main, Command::Script(script.into()))];
        assert_eq!((&described.work.processes[..], described.job.task), (&processes[..], true), "{body:?}");
    }
}

#[test]
fn only_plain_files_with_the_right_ending_are_jobs() {
    for (path, name) in [
        ("t.conf", Some("t")),
        ("net/web.conf", Some("net/web")),
        ("a.b.conf", Some("a.b")),
        (".t.conf", None),
        (".git/t.conf", None),
        ("net/.conf", None),
        ("t.txt", None),
        ("t.conf~", None),
        ("t.override", None),
        ("/t.conf", None),
        ("a b.conf", None),
        ("", None),
    ] {
        assert_eq!(job_name(path).as_ref().map(Name::as_str), name, "{path}");
    }
    assert_eq!(override_name("net/web.override").unwrap(), "net/web");
    assert!(override_name("t.conf").is_none() && override_name(".t.override").is_none());
}
