//! Disks without room: small file systems in memory, in a mount namespace of the test's own thread.

use std::{fs, io::Write as _, path::Path, process::Stdio};

use nix::{
    errno::Errno,
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};

use crate::machine::Machine;

/// Whether this thread, and what it starts, has mounts of its own now: only root may have them.
fn has_own_mounts() -> bool {
    match unshare(CloneFlags::CLONE_NEWNS) {
        Err(Errno::EPERM) => false,
        other => {
            other.unwrap();
            mount(None::<&str>, "/", None::<&str>, MsFlags::MS_PRIVATE | MsFlags::MS_REC, None::<&str>)
                .unwrap();
            true
        }
    }
}

fn small_disk(at: &Path, size: &str, more: MsFlags) {
    fs::create_dir_all(at).unwrap();
    mount(Some("small"), at, Some("tmpfs"), more, Some(format!("size={size}").as_str())).unwrap();
}

/// 80 bytes with their time.
fn line(number: usize) -> String {
    format!("{number:054}\n")
}

#[test]
fn what_a_full_disk_does_not_take_goes_there_later() {
    if !has_own_mounts() {
        return;
    }
    let mut machine = Machine::new(true);
    let disk = machine.root.join("var/log");
    small_disk(&disk, "256k", MsFlags::empty());
    machine.start_keeper(Stdio::null());
    machine.with(|logs, shell| logs.writable(shell));
    let life = machine.life();
    let mut pipe = fs::File::from(machine.output(life, "web", ""));
    for number in 0..4_000 {
        pipe.write_all(line(number).as_bytes()).unwrap();
        if number % 500 == 499 {
            machine.until("it is kept", |machine| machine.lines("web").len() == number + 1);
        }
    }
    assert!(machine.early().join("web.log").is_file());
    // Killed while the disk is full: what was kept early is kept.
    machine.kill_keeper();
    machine.start_keeper(Stdio::null());
    small_disk(&disk, "4m", MsFlags::MS_REMOUNT);
    machine.with(|logs, shell| logs.writable(shell));
    pipe.write_all(line(4_000).as_bytes()).unwrap();
    machine.until("all is where it belongs", |machine| {
        crate::machine::log_in(&machine.lasting(), "web").lines().count() == 4_001
    });
    for (number, kept) in machine.lines("web").iter().enumerate() {
        assert_eq!(kept, line(number).trim_end());
    }
    assert!(machine.lines("onset").iter().any(|line| line.contains("cannot write in")));
    nix::mount::umount2(&disk, nix::mount::MntFlags::MNT_DETACH).unwrap();
}

#[test]
fn what_no_disk_takes_stays_in_memory_and_the_oldest_goes() {
    if !has_own_mounts() {
        return;
    }
    let mut machine = Machine::new(true);
    let disks = [machine.root.join("var/log"), machine.root.join("run")];
    for disk in &disks {
        small_disk(disk, "64k", MsFlags::empty());
    }
    machine.start_keeper(Stdio::null());
    machine.with(|logs, shell| logs.writable(shell));
    let life = machine.life();
    let mut pipe = fs::File::from(machine.output(life, "web", ""));
    // Nobody works on the pipe but the keeper: this comes to an end because it goes on.
    for number in 0..20_000 {
        pipe.write_all(line(number).as_bytes()).unwrap();
        if number % 100 == 0 {
            machine.turn();
        }
    }
    for disk in &disks {
        small_disk(disk, "4m", MsFlags::MS_REMOUNT);
    }
    machine.with(|logs, shell| logs.writable(shell));
    pipe.write_all(line(20_000).as_bytes()).unwrap();
    machine.until("the last line is kept", |machine| {
        crate::machine::log_in(&machine.lasting(), "web").contains(&line(20_000))
    });
    let lines = machine.lines("web");
    let (lost, kept): (Vec<_>, Vec<_>) =
        lines.iter().partition(|line| line.contains("bytes of output are lost here"));
    assert!(!lost.is_empty());
    let numbers: Vec<usize> = kept.iter().map(|line| line.parse().unwrap()).collect();
    assert!(numbers.is_sorted() && numbers[0] == 0 && numbers.len() > 1_000, "{numbers:?}");
    let whole = numbers.len() * 80;
    let said: usize = lost.iter().map(|line| line.split(' ').nth(1).unwrap().parse::<usize>().unwrap()).sum();
    assert_eq!(whole + said, 20_001 * 80);
    for disk in &disks {
        nix::mount::umount2(disk, nix::mount::MntFlags::MNT_DETACH).unwrap();
    }
}
