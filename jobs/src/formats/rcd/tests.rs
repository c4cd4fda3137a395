use alloc::{string::String, vec::Vec};

use super::*;
use crate::{Report, StartMode};

fn source(text: &str) -> Source {
    Source { path: "/etc/rc.d/x".into(), text: text.into(), executable: true }
}

/// The four lists of a header, each word quoted as it is taken.
fn lists(text: &str) -> String {
    let header = header(text);
    let list = |words: &[Word<'_>]| words.iter().map(|word| &*word.text).collect::<Vec<_>>().join(" ");
    let lists = [&header.provides, &header.requires, &header.before, &header.keywords];
    lists.map(|words| list(words)).join("|")
}

fn check(text: &str, expected: &str) {
    assert_eq!(lists(text), expected, "{text:?}");
}

fn codes(text: &str) -> Vec<&'static str> {
    lint("x", text, &header(text)).iter().map(|report| report.code).collect()
}

#[test]
fn every_line_that_counts_is_read() {
    for (line, expected) in [
        ("# PROVIDE: a", "a|||"),
        ("# PROVIDES: a", "a|||"),
        ("# REQUIRE: a", "|a||"),
        ("# REQUIRES: a", "|a||"),
        ("# BEFORE: a", "||a|"),
        ("# KEYWORD: a", "|||a"),
        ("# KEYWORDS: a", "|||a"),
        ("# PROVIDE:a", "a|||"),
        ("# PROVIDE:", "|||"),
    ] {
        check(line, expected);
        check(&format!("{line}\n"), expected);
    }
    check("# BEFORES: a", "|||");
    check("# KEYWORD: x\n# BEFORE: b\n# PROVIDE: p q\n# REQUIRE: r\n# PROVIDE: s\n", "p q s|r|b|x");
}

#[test]
fn what_only_looks_like_a_header_line_is_none() {
    for line in [
        "#PROVIDE: a",
        "#  PROVIDE: a",
        "#\tPROVIDE: a",
        " # PROVIDE: a",
        "\t# PROVIDE: a",
        "# PROVIDE : a",
        "# provide: a",
        "# Provides: a",
        "## PROVIDE: a",
        "# PROVIDING: a",
    ] {
        check(line, "|||");
    }
}

#[test]
fn tabs_are_blanks() {
    check("# PROVIDE:\ta\t b", "a b|||");
}

#[test]
fn a_line_goes_on_behind_an_odd_number_of_backslashes() {
    check("# REQUIRE: \\\n late\n# BEFORE: b", "|late|b|");
    check("# REQUIRE: a\\\nb c", "|ab c||");
    check("# REQUIRE: a\\\\\n# BEFORE: b", "|a\\\\|b|");
    check("# REQUIRE: a\\\\\\\nb", "|a\\\\b||");
    check("# REQUIRE: a \\", "|a||");
    check("\\\n# PROVIDE: a", "a|||");
    check("# PRO\\\nVIDE: a", "a|||");
}

#[test]
fn a_header_line_behind_a_backslash_is_swallowed() {
    check("# PROVIDE: p \\\n# REQUIRE: x\n", "p # REQUIRE: x|||");
    check("foo \\\n# PROVIDE: p\n", "|||");
}

#[test]
fn the_block_ends_for_good_at_the_first_other_line() {
    for end in ["\n", "#\n", "# a comment\n", "code\n", "# AFTER: y\n"] {
        check(&format!("# PROVIDE: p\n{end}# REQUIRE: lost\n"), "p|||");
    }
}

#[test]
fn the_block_begins_wherever_its_first_line_stands() {
    check("#!/bin/sh\n\n. /etc/rc.subr\nrun\n# PROVIDE: p\n# REQUIRE: r\n", "p|r||");
    check("cat <<EOF\n# PROVIDE: p\nEOF\n", "p|||");
}

#[test]
fn comments_and_commas_are_parts_of_names() {
    check("# PROVIDE: p # the service", "p # the service|||");
    check("# REQUIRE: a,b", "|a,b||");
}

#[test]
fn a_carriage_return_is_part_of_the_last_name() {
    check("# REQUIRE: late\r\n# KEYWORD: shutdown\r\n", "|late\r||shutdown\r");
    check("# PROVIDE: p\r\n#\r\n# REQUIRE: lost\r\n", "p\r|||");
}

#[test]
fn a_byte_order_mark_hides_the_first_line_only() {
    check("\u{feff}# PROVIDE: p\n# REQUIRE: r\n", "|r||");
    check("\u{feff}#!/bin/sh\n# PROVIDE: p\n", "p|||");
}

#[test]
fn a_word_knows_where_it_stands() {
    let text = "#!/bin/sh\n# PROVIDE: a\u{e9} b\n# REQUIRE: \\\n  late\n\nx";
    let header = header(text);
    let cited: Vec<&str> = header.words().map(|(_, word)| &text[word.span.clone()]).collect();
    assert_eq!(cited, ["a\u{e9}", "b", "late"]);
    assert_eq!(&text[header.block.unwrap()], "# PROVIDE: a\u{e9} b\n# REQUIRE: \\\n  late\n");
    let glued = super::header("# PROVIDE: a\\\nb");
    assert_eq!((&*glued.provides[0].text, glued.provides[0].span.clone()), ("ab", 11..15));
}

#[test]
fn a_usual_header_is_taken_without_a_word() {
    let text = "#!/bin/sh\n#\n# $FreeBSD$\n#\n\n# PROVIDE: sshd\n# REQUIRE: LOGIN FILESYSTEMS\n# KEYWORD: shutdown\n\n. /etc/rc.subr\n# Keyword: in the code, a sentence\n";
    assert_eq!(codes(text), [""; 0]);
}

#[test]
fn each_silent_mistake_is_named() {
    for (text, code) in [
        ("# PROVIDE: p\n\n# REQUIRE: r\n", "header-after-end"),
        ("# PROVIDE: p\n# AFTER: q\n", "unknown-verb"),
        ("# PROVIDE: p\n# BEFORES: q\n", "unknown-verb"),
        ("# provide: p\n", "not-a-header-line"),
        ("# Provides: p\n", "not-a-header-line"),
        ("#PROVIDE: p\n", "not-a-header-line"),
        ("#  PROVIDE: p\n", "not-a-header-line"),
        ("#\tPROVIDE: p\n", "not-a-header-line"),
        (" # PROVIDE: p\n", "not-a-header-line"),
        ("# PROVIDE : p\n", "not-a-header-line"),
        ("# PROVIDE: p \\\n# REQUIRE: x\n", "swallowed-line"),
        ("# PROVIDE: p # x\n", "comment-in-header"),
        ("# REQUIRE: a,b\n", "comma-in-header"),
        ("# REQUIRE: a\r\n", "carriage-return"),
        ("# PROVIDE: p\n\nx\r\n", "carriage-return"),
        ("\u{feff}#!/bin/sh\n# PROVIDE: p\n", "byte-order-mark"),
        ("# KEYWORD: SHUTDOWN\n", "unknown-keyword"),
        ("# PROVIDE: a\u{1}b\n", "bad-name"),
    ] {
        assert!(codes(text).contains(&code), "{text:?}: {:?}", codes(text));
    }
}

#[test]
fn what_was_probably_meant_is_said() {
    let help = |text: &str| lint("x", text, &header(text))[0].help.clone().unwrap();
    assert_eq!(help("# KEYWORD: SHUTDOWN"), "did you mean `shutdown`?");
    assert_eq!(help("# KEYWORD: nojailvtnet"), "did you mean `nojailvnet`?");
    assert_eq!(help("# KEYWORD: milter-greylist"), "it still counts for `-k` and `-s`");
    assert_eq!(help("# AFTER: x"), "did you mean `# REQUIRE:`?");
}

#[test]
fn a_lost_line_and_what_ended_the_block_are_both_shown() {
    let text = "# PROVIDE: p\n# AFTER: postgresql\n# KEYWORD: shutdown\n";
    let reports = lint("x", text, &header(text));
    let shown = |report: &Report| {
        report.places.iter().map(|place| &text[place.span.clone().unwrap()]).collect::<Vec<_>>()
    };
    assert_eq!(shown(&reports[0]), ["# AFTER: postgresql"]);
    assert_eq!(shown(&reports[1]), ["# KEYWORD: shutdown", "# AFTER: postgresql"]);
}

#[test]
fn an_lsb_header_beside_an_rcd_header_is_left_alone() {
    let lsb = "### BEGIN INIT INFO\n# Provides: p\n### END INIT INFO\n";
    assert_eq!(codes(&format!("# PROVIDE: p\n{lsb}")), [""; 0]);
    assert_eq!(codes(lsb), ["not-a-header-line"]);
}

// ---- the job ----

const CODE: &str = "name=toy\nrcvar=toy_enable\nload_rc_config $name\nrun_rc_command \"$1\"\n";

fn reading(text: &str, rc_conf: &str, filter: &KeywordFilter) -> Reading {
    let conf = Source { path: "/etc/rc.conf".into(), text: rc_conf.into(), executable: false };
    let (conf, reports) = RcConf::from_files(&[conf]);
    assert_eq!(reports, []);
    read(&Name::new("x").unwrap(), &source(text), &conf, filter)
}

/// How the job starts: `yes`, `ask`, or why not; and the codes of the reports.
fn start(text: &str, rc_conf: &str) -> (String, Vec<&'static str>) {
    let reading = reading(text, rc_conf, &KeywordFilter::default());
    let job = reading.described.unwrap().job;
    let start = match job.start {
        StartMode::Disabled(why) => why.as_str().into(),
        StartMode::Automatic if job.processes.has(ProcessKind::Check) => "ask".into(),
        StartMode::Automatic => "yes".into(),
        StartMode::Manual => "manual".into(),
    };
    (start, reading.reports.iter().map(|report| report.code).collect())
}

fn check_start(text: &str, rc_conf: &str, expected: &str) {
    assert_eq!(start(text, rc_conf), (expected.into(), Vec::new()), "{text:?} with {rc_conf:?}");
}

#[test]
fn rc_conf_decides_about_a_literal_rcvar() {
    for (value, expected) in [
        ("YES", "yes"),
        ("true", "yes"),
        ("On", "yes"),
        ("1", "yes"),
        ("NO", "rcvar toy_enable is NO"),
        ("false", "rcvar toy_enable is false"),
        ("oFF", "rcvar toy_enable is oFF"),
        ("0", "rcvar toy_enable is 0"),
    ] {
        check_start(CODE, &format!("toy_enable=\"{value}\""), expected);
    }
}

#[test]
fn a_value_that_is_neither_counts_as_no_with_a_warning() {
    let reading = reading(CODE, "toy_enable=maybe", &KeywordFilter::default());
    assert_eq!(reading.described.unwrap().job.start, StartMode::Disabled("rcvar toy_enable is maybe".into()));
    let places: Vec<_> =
        reading.reports[0].places.iter().map(|place| (&*place.path, place.span.clone())).collect();
    assert_eq!(places, [("/etc/rc.conf", Some(0..16)), ("/etc/rc.d/x", Some(15..25))]);
    let (why, codes) = start(CODE, "");
    assert_eq!((why.as_str(), &*codes), ("rcvar toy_enable is not set", &["rcvar-unset"][..]));
    assert_eq!(start(CODE, "toy_enable=").1, ["rcvar-value"]);
}

#[test]
fn an_rcvar_may_be_named_in_many_ways() {
    for rcvar in [
        "toy_enable",
        "\"toy_enable\"",
        "${name}_enable",
        "\"${name}_enable\"",
        "$name\"_enable\" # as ever",
        "`set_rcvar`",
        "$(set_rcvar)",
        "`set_rcvar toy`",
        "$(set_rcvar ${name})",
    ] {
        let text = format!("name=\"toy\"\nrcvar={rcvar}\nrun_rc_command $1\n");
        check_start(&text, "toy_enable=YES", "yes");
        check_start(&text, "toy_enable=NO", "rcvar toy_enable is NO");
    }
    check_start("name=toy\nrcvar=$name\n$1", "toy=YES", "yes");
    check_start("name=automount\nrcvar=autofs_enable\n$1", "autofs_enable=NO", "rcvar autofs_enable is NO");
}

#[test]
fn a_script_without_rcvar_is_always_allowed() {
    check_start("name=toy\nrun_rc_command $1\n", "", "yes");
    check_start("name=toy\nrcvar=\nrun_rc_command $1\n", "", "yes");
    check_start("name=toy\nrcvar=\"\"\nrun_rc_command $1\n", "", "yes");
    check_start("name=toy\nprocname=/x\nf() {\n local name=x\n}\n# rcvar=x\nrun_rc_command $1\n", "", "yes");
}

#[test]
fn a_default_of_the_script_counts_where_rc_conf_says_nothing() {
    for line in [
        ": ${toy_enable:=\"NO\"}",
        ": ${toy_enable=NO}",
        ": \"${toy_enable:=NO}\"",
        "toy_enable=${toy_enable:-\"NO\"}",
        "toy_enable=\"${toy_enable-NO}\"",
        "set_rcvar toy_enable \"NO\" \"a toy\"",
    ] {
        let text = format!("{CODE}{line}\n");
        check_start(&text, "", "rcvar toy_enable is NO");
        check_start(&text, "toy_enable=YES", "yes");
        check_start(&text.replace("NO", "YES"), "", "yes");
    }
    check_start(&format!("{CODE}: ${{toy_enable:=YES}}\n"), "toy_enable=", "yes");
    check_start(&format!("toy_enable=NO\n{CODE}"), "", "rcvar toy_enable is NO");
    check_start(&format!("toy_enable=NO\n{CODE}"), "toy_enable=YES", "yes");
    check_start(
        &format!("{CODE}# toy_enable=YES\n#\ttoy_enable=YES\n"),
        "toy_enable=NO",
        "rcvar toy_enable is NO",
    );
}

#[test]
fn what_only_the_script_knows_it_is_asked_for() {
    for text in [
        "name=toy\nrcvar=$(find_it)\n$1",
        "name=toy\nif x; then\n\trcvar=toy_enable\nfi\n$1",
        "name=toy\nrcvar=a_enable\nrcvar=b_enable\n$1",
        "rcvar=toy_enable\n$1",
        "name=`x`\nrcvar=${name}_enable\n$1",
        "name=toy\nrcvar=toy_enable\nload_rc_config $name\ntoy_enable=YES\n$1",
        "name=toy\nrcvar=toy_enable\nif x; then\n toy_enable=YES\nfi\n$1",
        "name=toy\nrcvar=toy_enable\neval : \\${${name}_enable:=YES}\n$1",
        "name=toy\nrcvar=\"toy_enable\n",
        "name=toy\n[ -f /x ] && rcvar=toy_enable\n$1",
        "name=toy\n: ${rcvar:=toy_enable}\n$1",
        "name=toy\neval \"rcvar=toy_enable\"\n$1",
        "name=toy\nrcvar=${name}_enable\n[ -f /x ] && name=other\n$1",
    ] {
        check_start(text, "toy_enable=NO", "ask");
    }
    let conf = Source { path: "/etc/rc.conf".into(), text: "toy_enable=`x`".into(), executable: false };
    let (conf, _) = RcConf::from_files(&[conf]);
    let reading = read(&Name::new("x").unwrap(), &source(CODE), &conf, &KeywordFilter::default());
    let described = reading.described.unwrap();
    let check = described.work.processes.iter().find(|(kind, _)| *kind == ProcessKind::Check);
    let argv = ["/etc/rc.d/x", "enabled"].map(String::from);
    assert_eq!(check.unwrap().1, crate::Command::Argv(argv.into()));
}

#[test]
fn a_script_reads_its_own_file_by_its_name_and_not_by_its_files() {
    let file = |path: &str, text: &str| Source { path: path.into(), text: text.into(), executable: false };
    let conf = [
        file("/etc/rc.conf.d/toy", "toy_enable=YES"),
        file("/etc/rc.conf", "toy_enable=NO"),
        file("/etc/rc.conf.d/x", "toy_enable=off"),
    ];
    let (conf, _) = RcConf::from_files(&conf);
    let job = read(&Name::new("x").unwrap(), &source(CODE), &conf, &KeywordFilter::default())
        .described
        .unwrap()
        .job;
    assert_eq!(job.start, StartMode::Automatic);
}

#[test]
fn a_name_with_a_dash_has_variables_with_an_underscore() {
    const DASHED: &str = "name=my-svc\nrcvar=${name}_enable\nload_rc_config $name\n\
                          : ${my_svc_enable:=NO}\nrun_rc_command \"$1\"\n";
    check_start(DASHED, "", "rcvar my_svc_enable is NO");
    check_start(DASHED, "my_svc_enable=YES", "yes");
    check_start(DASHED, "my_svc_enable=YES my_svc_skip=YES", "my-svc_skip is YES");
    check_start("name=my-svc\nrcvar=my-svc_enable\nset_rcvar my-svc_enable YES\n$1", "", "ask");
    let file = |path: &str, text: &str| Source { path: path.into(), text: text.into(), executable: false };
    let (conf, _) = RcConf::of_machine(&[file("/usr/local/etc/rc.conf.d/my-svc/on", "my_svc_enable=YES")]);
    let job = read(&Name::new("x").unwrap(), &source(DASHED), &conf, &KeywordFilter::default()).described;
    assert_eq!(job.unwrap().job.start, StartMode::Automatic);
}

#[test]
fn all_scripts_have_their_time_together_at_a_shutdown() {
    for (text, limit) in [
        ("", Some(90)),
        ("rcshutdown_timeout=\"20\"", Some(20)),
        ("rcshutdown_timeout=", None),
        ("rcshutdown_timeout=soon", Some(90)),
    ] {
        let job = reading(CODE, text, &KeywordFilter::default()).described.unwrap().job;
        assert_eq!(job.kill.together.map(|limit| limit.as_secs()), limit, "{text}");
    }
}

#[test]
fn a_script_is_started_at_startup_and_stopped_by_its_verb() {
    let described = reading(CODE, "toy_enable=YES", &KeywordFilter::default()).described.unwrap();
    let job = &described.job;
    assert_eq!(job.start_on.as_ref().unwrap().single().unwrap().name, "startup");
    assert_eq!((&job.ready, job.kill.timeout), (&Ready::Forked, STOP_VERB_LIMIT));
    let verbs: Vec<String> =
        described.work.processes.iter().map(|(_, command)| command.argv().join(" ")).collect();
    assert_eq!(verbs, ["start", "stop", "reload", "status"].map(|verb| format!("/etc/rc.d/x {verb}")));
}

#[test]
fn a_script_that_looks_at_no_argument_is_never_told_to_stop() {
    let job = reading("# PROVIDE: var\nmount /var\n", "", &KeywordFilter::default()).described.unwrap().job;
    assert!(job.processes.has(ProcessKind::Main) && !job.processes.has(ProcessKind::Stop));
}

#[test]
fn a_barrier_has_no_process() {
    let text = "#!/bin/sh\n#\n\n# PROVIDE: DAEMON\n# REQUIRE: SERVERS\n\n  # nothing here\n";
    let job = reading(text, "", &KeywordFilter::default()).described.unwrap().job;
    assert_eq!((job.processes, job.ready), (crate::ProcessSet::default(), Ready::Spawned));
    assert_eq!((job.provides[0].name.as_str(), job.requires[0].name.as_str()), ("DAEMON", "SERVERS"));
}

#[test]
fn a_file_without_header_is_a_job_that_nothing_waits_for() {
    let reading = reading("$1", "", &KeywordFilter::default());
    let job = reading.described.unwrap().job;
    assert_eq!(
        (job.provided_names().count(), job.start, reading.reports),
        (0, StartMode::Automatic, Vec::new())
    );
}

#[test]
fn a_script_that_is_not_executable_is_disabled_and_keeps_its_place() {
    let source = Source { executable: false, ..source("# PROVIDE: p\n$1") };
    let reading = read(&Name::new("x").unwrap(), &source, &RcConf::default(), &KeywordFilter::default());
    let job = reading.described.unwrap().job;
    assert_eq!((job.start, job.provides.len()), (StartMode::Disabled("not executable".into()), 1));
    assert_eq!(reading.reports[0].code, "not-executable");
}

#[test]
fn a_word_to_skip_is_stronger_than_a_word_to_keep() {
    let words = |text: &str| text.split_whitespace().map(|word| Name::new(word).unwrap()).collect::<Vec<_>>();
    for (keep, skip, keywords, admitted) in [
        ("", "", "", true),
        ("shutdown", "", "", false),
        ("shutdown", "", "nojail shutdown", true),
        ("a b", "", "b", true),
        ("", "nostart", "nostart shutdown", false),
        ("shutdown", "nojail", "nojail shutdown", false),
        ("", "nostart,nojail", "nostart", true),
        ("", "NOSTART", "nostart", true),
    ] {
        let filter = KeywordFilter { keep: words(keep), skip: words(skip) };
        assert_eq!(filter.admits(&words(keywords)), admitted, "-k {keep:?} -s {skip:?}: {keywords:?}");
    }
    let filter = KeywordFilter { keep: Vec::new(), skip: words("nostart") };
    let job = reading("# KEYWORD: nostart\r\n$1", "", &filter).described.unwrap().job;
    assert_eq!(job.start, StartMode::Disabled("keyword nostart".into()));
}

#[test]
fn an_interactive_script_owns_the_console() {
    let described = reading("# KEYWORD: interactive\n$1", "", &KeywordFilter::default()).described.unwrap();
    assert_eq!(described.work.console, Console::Owner);
}

#[test]
fn a_script_goes_by_three_names() {
    let names = names(&Name::new("bgfsck").unwrap(), &source("# PROVIDE: fsck2 b\nname='background_fsck'\n"));
    assert_eq!(names.name.unwrap(), "background_fsck");
    assert_eq!(names.provides, ["fsck2", "b"]);
    assert_eq!(super::names(&names.file, &source("name=$x")).name, None);
}

#[test]
fn what_editors_and_package_tools_leave_behind_is_no_script() {
    for name in [
        "sshd~",
        "sshd#",
        "sshd.OLD",
        "sshd.bak",
        "sshd.orig",
        "sshd,v",
        "sshd.pkgsave",
        "sshd.sample",
        ".x",
        "",
    ] {
        assert!(!is_script_name(name), "{name}");
    }
    for name in ["sshd", "os-release", "local.sh", "orig", "x.old"] {
        assert!(is_script_name(name), "{name}");
    }
}
