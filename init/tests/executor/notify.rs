//! What jobs say through their socket, and sockets that are opened for them.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::{UnixDatagram, UnixStream},
    process::ExitCode,
    sync::Arc,
};

use events::Text;
use jobs::{Exit, Input, ProcessKind, Ready, Signal, Socket};

use crate::machine::{ALL, Machine, Test, USUAL, exec, job, say as saying, work};

pub const TESTS: &[Test] = &[
    Test { name: "a_message_makes_ready", ways: ALL, run: a_message_makes_ready },
    Test { name: "the_last_word_of_a_process_is_heard", ways: ALL, run: the_last_word_of_a_process_is_heard },
    Test {
        name: "main_is_whom_the_job_names_if_it_is_its_own",
        ways: ALL,
        run: main_is_whom_the_job_names_if_it_is_its_own,
    },
    Test { name: "a_stranger_is_not_believed", ways: ALL, run: a_stranger_is_not_believed },
    Test { name: "a_flood_of_messages_is_dammed", ways: USUAL, run: a_flood_of_messages_is_dammed },
    Test {
        name: "who_does_not_say_that_it_lives_is_killed",
        ways: ALL,
        run: who_does_not_say_that_it_lives_is_killed,
    },
    Test {
        name: "who_waits_for_its_descriptor_to_be_closed_goes_on",
        ways: USUAL,
        run: who_waits_for_its_descriptor_to_be_closed_goes_on,
    },
    Test { name: "a_socket_is_handed_to_each_life", ways: USUAL, run: a_socket_is_handed_to_each_life },
    Test {
        name: "a_socket_that_cannot_be_had_is_named",
        ways: USUAL,
        run: a_socket_that_cannot_be_had_is_named,
    },
];

/// The other half of this program: says each of `messages` to who listens.
pub fn say(messages: &[String]) -> ExitCode {
    let address = std::env::var("NOTIFY_SOCKET").unwrap();
    let socket = UnixDatagram::unbound().unwrap();
    for message in messages {
        let message =
            message.replace("\\n", "\n").replace("PARENT", &std::os::unix::process::parent_id().to_string());
        if message.starts_with("BARRIER") {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let address = nix::sys::socket::UnixAddr::new(address.as_str()).unwrap();
            let fds = [std::os::fd::AsRawFd::as_raw_fd(&theirs)];
            let rights = [nix::sys::socket::ControlMessage::ScmRights(&fds)];
            let bytes = [std::io::IoSlice::new(message.as_bytes())];
            let raw = std::os::fd::AsRawFd::as_raw_fd(&socket);
            let flags = nix::sys::socket::MsgFlags::empty();
            nix::sys::socket::sendmsg(raw, &bytes, &rights, flags, Some(&address)).unwrap();
            drop(theirs);
            let mut end = String::new();
            (&ours).read_to_string(&mut end).unwrap();
            continue;
        }
        let times = if message.contains("FLOOD") { 5_000 } else { 1 };
        for _ in 0..times {
            socket.send_to(message.as_bytes(), &address).unwrap();
        }
    }
    ExitCode::SUCCESS
}

fn status(machine: &Machine, life: jobs::Life) -> Option<String> {
    machine.executor().status_text(life).map(String::from)
}

fn a_message_makes_ready(machine: &mut Machine) {
    let script = format!("{}; exec sleep 1000", saying("' 'X\nSTATUS=warm\nFDSTORE=1\nREADY=1\n"));
    let life = machine.run(Ready::Notify, &script);
    assert_eq!(machine.is_ready(life), None);
    assert_eq!(status(machine, life).as_deref(), Some("warm"));
    machine.kill_all(life);
    machine.emptied(life);
    machine.forget(life);
    assert_eq!(std::fs::read_dir("/run/onset/notify").unwrap().count(), 0);
    // Without a folder for it, too.
    std::fs::create_dir_all(format!("{}/root", machine.folder)).unwrap();
    let mut in_root = exec(&["/x"]);
    in_root.chroot = Some(format!("{}/root", machine.folder).into());
    let life = machine.start(&job(Ready::Notify), &in_root);
    machine.unspawned(life);
    assert_eq!(std::fs::read_dir("/run/onset/notify").unwrap().count(), 0);
    machine.forget(life);
}

fn the_last_word_of_a_process_is_heard(machine: &mut Machine) {
    for _ in 0..20 {
        let life = machine.run(Ready::Notify, &format!("exec {}", saying("READY=1")));
        let inputs = machine.until("exited", life, |input| matches!(input, Input::Exited { .. }));
        assert!(matches!(inputs[1], Input::Ready { .. }), "{inputs:?}");
        machine.forget(life);
    }
}

fn main_is_whom_the_job_names_if_it_is_its_own(machine: &mut Machine) {
    let other = machine.run(Ready::Spawned, "exec sleep 1000");
    let foreign = machine.spawned(other);
    let script = format!(
        "{}; {}; sh -c \"{}; exec sleep 1000\" & exec sleep 1000",
        saying("MAINPID=1"),
        saying(&format!("MAINPID={foreign}")),
        saying("MAINPID=PARENT\nREADY=1")
    );
    let life = machine.run(Ready::Notify, &script);
    let first = machine.spawned(life);
    let main = machine.is_ready(life).unwrap();
    assert!(![1, foreign, first].contains(&main), "{main}");
    init::sys::wait::kill(main, 9);
    assert!(machine.main_exited(life).1);
    machine.kill_all(life);
    machine.emptied(life);
}

fn a_stranger_is_not_believed(machine: &mut Machine) {
    let life = machine
        .run(Ready::Notify, &format!("echo $NOTIFY_SOCKET > {}/address; exec sleep 1000", machine.folder));
    let address = machine.await_line("address");
    // PID 1 itself is in no job.
    let socket = UnixDatagram::unbound().unwrap();
    for message in [&b"READY=1"[..], b"", &[b'x'; 5_000], &[0xFF, b'\n', b'=']] {
        socket.send_to(message, &address).unwrap();
    }
    let again = machine.run(Ready::Notify, &saying("READY=1"));
    machine.is_ready(again);
    assert!(!machine.seen.iter().any(|input| matches!(input, Input::Ready { life: of, .. } if *of == life)));
}

fn a_flood_of_messages_is_dammed(machine: &mut Machine) {
    let script = format!("exec {}", saying("STATUS=FLOOD' 'READY=1"));
    let life = machine.run(Ready::Notify, &script);
    let began = Machine::now();
    let other = machine.run(Ready::Spawned, ":");
    machine.main_exited(other);
    machine.is_ready(life);
    // A thousand in each second.
    assert!(Machine::now().since(began).as_secs() >= 3);
    machine.main_exited(life);
}

fn who_does_not_say_that_it_lives_is_killed(machine: &mut Machine) {
    let script = format!(
        "{0}; {0}; trap 'exit 0' ABRT; echo $WATCHDOG_USEC $WATCHDOG_PID $$ > {1}/watchdog; while :; do sleep 1; done",
        saying("WATCHDOG=1"),
        machine.folder
    );
    let mut work = work(&script);
    work.watchdog = Some(std::time::Duration::from_millis(700));
    let life = machine.start(&job(Ready::Spawned), &work);
    // Whatever it says when it ends.
    assert_eq!(machine.main_exited(life).0, Exit::Signal("ABRT".parse::<Signal>().unwrap()));
    let said = machine.read("watchdog");
    let words: Vec<&str> = said.split_whitespace().collect();
    assert_eq!((words[0], words[1]), ("700000", words[2]));
    machine.kill_all(life);
    machine.emptied(life);
    // One that knows it itself need not wait.
    let script = format!("{}; exec sleep 1000", saying("WATCHDOG=trigger"));
    let life = machine.run(Ready::Notify, &script);
    assert_eq!(machine.main_exited(life).0, Exit::Signal("ABRT".parse::<Signal>().unwrap()));
    let warnings = machine.with(|executor, _| executor.take_warnings());
    assert!(warnings.iter().any(|warning| warning.contains("no WATCHDOG=1 within 700ms")), "{warnings:?}");
}

fn who_waits_for_its_descriptor_to_be_closed_goes_on(machine: &mut Machine) {
    let script = format!("{}; echo on > {}/on", saying("READY=1' 'BARRIER=1"), machine.folder);
    let life = machine.run(Ready::Notify, &script);
    assert_eq!(machine.await_line("on"), "on");
    machine.main_exited(life);
}

fn a_socket_is_handed_to_each_life(machine: &mut Machine) {
    let path = format!("{}/listen", machine.folder);
    let socket =
        |listen: &str| Socket { listen: listen.into(), name: None, mode: None, user: None, group: None };
    let script = "echo $LISTEN_FDS $LISTEN_FDNAMES $(($LISTEN_PID - $$)); readlink /proc/$$/fd/3";
    let mut work = work(script);
    work.sockets = vec![
        Socket {
            name: Some("door".into()),
            mode: Some(0o640),
            group: Some("gid:7".into()),
            ..socket(&format!("unix:{path}"))
        },
        socket(&format!("unix:@{path}")),
    ];
    let first = machine.said(&job(Ready::Spawned), &work);
    assert!(first.starts_with("2 door:test 0\nsocket:["), "{first}");
    let file = std::fs::metadata(&path).unwrap();
    use std::os::unix::fs::MetadataExt as _;
    assert_eq!((file.mode() & 0o777, file.gid()), (0o640, 7));
    // Between two lives it can be spoken to.
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(b"x").unwrap();
    assert_eq!(machine.said(&job(Ready::Spawned), &work), first);
    // What the job has no longer is closed.
    work.sockets.remove(0);
    let other = machine.said(&job(Ready::Spawned), &crate::machine::work("echo $LISTEN_FDS"));
    assert_eq!(other, "\n");
    assert!(UnixStream::connect(&path).is_err() && !std::path::Path::new(&path).exists());
    assert_ne!(machine.said(&job(Ready::Spawned), &work), first);
    let mut sockets = std::mem::take(&mut machine.sockets);
    machine.with(|_, shell| sockets.close(shell, "test", ""));
    machine.sockets = sockets;
    let text: Text = machine.said(&Arc::new(jobs::Job::clone(&job(Ready::Spawned))), &work).into();
    assert!(text.starts_with("1 test 0"), "{text}");
}

fn a_socket_that_cannot_be_had_is_named(machine: &mut Machine) {
    let mut work = exec(&["/bin/true"]);
    let listen = "unix:/no/such/folder/socket";
    work.sockets = vec![Socket { listen: listen.into(), name: None, mode: None, user: None, group: None }];
    let life = machine.start(&job(Ready::Spawned), &work);
    assert_eq!(machine.unspawned(life), format!("socket: {listen}: no such file or directory"));
    let life = machine.life();
    machine.spawn(life, ProcessKind::Main, &job(Ready::Spawned), &exec(&["/bin/true"]), "");
    assert_eq!(machine.main_exited(life).0, Exit::Code(0));
}
