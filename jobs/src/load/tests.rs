use alloc::{string::String, vec};

use proptest::prelude::*;

use super::*;
use crate::{Order, Severity, StartMode, formats::Mention};

/// A file as a root has it: its place says what it is.
pub(crate) fn file(path: &str, text: &str) -> TreeFile {
    let folders = [
        ("/etc/onset/jobs/", FileKind::Native, 4),
        ("/run/onset/jobs/", FileKind::Native, 3),
        ("/usr/lib/onset/jobs/", FileKind::Native, 2),
        ("/etc/onset/hooks/", FileKind::Hook, 4),
        ("/usr/lib/onset/hooks/", FileKind::Hook, 2),
        ("/usr/local/etc/rc.syshook.d/", FileKind::Syshook, 1),
        ("/etc/init/", FileKind::Upstart, 1),
        ("/etc/rc.d/", FileKind::Rcd, 0),
        ("/usr/local/etc/rc.d/", FileKind::Rcd, 0),
        ("/etc/init.d/", FileKind::Lsb, 1),
        ("/etc/insserv/overrides/", FileKind::LsbOverride, 1),
        ("/etc/default/", FileKind::LsbDefaults, 0),
        ("/etc/rc", FileKind::RcConf, 0),
    ];
    let (folder, kind, layer) = folders.into_iter().find(|(folder, ..)| path.starts_with(folder)).unwrap();
    let kind = if path.ends_with(".override.ron") {
        FileKind::NativeOverride
    } else if path.ends_with(".override") {
        FileKind::UpstartOverride
    } else {
        kind
    };
    let content = match text {
        "-> /dev/null" => Content::Masked,
        "unreadable" => Content::Unreadable(Report::error("unreadable", "no").in_file(path)),
        text => Content::Text(Source { path: path.into(), text: text.into(), executable: true }),
    };
    // An override beside hooks is named as their jobs are.
    let rel = match (folder.contains("/hooks/"), kind) {
        (true, FileKind::NativeOverride) => format!("hooks/{}", &path[folder.len()..]),
        _ => path[folder.len()..].into(),
    };
    TreeFile { kind, layer, rel, path: path.into(), content }
}

pub(crate) fn tree(files: &[(&str, &str)]) -> Tree {
    Tree::new(files.iter().map(|(path, text)| file(path, text)).collect())
}

fn loaded(files: &[(&str, &str)]) -> Generation {
    load(&tree(files), &KeywordFilter::default())
}

fn paths(generation: &Generation) -> Vec<&str> {
    generation.jobs.iter().map(|described| described.path.as_str()).collect()
}

fn codes(generation: &Generation) -> Vec<&str> {
    generation.reports.iter().map(|report| report.code).collect()
}

/// These files give jobs from these files, and these reports.
#[track_caller]
fn check(files: &[(&str, &str)], jobs: &[&str], reports: &[&str]) {
    let generation = loaded(files);
    assert_eq!(paths(&generation), jobs);
    assert_eq!(codes(&generation), reports, "{:#?}", generation.reports);
}

const RON: &str = "(start_on: \"startup\", exec: \"/bin/x\")";
const CONF: &str = "start on startup\nexec /bin/x\n";
const RCD: &str = "#!/bin/sh\n# PROVIDE: x\n\n. /etc/rc.subr\nname=x\nrun_rc_command \"$1\"\n";
const LSB: &str = "#!/bin/sh\n### BEGIN INIT INFO\n# Provides: x\n# Required-Start:\n# Required-Stop:\n\
                   # Default-Start: 2\n# Default-Stop: 0\n### END INIT INFO\n";

#[test]
fn the_higher_folder_counts() {
    check(
        &[("/usr/lib/onset/jobs/x.ron", RON), ("/etc/onset/jobs/x.ron", RON), ("/run/onset/jobs/x.ron", RON)],
        &["/etc/onset/jobs/x.ron"],
        &[],
    );
}

#[test]
fn a_native_job_shadows_a_script_of_its_name_and_says_so() {
    check(
        &[("/etc/rc.d/x", RCD), ("/etc/onset/jobs/x.ron", RON), ("/etc/init/x.conf", CONF)],
        &["/etc/onset/jobs/x.ron"],
        &["shadowed-job", "shadowed-job"],
    );
    check(&[("/etc/init.d/x", LSB), ("/etc/rc.d/x", RCD)], &["/etc/rc.d/x"], &["shadowed-job"]);
    check(&[("/usr/local/etc/rc.d/x", RCD), ("/etc/rc.d/x", RCD)], &["/etc/rc.d/x"], &["shadowed-job"]);
}

#[test]
fn a_link_to_dev_null_masks_a_job_of_any_format() {
    for (lower, text) in [
        ("/usr/lib/onset/jobs/x.ron", RON),
        ("/etc/rc.d/x", RCD),
        ("/etc/init.d/x", LSB),
        ("/etc/init/x.conf", CONF),
    ] {
        let generation = loaded(&[(lower, text), ("/etc/onset/jobs/x.ron", "-> /dev/null")]);
        assert!(generation.jobs.is_empty() && generation.reports.is_empty(), "{lower}");
        assert_eq!(generation.masked[0].provides[0].as_str(), "x", "{lower}");
    }
}

#[test]
fn a_refused_file_takes_its_name_with_it() {
    let generation = loaded(&[("/usr/lib/onset/jobs/x.ron", RON), ("/etc/onset/jobs/x.ron", "(no_such: 1)")]);
    assert!(generation.jobs.is_empty());
    assert_eq!(generation.refused[0].path, "/etc/onset/jobs/x.ron");
    let generation = loaded(&[("/etc/onset/jobs/x.ron", "unreadable"), ("/etc/rc.d/y", RCD)]);
    assert_eq!((paths(&generation), generation.refused.len()), (vec!["/etc/rc.d/y"], 1));
}

#[test]
fn overrides_are_laid_over_jobs_of_any_format_the_lowest_first() {
    let over = "(requires: [\"FIREWALL\"])";
    for (path, text) in [
        ("/etc/onset/jobs/x.ron", RON),
        ("/etc/rc.d/x", RCD),
        ("/etc/init.d/x", LSB),
        ("/etc/init/x.conf", CONF),
    ] {
        let generation = loaded(&[(path, text), ("/etc/onset/jobs/x.override.ron", over)]);
        assert_eq!(generation.reports, [], "{path}");
        let requires = &generation.jobs[0].job.requires;
        assert!(requires.iter().any(|require| require.name == "FIREWALL"), "{path}");
    }
    let generation = loaded(&[
        ("/etc/onset/jobs/x.override.ron", "(kind: network)"),
        ("/usr/lib/onset/jobs/x.override.ron", "(kind: system, task: true)"),
        ("/usr/lib/onset/jobs/x.ron", RON),
    ]);
    let job = &generation.jobs[0].job;
    assert_eq!((job.kind, job.task, job.layer), (crate::Kind::Network, true, 2));
}

#[test]
fn what_packages_bring_may_speak_of_what_is_not_there() {
    check(&[("/usr/lib/onset/jobs/ssh.override.ron", "(nice: 5)")], &[], &[]);
    // A package brings a job and a script, and each init takes its own.
    check(&[("/usr/lib/onset/jobs/x.ron", RON), ("/etc/init.d/x", LSB)], &["/usr/lib/onset/jobs/x.ron"], &[]);
    // An Upstart file may be the administrator's own.
    check(
        &[("/usr/lib/onset/jobs/x.ron", RON), ("/etc/init/x.conf", CONF)],
        &["/usr/lib/onset/jobs/x.ron"],
        &["shadowed-job"],
    );
}

#[test]
fn scripts_of_init_d_are_told_whether_to_tell_much() {
    let script = ("/etc/init.d/x", "### BEGIN INIT INFO\n### END INIT INFO\n");
    for (defaults, expected) in [
        ("# Nothing yet.\n#VERBOSE=yes\nUTC=yes\n", vec![]),
        ("UTC=yes\nVERBOSE='yes' # for now\n", vec!["VERBOSE=yes"]),
        ("VERBOSE=$(tell)\n", vec![]),
    ] {
        let generation = loaded(&[("/etc/default/rcS", defaults), script]);
        let env = generation.jobs[0].job.env.iter();
        let env: Vec<String> =
            env.map(|(key, value)| format!("{key}={}", value.as_ref().map_or("", events::Value::as_str))).collect();
        assert_eq!(env, expected, "{defaults}");
        assert_eq!(codes(&generation), Vec::<&str>::new());
    }
}

#[test]
fn a_script_whose_work_a_stock_job_does_never_runs() {
    const SCRIPT: &str = "#!/bin/sh\n### BEGIN INIT INFO\n# Provides: mountall other\n# Required-Start: a\n# Default-Start: S\n# X-Start-Before: nobody\n### END INIT INFO\n";
    const STOCK: &str = "(provides: [\"mountall\"], exec: \"x\")";
    let start = |files: &[(&str, &str)]| {
        let generation = loaded(files);
        let reports = crate::check(&generation, &order_of(&generation));
        assert!(reports.iter().all(|report| report.code == "no-provider"), "{reports:#?}");
        let mut jobs = generation.jobs.into_iter();
        jobs.find(|described| described.job.format == Format::Lsb).unwrap().job.start
    };
    let script = ("/etc/init.d/mountall.sh", SCRIPT);
    let never = StartMode::Disabled("job `fstab` does this".into());
    assert_eq!(start(&[("/usr/lib/onset/jobs/fstab.ron", STOCK), script]), never);
    // Changed by the machine, or taken away by it.
    let stock = ("/usr/lib/onset/jobs/fstab.ron", "(exec: \"x\")");
    assert_eq!(start(&[stock, ("/etc/onset/jobs/fstab.ron", STOCK), script]), never);
    let masked = ("/etc/onset/jobs/fstab.ron", "-> /dev/null");
    assert_eq!(start(&[("/usr/lib/onset/jobs/fstab.ron", STOCK), masked, script]), StartMode::Automatic);
    // Only its own name counts.
    let other = ("/usr/lib/onset/jobs/other.ron", "(exec: \"x\")");
    let generation = loaded(&[other, script]);
    assert_eq!(
        generation.jobs.iter().map(|described| &described.job.start).collect::<Vec<_>>(),
        [&StartMode::Automatic; 2]
    );
}

#[test]
fn an_override_of_a_package_gives_way_to_a_job_of_the_machine() {
    let over = "(nice: 5)";
    for (path, nice) in [
        ("/etc/onset/jobs/x.ron", None),
        ("/usr/lib/onset/jobs/x.ron", Some(5)),
        ("/etc/init/x.conf", Some(5)),
        ("/etc/init.d/x", Some(5)),
    ] {
        let text = match path {
            "/etc/init/x.conf" => CONF,
            "/etc/init.d/x" => LSB,
            _ => RON,
        };
        let generation = loaded(&[(path, text), ("/usr/lib/onset/jobs/x.override.ron", over)]);
        assert_eq!(generation.jobs[0].work.nice, nice, "{path}");
        assert!(generation.reports.is_empty(), "{path}");
    }
}

#[test]
fn an_override_can_be_masked_and_misses_its_job() {
    check(
        &[
            ("/etc/onset/jobs/x.override.ron", "-> /dev/null"),
            ("/usr/lib/onset/jobs/x.override.ron", "(no_such: 1)"),
            ("/usr/lib/onset/jobs/x.ron", RON),
        ],
        &["/usr/lib/onset/jobs/x.ron"],
        &[],
    );
    let generation = loaded(&[("/etc/onset/jobs/web.ron", RON), ("/etc/onset/jobs/wbe.override.ron", "()")]);
    assert_eq!(codes(&generation), ["override-without-job"]);
    assert_eq!(generation.reports[0].help.as_deref(), Some("did you mean `web`?"));
}

#[test]
fn an_upstart_override_is_laid_over_its_conf() {
    let generation = loaded(&[("/etc/init/x.conf", CONF), ("/etc/init/x.override", "manual\n")]);
    assert_eq!(generation.jobs[0].job.start, StartMode::Manual);
}

#[test]
fn hooks_of_one_event_run_in_the_order_of_their_names() {
    let generation = loaded(&[
        ("/etc/onset/hooks/startup/20-b", "#!/bin/sh\n"),
        ("/usr/lib/onset/hooks/startup/100-a", "#!/bin/sh\n"),
        ("/usr/local/etc/rc.syshook.d/startup/05-c", "#!/bin/sh\n"),
        ("/etc/onset/hooks/startup/.hidden", "#!/bin/sh\n"),
        ("/etc/onset/hooks/other/30-d", "#!/bin/sh\n"),
    ]);
    let jobs: Vec<&crate::Job> = generation.jobs.iter().map(|described| &described.job).collect();
    let order = crate::order(&jobs);
    let names: Vec<&str> = order.order.iter().map(|&place| jobs[place].name.as_str()).collect();
    assert_eq!(
        names,
        ["hooks/other/30-d", "hooks/startup/100-a", "hooks/startup/20-b", "rc.syshook.d/startup/05-c"]
    );
    assert_eq!(order.levels.iter().max(), Some(&3));
}

#[test]
fn hooks_take_turns_and_are_waited_for_as_long_as_all_before_them_may_take() {
    let generation = loaded(&[
        ("/etc/onset/hooks/e/10-a", "#!/bin/sh\n"),
        ("/etc/onset/hooks/e/20-b", "#!/bin/sh\n"),
        ("/etc/onset/hooks/e/20-b.override.ron", "(start_timeout: \"10s\", arguments: 1)"),
        ("/etc/onset/hooks/e/30-c", "#!/bin/sh\n"),
        ("/etc/onset/hooks/e/30-c.override.ron", "(parallel: true)"),
        ("/etc/onset/hooks/e/40-d", "#!/bin/sh\n"),
        ("/etc/onset/hooks/e/40-d.override.ron", "(settle: \"1s\")"),
    ]);
    assert_eq!(generation.reports, []);
    let life = |described: &Described| {
        let job = &described.job;
        let turn = String::from(job.turn.as_ref().map(Name::as_str).unwrap_or_default());
        (turn, job.start_timeout.unwrap().as_secs(), job.settle.as_secs(), described.work.arguments)
    };
    let lives: Vec<_> = generation.jobs.iter().map(life).collect();
    let turn = || String::from("e");
    assert_eq!(
        lives,
        [
            (turn(), 300, 306, None),
            (turn(), 10, 306 + 16, Some(1)),
            (String::new(), 300, 306, None),
            (turn(), 300, 1, None),
        ]
    );
}

#[test]
fn an_override_of_a_folder_lies_under_those_of_its_hooks() {
    let generation = loaded(&[
        ("/etc/onset/hooks/e/10-a", "#!/bin/sh\n"),
        ("/etc/onset/hooks/e/20-b", "#!/bin/sh\n"),
        ("/etc/onset/hooks/e.override.ron", "(start_timeout: \"10s\", nice: 5)"),
        ("/etc/onset/hooks/e/20-b.override.ron", "(start_timeout: \"1m\")"),
        ("/etc/onset/hooks/f.override.ron", "(nice: 5)"),
    ]);
    let found: Vec<_> =
        generation.jobs.iter().map(|d| (d.job.start_timeout.unwrap().as_secs(), d.work.nice)).collect();
    assert_eq!(found, [(10, Some(5)), (60, Some(5))]);
    assert_eq!(codes(&generation), ["override-without-job"]);
    check(
        &[("/etc/onset/jobs/x.ron", RON), ("/etc/onset/jobs/x.override.ron", "(arguments: 1)")],
        &[],
        &["hooks-only"],
    );
}

#[test]
fn a_hook_of_an_event_that_only_people_emit_is_no_slip() {
    for (event, codes) in
        [("newwanip", &[][..]), ("start", &[]), ("my-own-event", &[]), ("starutp", &["never-starts"])]
    {
        let generation = loaded(&[(&format!("/etc/onset/hooks/{event}/10-a"), "#!/bin/sh\n")]);
        let found = crate::check(&generation, &order_of(&generation));
        assert_eq!(found.iter().map(|report| report.code).collect::<Vec<_>>(), codes, "{event}");
    }
}

#[test]
fn rc_conf_may_skip_a_script_and_put_it_behind_all_others() {
    let script = |name: &str| {
        format!("#!/bin/sh\n# PROVIDE: {name}\n\n. /etc/rc.subr\nname={name}\nrun_rc_command \"$1\"\n")
    };
    let (a, b, z) = (script("a"), script("b"), script("z"));
    let files = [
        ("/etc/rc.d/a", &*a),
        ("/etc/rc.d/b", &*b),
        ("/etc/rc.d/z", &*z),
        ("/etc/rc.conf", "a_defer=yes\nb_skip=YES\nz_defer=NO\n"),
    ];
    let generation = loaded(&files);
    assert_eq!(generation.reports, []);
    let jobs: Vec<&crate::Job> = generation.jobs.iter().map(|described| &described.job).collect();
    let order = order_of(&generation);
    let names: Vec<&str> = order.order.iter().map(|&place| jobs[place].name.as_str()).collect();
    assert_eq!(names, ["b", "z", "a"]);
    assert_eq!(jobs[1].start, StartMode::Disabled("b_skip is YES".into()));
    assert_eq!((&jobs[0].start, &jobs[2].start), (&StartMode::Automatic, &StartMode::Automatic));
    assert_eq!(order.unknown, []);
}

#[test]
fn a_script_that_never_starts_may_be_called_at_shutdown() {
    let script = |keywords: &str| {
        format!(
            "#!/bin/sh\n# PROVIDE: x\n# KEYWORD: {keywords}\n\n. /etc/rc.subr\nname=x\nrun_rc_command \"$1\"\n"
        )
    };
    let (both, nostart, shutdown) = (script("nostart shutdown"), script("nostart"), script("shutdown"));
    let files = [("/etc/rc.d/a", &*both), ("/etc/rc.d/b", &*nostart), ("/etc/rc.d/c", &*shutdown)];
    let filter = KeywordFilter { keep: Vec::new(), skip: vec![Name::constant("nostart")] };
    let generation = load(&tree(&files), &filter);
    let names: Vec<&str> = generation.jobs.iter().map(|described| described.job.name.as_str()).collect();
    assert_eq!(names, ["a", "a.shutdown", "b", "c"]);
    let beside = &generation.jobs[1];
    assert_eq!(beside.job.start_on.as_ref().unwrap().single().unwrap().name, "shutdown");
    assert_eq!(beside.work.processes[1].1.argv().join(" "), "/etc/rc.d/a faststop");
}

#[test]
fn old_scripts_of_packages_run_one_after_the_other() {
    const OLD: &str = "#!/bin/sh\ncase $1 in start) ;; stop) ;; esac\n";
    const LOCALPKG: &str =
        "#!/bin/sh\n# PROVIDE: localpkg\n\n. /etc/rc.subr\nname=localpkg\nrun_rc_command \"$1\"\n";
    let abi = LOCALPKG.replace("localpkg", "abi");
    let mut files = vec![
        ("/usr/local/etc/rc.d/b.sh", OLD),
        ("/usr/local/etc/rc.d/a.sh", OLD),
        ("/usr/local/etc/rc.d/010.c.sh", OLD),
        ("/usr/local/etc/rc.d/readme", "read me\n"),
        ("/usr/local/etc/rc.d/a.sh.sample", OLD),
        ("/etc/rc.d/abi", &*abi),
    ];
    let generation = loaded(&files);
    assert_eq!(generation.reports, []);
    let jobs: Vec<&crate::Job> = generation.jobs.iter().map(|described| &described.job).collect();
    let order: Vec<&str> =
        order_of(&generation).order.iter().map(|&place| jobs[place].name.as_str()).collect();
    assert_eq!(
        order.iter().filter(|name| **name != "readme").collect::<Vec<_>>(),
        [&"abi", &"010.c.sh", &"a.sh", &"b.sh"]
    );
    let job = |name: &str| *jobs.iter().find(|job| job.name == name).unwrap();
    assert!(job("a.sh").is_old_script() && !job("abi").is_old_script());
    assert_eq!(job("a.sh").start, StartMode::Automatic);
    assert_eq!(job("readme").start, StartMode::Disabled("it has no line `# PROVIDE:`".into()));
    let words: Vec<String> = generation
        .jobs
        .iter()
        .find(|described| described.job.name == "a.sh")
        .unwrap()
        .work
        .processes
        .iter()
        .map(|(_, command)| command.argv().join(" "))
        .collect();
    assert_eq!(words, ["start", "stop"].map(|verb| format!("/usr/local/etc/rc.d/a.sh {verb}")));
    // Where the machine has who runs them, nobody else does.
    files.push(("/etc/rc.d/localpkg", LOCALPKG));
    let generation = loaded(&files);
    let old = generation.jobs.iter().find(|described| described.job.name == "a.sh").unwrap();
    assert_eq!(old.job.start, StartMode::Disabled("`localpkg` runs it".into()));
}

#[test]
fn what_an_editor_leaves_behind_is_no_job() {
    check(&[("/etc/rc.d/x~", RCD), ("/etc/init.d/x.dpkg-old", LSB)], &[], &[]);
}

#[test]
fn headers_alone_give_the_same_order() {
    let headers = include_str!("../../tests/data/freebsd-rcd.tsv");
    let texts: Vec<(String, String)> = headers
        .lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            let verbs = ["PROVIDE", "REQUIRE", "BEFORE", "KEYWORD"].iter().zip(&cells[1..]);
            let header: String = verbs
                .filter(|(_, words)| !words.is_empty())
                .map(|(verb, words)| format!("# {verb}: {words}\n"))
                .collect();
            (format!("/etc/rc.d/{}", cells[0]), format!("#!/bin/sh\n#\n\n{header}\n. /etc/rc.subr\n"))
        })
        .collect();
    let files: Vec<(&str, &str)> = texts.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let tree = tree(&files);
    let (whole, headers) = (load(&tree, &KeywordFilter::default()), load_headers(&tree));
    let names = |generation: &Generation| -> Vec<(Name, Vec<Mention>)> {
        generation.jobs.iter().map(|d| (d.job.name.clone(), d.mentions.clone())).collect()
    };
    assert_eq!(names(&whole), names(&headers));
    assert_eq!(order_of(&whole), order_of(&headers));
    assert_eq!(order_of(&whole).levels.iter().max(), Some(&48));
    let found = crate::check(&whole, &order_of(&whole));
    assert_eq!(found, []);
}

fn order_of(generation: &Generation) -> Order {
    crate::order(&generation.jobs.iter().map(|described| &described.job).collect::<Vec<_>>())
}

/// Debian's headers as scripts.
fn debian() -> Generation {
    let table = include_str!("../../tests/data/debian-lsb.tsv");
    let mut lines = table.lines();
    let keys: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let mut texts: Vec<(String, String)> = Vec::new();
    for line in lines {
        let cells: Vec<&str> = line.split('\t').collect();
        let fields = keys.iter().zip(&cells).skip(1).filter(|(_, value)| !value.is_empty());
        let fields: String = fields.map(|(key, value)| format!("# {key}: {value}\n")).collect();
        let text = format!("#!/bin/sh\n### BEGIN INIT INFO\n{fields}### END INIT INFO\nexit 0\n");
        texts.push((format!("/etc/init.d/{}", cells[0]), text));
    }
    let files: Vec<(&str, &str)> = texts.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    loaded(&files)
}

#[test]
fn debians_scripts_have_no_error_and_no_loop() {
    let generation = debian();
    assert_eq!(generation.jobs.len(), 63);
    let errors = generation.reports.iter().filter(|report| report.severity == Severity::Error);
    assert_eq!(errors.count(), 0, "{:#?}", generation.reports);
    let order = order_of(&generation);
    assert_eq!((order.loops, order.ignored), (vec![], vec![]));
}

#[test]
fn debians_boot_has_17_levels_and_its_run_level_8() {
    let generation = debian();
    for (event, most) in [("startup", 17), ("runlevel", 8)] {
        let on = |job: &crate::Job| {
            job.start_on.iter().flat_map(|on| on.leaves()).any(|leaf| leaf.pattern.name == event)
        };
        let jobs: Vec<&crate::Job> =
            generation.jobs.iter().map(|described| &described.job).filter(|job| on(job)).collect();
        let order = crate::order(&jobs);
        let levels = order.levels.iter().max().copied().unwrap_or_default();
        assert!(
            jobs.len() > 10 && levels > 1 && levels <= most,
            "{event}: {levels} levels of {}",
            jobs.len()
        );
    }
}

#[test]
fn debians_scripts_come_in_the_right_order() {
    let generation = debian();
    let order = order_of(&generation);
    let place = |name: &str| {
        let index = generation.jobs.iter().position(|described| described.job.name == name).unwrap();
        order.position(index).unwrap()
    };
    assert!(place("mountall.sh") < place("networking"));
    assert!(place("networking") < place("ssh"));
    assert!(
        generation.jobs.iter().all(|d| d.job.name == "rc.local" || place(&d.job.name) < place("rc.local"))
    );
}

proptest! {
    #[test]
    fn the_order_in_which_files_are_given_does_not_matter(
        files in Just(vec![
            ("/etc/onset/jobs/x.ron", RON), ("/usr/lib/onset/jobs/x.ron", RON), ("/etc/rc.d/x", RCD),
            ("/usr/local/etc/rc.d/x", RCD), ("/etc/init.d/x", LSB), ("/etc/init/x.conf", CONF),
            ("/etc/rc.d/y", RCD), ("/etc/onset/jobs/y.override.ron", "(requires: [\"z\"])"),
            ("/usr/lib/onset/jobs/y.override.ron", "(requires: [\"a\"])"), ("/etc/onset/jobs/b.ron", "(a"),
            ("/etc/onset/hooks/e/1", "#!"), ("/etc/onset/hooks/e/2", "#!"), ("/etc/rc.conf", "x_enable=YES\n"),
        ]).prop_shuffle()
    ) {
        let mut sorted = files.clone();
        sorted.sort_unstable();
        prop_assert_eq!(loaded(&files), loaded(&sorted));
    }

    #[test]
    fn no_text_makes_loading_fail(text in "\\PC{0,80}", path in 0..7_usize) {
        let path = [
            "/etc/onset/jobs/x.ron", "/etc/init/x.conf", "/etc/rc.d/x", "/etc/init.d/x",
            "/etc/onset/hooks/e/x", "/etc/rc.conf", "/etc/onset/jobs/x.override.ron",
        ][path];
        let generation = loaded(&[(path, &text)]);
        prop_assert!(generation.jobs.len() + generation.refused.len() <= 1);
        let found = crate::check(&generation, &order_of(&generation));
        prop_assert!(found.iter().all(|report| !report.places.is_empty()));
    }
}

#[test]
fn upstart_files_that_are_hardly_jobs_are_named() {
    check(
        &[("/etc/init/x.override.conf", "exec /x\n")],
        &["/etc/init/x.override.conf"],
        &["misnamed-override"],
    );
    check(&[("/etc/init/x.conf.override", "manual\n")], &[], &["override-without-job"]);
    let lonely = loaded(&[("/etc/init/x.conf.override", "manual\n")]);
    assert_eq!(lonely.reports[0].help.as_deref(), Some("rename it `x.override`"));
    check(&[("/etc/init/x.conf", "# nothing yet\n\n")], &["/etc/init/x.conf"], &["empty-file"]);
    check(&[("/etc/init/x.conf", "task\n")], &["/etc/init/x.conf"], &[]);
}
