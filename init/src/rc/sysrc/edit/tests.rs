use super::*;
use crate::rc::rc_conf::Files;

#[track_caller]
fn check(before: &str, name: &str, value: &str, expected: &str) {
    let path = Path::new("/nowhere/rc.conf");
    let values = Values::read(&Files { defaults: None, own: vec![path.into()] }).with(path, before);
    let document = Document { path: path.into(), text: before.into(), is_bytes: false, lock: None };
    let text = document.with_value(name, value, &values, path);
    assert_eq!(text, expected);
    assert!(values.with(path, &text).is_plainly(name, value), "{text}");
}

#[test]
fn a_value_takes_the_place_of_the_last_one() {
    check("", "a", "1", "a=\"1\"\n");
    check("a=0", "a", "1", "a=\"1\"");
    check("# c\na='0' # why\nb=2\n", "a", "1", "# c\na=\"1\" # why\nb=2\n");
    check("a=0\na=1\n", "a", "2", "a=0\na=\"2\"\n");
    check("b=2", "a", "1", "b=2\na=\"1\"\n");
    check("aa=0\n#a=0\n", "a", "1", "aa=0\n#a=0\na=\"1\"\n");
    check("export a=0\n", "a", "1", "export a=\"1\"\n");
    check("a=0; b=1\n", "a", "5", "a=\"5\"; b=1\n");
    check("a=\"x\ny\"\nb=1\n", "a", "1", "a=\"1\"\nb=1\n");
    check("a=$(hostname)\n", "a", "1", "a=\"1\"\n");
}

#[test]
fn what_may_not_hold_is_set_anew_at_the_end() {
    check("if x; then\n a=0\nfi\n", "a", "1", "if x; then\n a=0\nfi\na=\"1\"\n");
    check("a=0\n. /etc/other\n", "a", "1", "a=0\n. /etc/other\na=\"1\"\n");
    check(": ${a:=0}\n", "a", "1", ": ${a:=0}\na=\"1\"\n");
    check("a=0\nif x; then\n a=2\nfi\n", "a", "1", "a=0\nif x; then\n a=2\nfi\na=\"1\"\n");
}

#[test]
fn a_value_is_that_value_and_nothing_else() {
    for value in [
        "",
        " ",
        "$(reboot)",
        "`reboot`",
        "$HOME",
        "\"",
        "'",
        "\\",
        "a\nb",
        "a\\",
        "\\\"",
        "!x",
        "#x",
        "a\tb",
        "ü",
        "\r",
        "a\\\nb",
        "${x:-y}",
        "x; reboot",
        "x & reboot",
        "\u{7f}\u{1}",
    ] {
        check("b=1\n", "a", value, &format!("b=1\na={}\n", quoted(value)));
    }
}

#[test]
fn a_shell_reads_what_was_set() {
    for value in ["$(echo no)", "`echo no`", "$HOME", "\"'\\", "a\nb\\\nc", "x; echo no", "-n", "!x"] {
        let script = format!("a={}\nprintf %s \"$a\"", quoted(value));
        let output = std::process::Command::new("/bin/sh").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), value);
    }
}

#[track_caller]
fn check_line(text: &str, word: &str, expected: &str) {
    let start = text.find(word).unwrap();
    let mut left = text.to_string();
    left.replace_range(whole_line(text, &(start..start.saturating_add(word.len()))), "");
    assert_eq!(left, expected);
}

#[test]
fn a_line_of_its_own_goes_as_a_whole() {
    check_line("b=1\na=0 # why\nc=2\n", "a=0", "b=1\nc=2\n");
    check_line("export a=0", "a=0", "");
    check_line("b=1; a=0\n", "a=0", "b=1; \n");
    check_line("a=0; b=1\n", "a=0", "b=1\n");
    check_line("case x in y) a=0;; esac\n", "a=0", "case x in y) ;; esac\n");
}
