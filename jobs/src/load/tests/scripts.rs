//! Trees of scripts: rc.d, old ones of packages, and Debian's.

use super::*;

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
        let value = |value: &Option<events::Value>| {
            value.as_ref().map_or(String::new(), |value| value.as_str().into())
        };
        let env: Vec<String> = env.map(|(key, it)| format!("{key}={}", value(it))).collect();
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
fn headers_alone_give_the_same_order() {
    let headers = include_str!("../../../tests/data/freebsd-rcd.tsv");
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

/// Debian's headers as scripts.
fn debian() -> Generation {
    let table = include_str!("../../../tests/data/debian-lsb.tsv");
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
