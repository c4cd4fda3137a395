//! Faults that need more than a scenario: loops of waits, stopped processes, paths that change under PID 1, and
//! machines that go down at any moment. `faults.ron` says which test belongs to which fault; `make faults` runs them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test may fail where it stands; threads steer a machine that is not theirs"
)]

use std::{
    env,
    os::unix::fs::MetadataExt as _,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use vm_tests::{
    folder::Folder,
    guest,
    kernel::Kernel,
    limit::{Limit, timed},
    namespace::{Machine, Options, Ran},
    qemu,
};

/// How often something is done again, where more often only finds more. `ONSET_ROUNDS` says otherwise.
fn rounds(usual: u32) -> u32 {
    env::var("ONSET_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(usual)
}

fn machine(jobs: &[(&str, &str)]) -> Machine {
    // Not a container's PID 1, but a machine's.
    let environment = vec![("container".into(), String::new())];
    let machine = Machine::start(jobs, &Options { environment, ..Options::default() }).unwrap();
    let ran = machine.ctl(&["settled", "--wait", "--timeout", "50s"]).unwrap();
    assert_eq!(ran.status, 0, "{ran:?}\n{}", machine.console());
    machine
}

fn status(machine: &Machine, job: &str) -> String {
    machine.ctl(&["status", job]).unwrap().out
}

#[track_caller]
fn well(ran: &Ran) {
    assert_eq!(ran.status, 0, "{ran:?}");
}

/// It was done, or it is said that this is not known because PID 1 has executed itself meanwhile.
#[track_caller]
fn answered(ran: &Ran) {
    assert!(matches!(ran.status, 0 | 7), "{ran:?}");
}

#[test]
fn every_member_of_a_loop_starts_and_the_loop_is_told() {
    // Loops of two to five jobs, and one beside them that is in none.
    let job =
        |before: &str| format!("(start_on: \"startup\", requires: [\"{before}\"], exec: \"sleep 1000\")");
    let mut files: Vec<(String, String)> =
        vec![("free".into(), "(start_on: \"startup\", exec: \"sleep 1000\")".into())];
    for size in 2..=5_u32 {
        for at in 0..size {
            files.push((format!("ring{size}-{at}"), job(&format!("ring{size}-{}", (at + 1) % size))));
        }
    }
    let borrowed: Vec<(&str, &str)> =
        files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let mut machine = machine(&borrowed);
    for (name, _) in &files {
        let status = status(&machine, name);
        assert!(status.starts_with(&format!("{name} start/running")), "{status}\n{}", machine.console());
    }
    let told = machine.ctl(&["check", "/etc/onset/jobs"]).unwrap();
    assert_eq!(told.status, 1, "{told:?}");
    for size in 2..=5 {
        let members: Vec<String> = (0..size).map(|at| format!("ring{size}-{at}")).collect();
        let ring = |line: &&str| members.iter().all(|member| line.contains(member.as_str()));
        assert_eq!(machine.console().lines().filter(ring).count(), 1, "ring {size}: {}", machine.console());
        assert!(told.out.lines().any(|line| ring(&line)), "ring {size}: {told:?}");
    }
    assert_eq!(machine.ctl(&["check", "--strict", "/etc/onset/jobs"]).unwrap().status, 1);

    // One that comes while the machine runs: it is in force, its loop is told, and nobody else is touched.
    let before = status(&machine, "free");
    for (name, other) in [("late-a", "late-b"), ("late-b", "late-a")] {
        well(&machine.sh(&format!("echo '{}' >/etc/onset/jobs/{name}.ron", job(other))).unwrap());
    }
    let reloaded = machine.ctl(&["reload-configuration"]).unwrap();
    machine.until_sh("onsetctl status late-a && onsetctl status late-b").unwrap();
    well(&machine.ctl(&["start", "late-a"]).unwrap());
    well(&machine.ctl(&["start", "late-b"]).unwrap());
    let is_told = |told: &str| told.contains("late-b -> late-a") || told.contains("late-a -> late-b");
    machine.until("the loop is told", |machine| Ok(is_told(&machine.console()).then_some(()))).unwrap();
    well(&reloaded);
    assert_eq!(status(&machine, "free"), before);
}

#[test]
fn a_service_that_was_stopped_by_a_signal_is_shown_and_ends() {
    let job =
        "(start_on: \"startup\", script: \"echo $$ >/tmp/pid; exec sleep 1000\", kill: (timeout: \"1h\"))";
    let mut machine = machine(&[("service", job)]);
    machine.until_sh("test -s /tmp/pid").unwrap();
    well(&machine.sh("kill -STOP $(cat /tmp/pid)").unwrap());
    machine.until_sh("onsetctl status service | grep 'main is stopped by a signal'").unwrap();
    // KILL is an hour away: it ends because it goes on to hear TERM.
    let (took, ran) = timed(|| machine.ctl(&["stop", "service"]).unwrap());
    well(&ran);
    assert_eq!(status(&machine, "service"), "service stop/waiting\n");
    println!("measured the stop of a stopped process took {} ms", took.as_millis());

    // One that does not heed TERM either is killed.
    let job = "(script: \"trap \\\"\\\" TERM; echo $$ >/tmp/stubborn; while :; do sleep 1000; done\", kill: (timeout: \"1s\"))";
    well(
        &machine
            .sh(&format!("echo '{job}' >/etc/onset/jobs/stubborn.ron; onsetctl reload-configuration"))
            .unwrap(),
    );
    well(&machine.ctl(&["start", "stubborn"]).unwrap());
    machine.until_sh("test -s /tmp/stubborn && kill -STOP $(cat /tmp/stubborn)").unwrap();
    let (took, ran) = timed(|| machine.ctl(&["stop", "stubborn"]).unwrap());
    well(&ran);
    println!("measured the stop of one that ignores TERM, after 1 s, took {} ms", took.as_millis());
    assert_ne!(machine.sh("kill -0 $(cat /tmp/stubborn)").unwrap().status, 0);
}

#[test]
fn nobodys_link_leads_to_what_is_roots() {
    if !nix::unistd::geteuid().is_root() {
        println!("measured nothing: only root has other users");
        return;
    }
    // Root's job has a socket in a folder of nobody, who swaps that folder, and what is in it, all the time.
    let job = "(exec: \"sleep 1000\", sockets: [(listen: \"unix:/home/nobody/dir/sock\", user: \"nobody\", mode: \"600\")])";
    let folder = |name: &str| format!("/home/nobody/{name}");
    let machine = machine(&[("victim", job)]);
    well(&machine.sh("mkdir -p /home/nobody/dir /home/nobody/own /secret && chmod 700 /secret").unwrap());
    well(&machine.sh("chown -R nobody /home/nobody && echo secret >/secret/file").unwrap());
    // A socket of root's, under the name that the job's has.
    let secret = machine.path("/secret/sock");
    let held = std::os::unix::net::UnixListener::bind(&secret).unwrap();
    assert!(machine.path(&folder("dir")).exists());
    let over = AtomicBool::new(false);
    let swaps = thread::scope(|scope| {
        let swapper = scope.spawn(|| {
            let mut swaps = 0_u32;
            let (dir, link, own) =
                (machine.path(&folder("dir")), machine.path(&folder("link")), machine.path(&folder("own")));
            std::os::unix::fs::symlink("/secret", &link).unwrap();
            while !over.load(Ordering::Relaxed) {
                // The folder goes and the link to root's takes its place, or a second name of root's socket does.
                let aside = machine.path(&folder("aside"));
                let _ = std::fs::rename(&dir, &aside);
                let _ = std::fs::rename(&link, &dir);
                let _ = std::fs::rename(&dir, &link);
                let _ = std::fs::rename(&aside, &dir);
                let sock = dir.join("sock");
                let _ = std::fs::remove_file(&sock);
                let _ = std::fs::hard_link(&secret, &sock);
                let _ = std::fs::remove_file(own.join("none"));
                swaps += 1;
            }
            swaps
        });
        for _ in 0..rounds(40) {
            // It may be refused: there is no folder at times.
            let _ = machine.ctl(&["start", "victim"]).unwrap();
            let _ = machine.ctl(&["stop", "victim"]).unwrap();
        }
        over.store(true, Ordering::Relaxed);
        swapper.join().unwrap()
    });
    println!("measured {swaps} swaps of a folder during {} starts", rounds(40));
    let after = std::fs::symlink_metadata(&secret).expect("root's socket is still there");
    assert_eq!((after.uid(), after.mode() & 0o170_000), (0, 0o140_000), "root's socket is root's");
    drop(held);
}

#[test]
fn reloads_starts_events_and_execs_at_once_lose_nothing() {
    let still = "(start_on: \"startup\", exec: \"sleep 100000\")";
    let machine = machine(&[
        ("still", still),
        ("quiet", still),
        ("churn", "(exec: \"sleep 1000\")"),
        ("hears", "(start_on: \"knock\", again: queue, task: true, script: \"echo >>/tmp/heard\")"),
    ]);
    let before = (status(&machine, "still"), status(&machine, "quiet"));
    let count = rounds(15);
    let over = AtomicBool::new(false);
    let machine = &machine;
    let again = |act: &(dyn Fn(u32) + Sync)| {
        let mut round = 0;
        while !over.load(Ordering::Relaxed) {
            act(round);
            round += 1;
        }
        round
    };
    let done = thread::scope(|scope| {
        let reloads = scope.spawn(|| {
            again(&|round| {
                let file = format!("(description: \"{round}\", exec: \"sleep 1000\")");
                std::fs::write(machine.path("/etc/onset/jobs/churn.ron"), file).unwrap();
                answered(&machine.ctl(&["reload-configuration"]).unwrap());
            })
        });
        let starts = scope.spawn(|| {
            again(&|_| {
                answered(&machine.ctl(&["start", "churn"]).unwrap());
                answered(&machine.ctl(&["stop", "churn"]).unwrap());
            })
        });
        let events =
            scope.spawn(|| again(&|_| answered(&machine.ctl(&["emit", "--no-wait", "knock"]).unwrap())));
        for _ in 0..count {
            well(&machine.ctl(&["reexec"]).unwrap());
            assert_eq!((status(machine, "still"), status(machine, "quiet")), before);
        }
        over.store(true, Ordering::Relaxed);
        [reloads, starts, events].map(|it| it.join().unwrap())
    });
    assert_eq!((status(machine, "still"), status(machine, "quiet")), before);
    assert_eq!(status(machine, "churn"), "churn stop/waiting\n");
    let list = machine.ctl(&["list"]).unwrap().out;
    assert!(["churn", "hears", "quiet", "still"].iter().all(|job| list.contains(job)), "{list}");
    let [reloads, starts, events] = done;
    println!(
        "measured {count} execs, {reloads} reloads, {starts} starts and stops, {events} events: no process lost"
    );
}

/// A machine of busybox and Onset with these jobs, in which the clock counts instructions.
fn booted(jobs: &[(&str, String)], append: &str) -> qemu::Machine {
    let kernel = Kernel::find().unwrap();
    let mut tree = guest::machine(&kernel).unwrap();
    for (name, text) in jobs {
        tree.text(&format!("etc/onset/jobs/{name}.ron"), text);
    }
    let folder = Folder::new("faults").unwrap();
    let initrd = folder.join("initrd");
    tree.write_cpio(&initrd).unwrap();
    let mut machine = qemu::Machine::start(&qemu::Plan {
        kernel: kernel.image,
        initrd,
        disk: None,
        is_kept: false,
        port: true,
        append: format!("rdinit=/sbin/init {append}"),
        memory: 256,
        processors: 1,
        clock: qemu::Clock::Counted,
    })
    .unwrap();
    // Its files are read by now.
    machine.until_console("onset", Limit::seconds(180)).unwrap();
    machine
}

/// A number that looks random and is the same for the same seed.
fn mixed(seed: u64, below: u64) -> u64 {
    let mut state = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (state ^ (state >> 31)) % below
}

#[test]
fn a_machine_goes_down_at_any_moment_of_its_boot() {
    let slow = |requires: &str| {
        format!(
            "(start_on: \"startup\", requires: [{requires}], script: \"sleep 0.2; exec sleep 1000\", ready: spawned)"
        )
    };
    let mut named = 0;
    for seed in 0..u64::from(rounds(1)) {
        // The first request decides how the machine goes down; the second halves the time that is left.
        let (first, second) =
            if mixed(seed, 2) == 0 { ("poweroff", "reboot") } else { ("reboot", "poweroff") };
        let (at, between) = (mixed(seed + 1000, 3_000), mixed(seed + 2000, 1_500));
        let seconds = |ms: u64| format!("{}.{:03}", ms / 1000, ms % 1000);
        let ends = format!(
            "(start_on: \"startup\", kill: (timeout: \"4s\"), script: \"trap '' TERM; sleep {}; onsetctl {first}; sleep {}; onsetctl {second}; exec sleep 1000\")",
            seconds(at),
            seconds(between)
        );
        let jobs = [
            ("one", slow("")),
            ("two", slow("\"one\"")),
            ("three", slow("\"two\"")),
            ("task", "(start_on: \"startup\", requires: [\"one\"], task: true, script: \"sleep 1\")".into()),
            (
                "hung",
                "(start_on: \"startup\", kill: (timeout: \"7s\"), script: \"trap '' TERM; while :; do sleep 1000; done\")"
                    .into(),
            ),
            ("ends", ends),
        ];
        let mut machine = booted(&jobs, "quiet");
        let end = machine.until_end(Limit::seconds(400)).unwrap();
        let wanted = if first == "poweroff" { "guest-shutdown" } else { "guest-reset" };
        assert_eq!(end, wanted, "seed {seed}: {first} at {at} ms\n{}", machine.console());
        assert!(!machine.console().contains("Kernel panic"), "seed {seed}\n{}", machine.console());
        named += u32::from(machine.console().contains("hung stop/killed"));
    }
    println!(
        "measured {} shutdowns during the boot, in {named} of which the service that hangs was named",
        rounds(1)
    );
}
