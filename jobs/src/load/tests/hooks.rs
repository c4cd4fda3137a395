//! Hook directories: whose turn it is, and what an override says of them.

use super::*;

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
