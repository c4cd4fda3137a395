//! Files of a root and what becomes of them. What more than one group of tests counts on stands here.

mod hooks;
mod overrides;
mod scripts;

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
fn what_an_editor_leaves_behind_is_no_job() {
    check(&[("/etc/rc.d/x~", RCD), ("/etc/init.d/x.dpkg-old", LSB)], &[], &[]);
}

fn order_of(generation: &Generation) -> Order {
    crate::order(&generation.jobs.iter().map(|described| &described.job).collect::<Vec<_>>())
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
