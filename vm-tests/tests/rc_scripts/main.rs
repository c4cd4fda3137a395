//! rc.d scripts under our own rc.subr: each case is a few scripts in a root of its own, and what every verb of them prints,
//! on which stream, with which status, under dash, busybox ash and bash.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "a test may fail where it stands"
)]

mod case;
mod root;

use std::{collections::BTreeSet, fs};

use case::Case;

/// Plays a case under each shell, and compares.
#[track_caller]
fn play(name: &str) {
    let case = Case::read(name);
    if case.needs_root() && !nix::unistd::geteuid().is_root() {
        eprintln!("{name}: skipped, since only root can become another user");
        return;
    }
    let mut wrong = String::new();
    for shell in root::SHELLS.iter().filter(|shell| case.is_for(shell)) {
        let came = root::play(&case, shell).unwrap();
        if std::env::var_os("UPDATE").is_some() {
            case.update(&came);
            return;
        }
        for (step, ran) in case.steps.iter().zip(&came).filter(|(step, ran)| step.expected != **ran) {
            wrong +=
                &format!("{shell}$ {}\nexpected\n{}came\n{}", step.command, step.expected.text(), ran.text());
        }
    }
    assert!(wrong.is_empty(), "{name}:\n{wrong}");
}

/// A test for each case, and the list of them.
macro_rules! cases {
    ($($name:ident)*) => {
        $(#[test] fn $name() { play(stringify!($name)); })*
        const CASES: &[&str] = &[$(stringify!($name)),*];
    };
}

cases! {
    a_chroot_is_entered
    a_disabled_script_says_so_and_ends_well
    a_failing_command_is_one_whatever_its_code
    a_failing_precmd_ends_the_verb
    a_name_with_a_dash_or_dot_works
    a_plain_command_starts_tells_and_stops
    a_procname_may_be_a_pattern
    a_script_brings_its_own_commands
    a_script_without_rcvar_is_always_allowed
    a_service_has_its_environment
    a_service_runs_as_its_user
    a_step_may_run_another_verb
    a_value_that_is_neither_yes_nor_no_counts_as_no
    an_interpreted_daemon_is_found
    an_out_of_memory_killer_spares_who_is_protected
    check_pidfile_and_check_process_print_who_it_is
    configuration_is_read_in_order
    enable_disable_and_delete_edit_rc_conf
    extra_commands_take_arguments
    file_name_name_and_rcvar_may_differ
    force_depend_starts_what_is_not_up
    limits_are_given_to_limits
    messages_go_where_they_should
    modules_are_loaded_behind_precmd
    netbsd_scripts_run
    one_script_has_many_names
    procname_names_another_program
    profiles_run_as_ports_write_them
    rc_runs_scripts_in_shells_of_their_own
    rcvar_may_have_any_name
    reload_sends_its_signal
    restart_runs_once_in_a_process
    scripts_find_the_commands_that_they_count_on
    scripts_in_the_style_of_a_base_system_run
    scripts_in_the_style_of_ports_run
    setup_and_offcmd_have_their_places
    signals_have_their_long_names_too
    small_functions_do_what_scripts_expect
    stale_and_forged_pidfiles_count_as_not_running
    stop_boot_ends_the_boot
    stop_sends_its_signal_and_waits
    su_is_called_as_scripts_are_written_for
    variables_may_be_declared_and_obsolete
    wait_for_pids_says_who_is_left
    what_is_required_is_looked_at_for_a_start_only
    what_linux_has_not_is_said_once
    without_a_pidfile_all_processes_are_looked_at
}

#[test]
fn every_case_is_played() {
    let files = fs::read_dir(Case::folder()).unwrap();
    let files: BTreeSet<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap().trim_end_matches(".txt").to_owned())
        .collect();
    assert_eq!(files, CASES.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn there_are_enough_scripts() {
    let scripts = CASES.iter().map(|name| Case::read(name).scripts()).sum::<usize>();
    assert!(scripts >= 40, "{scripts}");
}
