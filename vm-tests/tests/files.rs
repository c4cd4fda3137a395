//! Files and mounts as events and facts, with Onset as PID 1 of name spaces: what is watched, what is told of a burst, a
//! storm or an overflow, and what is known after PID 1 has executed itself again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail where it stands")]

use vm_tests::namespace::{Machine, Options};

/// A machine with these jobs, whose boot has settled.
fn machine(jobs: &[(&str, &str)]) -> Machine {
    let machine = Machine::start(jobs, &Options::default()).unwrap();
    let ran = machine.ctl(&["settled", "--wait", "--timeout", "50s"]).unwrap();
    assert_eq!(ran.status, 0, "{ran:?}\n{}", machine.console());
    machine
}

/// A job that writes down what it is told of files, in order.
fn told(condition: &str) -> String {
    format!(
        "(start_on: {condition:?}, again: queue, task: true, console: none,
          exec: \"sh -c 'echo $EVENT ${{MATCH-$FILE}} >>/tmp/told'\")"
    )
}

/// Waits until this is what was told, and no more.
fn until_told(machine: &mut Machine, lines: &[&str]) {
    let wanted = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let found = machine.until("what is told", |machine| {
        let found = machine.sh("cat /tmp/told 2>/dev/null")?.out;
        Ok((found.lines().count() >= lines.len()).then_some(found))
    });
    let found = found.unwrap_or_else(|failure| {
        panic!("{failure}: {:?}\n{}", machine.sh("cat /tmp/told").unwrap().out, machine.console())
    });
    assert_eq!(found, wanted, "{}", machine.console());
}

fn sh(machine: &Machine, command: &str) {
    let ran = machine.sh(command).unwrap();
    assert_eq!(ran.status, 0, "{command}: {ran:?}");
}

#[test]
fn a_file_is_created_modified_replaced_and_deleted_in_a_folder_that_comes_later() {
    let mut machine = machine(&[("told", &told("file FILE=/tmp/a/b/*.go"))]);
    sh(&machine, "mkdir -p /tmp/a/b && touch /tmp/a/b/x.go /tmp/a/b/no /tmp/a/b/.x.go");
    until_told(&mut machine, &["create /tmp/a/b/x.go"]);
    sh(&machine, "echo more >>/tmp/a/b/x.go");
    until_told(&mut machine, &["create /tmp/a/b/x.go", "modify /tmp/a/b/x.go"]);
    // Another file in its place was never a file that is gone.
    sh(&machine, "echo new >/tmp/new && mv /tmp/new /tmp/a/b/x.go");
    let so_far = ["create /tmp/a/b/x.go", "modify /tmp/a/b/x.go", "modify /tmp/a/b/x.go"];
    until_told(&mut machine, &so_far);
    sh(&machine, "rm /tmp/a/b/x.go");
    let so_far = [&so_far[..], &["delete /tmp/a/b/x.go"]].concat();
    until_told(&mut machine, &so_far);
    // The folder itself goes, comes back, and is put in the place of another.
    sh(&machine, "rm -r /tmp/a && mkdir -p /tmp/other/b && touch /tmp/other/b/y.go && mv /tmp/other /tmp/a");
    let so_far = [&so_far[..], &["create /tmp/a/b/y.go"]].concat();
    until_told(&mut machine, &so_far);
    sh(&machine, "mv /tmp/a /tmp/away");
    let so_far = [&so_far[..], &["delete /tmp/a/b/y.go"]].concat();
    until_told(&mut machine, &so_far);
    // What was there for a moment only was there.
    sh(&machine, "mkdir -p /tmp/a/b");
    sh(
        &machine,
        "mkdir -p /tmp/a/b && mv /tmp/away/b/y.go /tmp/a/b/z.go && rm /tmp/a/b/z.go; mkdir /tmp/a/b/w.go",
    );
    let found = machine.until_sh("grep 'create /tmp/a/b/w.go' /tmp/told").unwrap();
    assert_eq!(found, "create /tmp/a/b/w.go\n");
}

#[test]
fn what_lies_anywhere_below_a_folder_is_told_under_its_own_name() {
    let mut machine = machine(&[
        ("told", &told("file FILE=/srv/**/conf EVENT=create")),
        ("other", &told("file FILE=/srv/nowhere EVENT=create")),
    ]);
    sh(&machine, "mkdir -p '/srv/a/b c/d' && touch '/srv/a/b c/d/conf'");
    until_told(&mut machine, &["create /srv/a/b c/d/conf"]);
    sh(&machine, "ln -s /srv/a /srv/loop; mkdir /srv/e && touch /srv/e/conf");
    until_told(&mut machine, &["create /srv/a/b c/d/conf", "create /srv/e/conf"]);
    // A hostile name stands for nothing else than itself.
    sh(&machine, "d=\"/srv/$(printf 'x\\n$(touch pwned)')\"; mkdir \"$d\" && touch \"$d/conf\"");
    let found = machine.until_sh("tail -n 1 /tmp/told | grep pwned").unwrap();
    assert_eq!(found, "create /srv/x\\x0a$(touch pwned)/conf\n");
    sh(&machine, "test ! -e /pwned");
    // A folder that a user could have placed a link in leads nowhere.
    let limits = machine.ctl(&["limits"]).unwrap().out;
    assert!(limits.contains("path-folders"), "{limits}");
}

#[test]
fn a_storm_of_changes_is_few_events_and_the_last_state_is_told() {
    let job = "(start_on: \"file FILE=/tmp/storm EVENT=modify\", again: queue, task: true, console: none,
        exec: \"sh -c 'echo told >>/tmp/storms; cp /tmp/storm /tmp/last'\")";
    let mut machine = machine(&[("storm", job), ("created", &told("file FILE=/tmp/storm EVENT=create"))]);
    sh(&machine, "touch /tmp/storm");
    // What follows at once would be one with its coming.
    until_told(&mut machine, &["create /tmp/storm"]);
    sh(&machine, "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); echo $i >/tmp/storm; done");
    machine.until_sh("test \"$(cat /tmp/last)\" = 100000").unwrap();
    let times: u32 = machine.sh("wc -l </tmp/storms").unwrap().out.trim().parse().unwrap();
    assert!((1..400).contains(&times), "{times} events for 100,000 changes");
    assert_eq!(machine.ctl(&["status", "storm"]).unwrap().status, 0);
}

#[test]
fn what_the_kernel_had_no_room_for_is_found_by_looking_again() {
    let mut machine = machine(&[("told", &told("file FILE=/tmp/f/last"))]);
    sh(&machine, "mkdir /tmp/f && touch /tmp/f/last");
    until_told(&mut machine, &["create /tmp/f/last"]);
    // More than inotify keeps, while nobody reads it.
    machine.signal_init("STOP").unwrap();
    sh(
        &machine,
        "most=$(cat /proc/sys/fs/inotify/max_queued_events); i=0
         while [ $i -lt $most ]; do i=$((i+1)); : >/tmp/f/$i; done; rm /tmp/f/last",
    );
    machine.signal_init("CONT").unwrap();
    until_told(&mut machine, &["create /tmp/f/last", "delete /tmp/f/last"]);
    let limits = machine.ctl(&["limits"]).unwrap().out;
    let overflows = limits.lines().find(|line| line.contains("path-overflows")).unwrap().to_owned();
    assert!(!overflows.contains(" 0 "), "{overflows}");
}

#[test]
fn a_job_runs_while_a_path_is_there() {
    let mut machine = machine(&[
        ("one", "(while: \"path PATH=/tmp/p/one\", exec: \"sleep 10000\")"),
        ("each", "(while: \"path PATH=/tmp/p/*.d/\", instance: \"$MATCH\", exec: \"sleep 10000\")"),
    ]);
    let is = |machine: &mut Machine, job: &str, state: &str| {
        machine
            .until(&format!("{job} {state}"), |machine| {
                let shown = machine.ctl(&["list"])?.out;
                let mut lines = shown.lines().filter(|line| line.starts_with(job));
                Ok(lines.any(|line| line.contains(state)).then_some(()))
            })
            .unwrap_or_else(|failure| panic!("{failure}\n{}", machine.ctl(&["list"]).unwrap().out));
    };
    is(&mut machine, "one", "stop/waiting");
    sh(&machine, "mkdir -p /tmp/p/x.d /tmp/p/y.d && touch /tmp/p/one /tmp/p/z.d");
    is(&mut machine, "one", "start/running");
    is(&mut machine, "each", "/tmp/p/x.d");
    is(&mut machine, "each", "/tmp/p/y.d");
    assert!(!machine.ctl(&["list"]).unwrap().out.contains("z.d"), "only folders are meant");
    // What was there before PID 1 executed itself is there after it, and what went meanwhile is gone.
    let process = machine.ctl(&["status", "one"]).unwrap().out;
    assert_eq!(machine.ctl(&["reexec"]).unwrap().status, 0);
    sh(&machine, "rmdir /tmp/p/x.d");
    machine
        .until("x.d is gone", |machine| Ok((!machine.ctl(&["list"])?.out.contains("x.d")).then_some(())))
        .unwrap();
    assert_eq!(machine.ctl(&["status", "one"]).unwrap().out, process);
    sh(&machine, "rm -r /tmp/p");
    is(&mut machine, "one", "stop/waiting");
}

#[test]
fn nothing_is_told_twice_and_nothing_forgotten_by_the_image_after() {
    let mut machine = machine(&[("told", &told("file FILE=/tmp/k/*"))]);
    sh(&machine, "mkdir /tmp/k && touch /tmp/k/stays /tmp/k/goes /tmp/k/changes");
    machine.until_sh("test $(wc -l </tmp/told) -eq 3").unwrap();
    // Stopped before it is asked, so that all happens in one image's last moment.
    sh(&machine, "onsetctl reexec; rm /tmp/k/goes; echo x >/tmp/k/changes; touch /tmp/k/comes");
    machine.until_sh("test $(wc -l </tmp/told) -ge 6").unwrap();
    sh(&machine, "onsetctl reexec");
    sh(&machine, "touch /tmp/k/last");
    machine.until_sh("grep last /tmp/told").unwrap();
    let mut found: Vec<String> =
        machine.sh("tail -n +4 /tmp/told").unwrap().out.lines().map(String::from).collect();
    found.sort();
    let wanted = ["create /tmp/k/comes", "create /tmp/k/last", "delete /tmp/k/goes", "modify /tmp/k/changes"];
    assert_eq!(found, wanted);
}

#[test]
fn a_changed_configuration_file_reloads_or_restarts_what_runs() {
    let reader = "(exec: \"sh -c 'trap \\\"echo again >>/tmp/reader\\\" USR1; echo up >>/tmp/reader; \
                  while :; do sleep 1000 & wait $!; done'\",
        reload: signal(\"USR1\"), reload_on: [\"/etc/reader/**\"])";
    let other =
        "(exec: \"sh -c 'echo up >>/tmp/other; exec sleep 1000'\", restart_on: [\"/etc/other.conf\"])";
    let mut machine = machine(&[
        ("reader", reader),
        ("other", other),
        ("seen-a", &told("file FILE=/etc/reader/**")),
        ("seen-other", &told("file FILE=/etc/other.conf")),
    ]);
    sh(&machine, "mkdir /etc/reader; echo 1 >/etc/reader/a; echo 1 >/etc/other.conf");
    // What was there before a job is up is no change to it.
    machine.until_sh("grep /etc/reader/a /tmp/told && grep /etc/other.conf /tmp/told").unwrap();
    for job in ["reader", "other"] {
        assert_eq!(machine.ctl(&["start", job]).unwrap().status, 0);
    }
    machine.until_sh("grep up /tmp/reader && grep up /tmp/other").unwrap();
    sh(&machine, "mkdir /etc/reader/sites && echo 2 >/etc/reader/sites/b");
    machine.until_sh("grep again /tmp/reader").unwrap();
    sh(&machine, "echo 2 >/etc/.other && mv /etc/.other /etc/other.conf");
    machine.until_sh("test $(wc -l </tmp/other) -eq 2").unwrap();
    let log = machine.ctl(&["log", "onset"]).unwrap().out;
    assert!(log.contains("restarts: /etc/other.conf has changed"), "{log}");
    assert!(log.contains("reloads: /etc/reader/sites"), "{log}");
    // Only what runs.
    assert_eq!(machine.ctl(&["stop", "other"]).unwrap().status, 0);
    sh(&machine, "echo 3 >/etc/other.conf; echo 3 >/etc/reader/a");
    machine.until_sh("test $(grep -c again /tmp/reader) -ge 2").unwrap();
    assert_eq!(machine.sh("wc -l </tmp/other").unwrap().out.trim(), "2");
}

#[test]
fn what_cannot_be_watched_is_said_with_the_job() {
    let mut machine = machine(&[("lost", "(start_on: \"file FILE=etc/x\", exec: \"true\", task: true)")]);
    let found = machine.until("a warning", |machine| {
        let log = machine.ctl(&["log", "onset"])?.out;
        Ok(log.lines().find(|line| line.contains("etc/x")).map(String::from))
    });
    let found = found.unwrap();
    assert!(
        found.contains("job `lost`: `file FILE=etc/x` is not watched: `etc/x`: it does not begin with `/`"),
        "{found}"
    );
}

/// A job that writes down what it is told of mounts.
const MOUNTS: &str =
    "(start_on: \"mounted MOUNTPOINT=/m* or unmounted MOUNTPOINT=/m* or remounted MOUNTPOINT=/m*\",
    again: queue, task: true, console: none,
    exec: \"sh -c 'echo $UPSTART_EVENTS $TYPE $ROOT $MOUNTPOINT >>/tmp/told'\")";

#[test]
fn mounts_are_told_as_they_come_change_and_go() {
    let mut machine = machine(&[
        ("told", MOUNTS),
        ("early", "(start_on: \"mounted MOUNTPOINT=/proc\", exec: \"touch /tmp/early\", task: true)"),
        ("while", "(while: \"mount MOUNTPOINT='/mnt two' TYPE=tmpfs\", exec: \"sleep 10000\")"),
    ]);
    // What was mounted before is told when the jobs are there.
    machine.until_sh("test -e /tmp/early").unwrap();
    sh(&machine, "mkdir -p '/mnt two' /mnt && mount -t tmpfs none '/mnt two'");
    until_told(&mut machine, &["mounted tmpfs /mnt two"]);
    machine.until_sh("onsetctl status while | grep running").unwrap();
    sh(&machine, "mkdir '/mnt two/sub' && mount -o bind '/mnt two/sub' /mnt");
    until_told(&mut machine, &["mounted tmpfs /mnt two", "mounted tmpfs /sub /mnt"]);
    sh(&machine, "mount -o remount,bind,ro /mnt");
    let so_far = ["mounted tmpfs /mnt two", "mounted tmpfs /sub /mnt", "remounted tmpfs /sub /mnt"];
    until_told(&mut machine, &so_far);
    // The image after knows what the one before has told.
    assert_eq!(machine.ctl(&["reexec"]).unwrap().status, 0);
    sh(&machine, "umount /mnt");
    let so_far = [&so_far[..], &["unmounted tmpfs /sub /mnt"]].concat();
    until_told(&mut machine, &so_far);
    sh(&machine, "umount '/mnt two'");
    let so_far = [&so_far[..], &["unmounted tmpfs /mnt two"]].concat();
    until_told(&mut machine, &so_far);
    machine.until_sh("onsetctl status while | grep waiting").unwrap();
}

#[test]
fn a_file_system_that_is_mounted_over_a_watched_folder_is_looked_into() {
    let mut machine = machine(&[("told", &told("file FILE=/mnt/x/conf"))]);
    sh(&machine, "mkdir -p /mnt/x && touch /mnt/x/conf");
    until_told(&mut machine, &["create /mnt/x/conf"]);
    sh(&machine, "mount -t tmpfs none /mnt");
    until_told(&mut machine, &["create /mnt/x/conf", "delete /mnt/x/conf"]);
    sh(&machine, "mkdir /mnt/x && touch /mnt/x/conf");
    let so_far = ["create /mnt/x/conf", "delete /mnt/x/conf", "create /mnt/x/conf"];
    until_told(&mut machine, &so_far);
    // Another file of that name comes to light.
    sh(&machine, "umount /mnt");
    until_told(&mut machine, &[&so_far[..], &["modify /mnt/x/conf"]].concat());
}

#[test]
fn thousands_of_mounts_come_and_go_while_people_are_answered() {
    let mut machine = machine(&[("told", "(while: \"mount MOUNTPOINT=/m/2000\", exec: \"sleep 10000\")")]);
    sh(
        &machine,
        "mkdir /m; cd /m; i=0
         while [ $i -lt 2000 ]; do i=$((i+1)); mkdir $i && mount -t tmpfs none $i || exit 1; done",
    );
    machine.until_sh("onsetctl status told | grep running").unwrap();
    sh(&machine, "cd /m; i=0; while [ $i -lt 2000 ]; do i=$((i+1)); umount $i; done");
    machine.until_sh("onsetctl status told | grep waiting").unwrap();
}
