//! What is laid over job files, and over which.

use super::*;

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
