//! Which run level the machine comes up in, and how it goes down.

use serde_json::json;

use super::{kernel_line, task::Task, tell};

/// The level that a machine comes up in.
const DEFAULT: char = '2';

/// Emits the event `runlevel`: with the level that is given, or asked for on the kernel's command line or PID 1's.
pub fn run(task: &mut Task, words: &[String]) {
    let level = match words.first() {
        Some(word) => match level_of(word) {
            Some(level) => level,
            None => return task.misused(format!("runlevel: `{word}` is none: 2 to 5, or S")),
        },
        None => asked(&asked_words()),
    };
    let level = format!("RUNLEVEL={level}");
    // The shell for one person is there before login prompts are: they wait for this job.
    let wait = level.ends_with('S');
    tell::emit(task, "runlevel", &[&level, "PREVLEVEL=N"], wait);
}

/// The shell for one person has ended. If a run level has ended it, that one counts.
pub fn go_on(task: &mut Task) {
    if std::env::var_os("UPSTART_STOP_EVENTS").is_none_or(|events| events.is_empty()) {
        tell::emit(task, "runlevel", &["RUNLEVEL=2", "PREVLEVEL=S"], false);
    }
}

/// Asks Onset to end the machine.
pub fn power(task: &mut Task, words: &[String]) {
    match words.first().map(String::as_str) {
        Some(kind @ ("poweroff" | "reboot")) => tell::call(task, "Shutdown", &json!({ "kind": kind })),
        _ => task.misused("power: `poweroff` or `reboot` is missing"),
    }
}

/// The kernel's words, then those that PID 1 was called with.
fn asked_words() -> Vec<String> {
    let mut words = kernel_line::words();
    let own = std::fs::read("/proc/1/cmdline").unwrap_or_default();
    let own = own.split(|byte| *byte == 0).skip(1).map(|word| String::from_utf8_lossy(word).into_owned());
    words.extend(own.take_while(|word| word != "--"));
    words
}

/// The last level that is asked for.
fn asked(words: &[String]) -> char {
    words.iter().rev().find_map(|word| level_of(word)).unwrap_or(DEFAULT)
}

fn level_of(word: &str) -> Option<char> {
    match word {
        "1" | "s" | "S" | "-s" | "single" | "rescue" | "systemd.unit=rescue.target" => Some('S'),
        "2" | "3" | "4" | "5" => word.chars().next(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_level_that_is_asked_for_counts() {
        for (line, level) in [
            ("ro quiet console=ttyS0", '2'),
            ("3 quiet", '3'),
            ("single", 'S'),
            ("quiet rescue", 'S'),
            ("single 5", '5'),
            ("7 x=3", '2'),
        ] {
            let words: Vec<String> = line.split(' ').map(String::from).collect();
            assert_eq!(asked(&words), level, "{line}");
        }
    }
}
