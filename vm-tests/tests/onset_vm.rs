//! `onset-vm run`: a command's output and status come back from the machine. PID 1 is a script here, so that
//! this is about the way back only; the scenarios are about Onset.
#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::process::{Command, Output};

use vm_tests::{folder::Folder, guest};

fn run(options: &[&str], command: &[&str]) -> (Option<i32>, String) {
    let script = if options.contains(&"--root") { "vm.init=/sbin/no-init" } else { "rdinit=/sbin/no-init" };
    let output: Output = Command::new(env!("CARGO_BIN_EXE_onset-vm"))
        .args(["run", "--memory", "256", "--timeout", "120", "--append", script])
        .args(options)
        .arg("--")
        .args(command)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    (output.status.code(), format!("{}{stderr}", String::from_utf8_lossy(&output.stdout)))
}

#[test]
fn a_commands_output_and_status_come_back() {
    assert_eq!(run(&[], &["echo \"a  b\"; exit 7"]), (Some(7), "a  b\n".into()));
    assert_eq!(run(&[], &["printf", "%s|", "it's", "a  b"]), (Some(0), "it's|a  b|".into()));
}

#[test]
fn without_a_port_they_come_over_the_console() {
    assert_eq!(run(&["--no-port"], &["seq 1 3; exit 7"]), (Some(7), "1\n2\n3\n".into()));
}

#[test]
fn a_folder_can_be_the_root() {
    let folder = Folder::new("root").unwrap();
    guest::write_no_init(folder.path()).unwrap();
    let root = folder.path().to_string_lossy().into_owned();
    let command = "test -x /sbin/onsetctl && grep -c '/dev/vda / ext4 ro' /proc/mounts";
    assert_eq!(run(&["--root", &root], &[command]), (Some(0), "1\n".into()));
}

#[test]
fn onset_runs_a_command_and_hands_on_its_status() {
    let run = |command: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_onset-vm"))
            .args(["run", "--memory", "256", "--timeout", "120", "--", command])
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(run("cat /proc/1/comm; exit 7"), (Some(7), "init\n".into()));
    assert_eq!(run("onsetctl settled >/dev/null"), (Some(0), String::new()));
}
