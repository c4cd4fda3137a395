//! `halt`, `poweroff` and `reboot`.

use events::control::Going;
use nix::sys::reboot::{RebootMode, reboot};
use serde_json::json;

use super::{Called, Outcome, initctl::text, says, usage::usage};

/// What the words ask for.
#[derive(Debug, PartialEq, Eq)]
struct Wish {
    kind: Going,
    force: bool,
    sync: bool,
    /// Only a record, and we keep none.
    record: bool,
    help: bool,
}

/// `halt`, `poweroff` or `reboot` with these words.
pub(super) fn run(called: &Called<'_>, words: &[String]) -> Outcome {
    let wish = match read(called.name, words) {
        Ok(wish) => wish,
        Err(why) => return called.misused(&why),
    };
    if wish.help {
        return says(usage(called.name));
    }
    if wish.record {
        return says("");
    }
    if wish.force {
        if wish.sync {
            nix::unistd::sync();
        }
        return match now(wish.kind) {
            Err(error) => called.wrong(&error.to_string()),
        };
    }
    match called.call("Shutdown", &json!({ "kind": wish.kind.name() })) {
        Ok(_) => says(""),
        Err(trouble) => {
            let help = format!("\n`{} -f' goes down without init", called.name);
            called.wrong(&(text(&trouble, None) + &help))
        }
    }
}

/// Takes the machine down at once.
fn now(kind: Going) -> nix::Result<std::convert::Infallible> {
    reboot(match kind {
        Going::Poweroff => RebootMode::RB_POWER_OFF,
        Going::Halt => RebootMode::RB_HALT_SYSTEM,
        Going::Reboot | Going::Kexec => RebootMode::RB_AUTOBOOT,
    })
}

fn read(name: &str, words: &[String]) -> Result<Wish, String> {
    let kind = match name {
        "halt" => Going::Halt,
        "reboot" => Going::Reboot,
        _ => Going::Poweroff,
    };
    let mut wish = Wish { kind, force: false, sync: true, record: false, help: false };
    for word in words {
        match word.as_str() {
            "--force" => wish.force = true,
            "--poweroff" => wish.kind = Going::Poweroff,
            "--reboot" => wish.kind = Going::Reboot,
            "--halt" => wish.kind = Going::Halt,
            "--no-sync" => wish.sync = false,
            "--wtmp-only" => wish.record = true,
            "--help" => wish.help = true,
            "--verbose" | "--no-wtmp" | "--no-wall" => {}
            long if long.starts_with("--") => return Err(format!("invalid option: {long}")),
            short => {
                let letters = short.strip_prefix('-').filter(|letters| !letters.is_empty());
                let letters = letters.ok_or_else(|| format!("invalid argument: {short}"))?;
                for letter in letters.chars() {
                    match letter {
                        'f' => wish.force = true,
                        'p' => wish.kind = Going::Poweroff,
                        'n' => wish.sync = false,
                        'w' => wish.record = true,
                        'd' | 'i' | 'h' | 'v' => {}
                        other => return Err(format!("invalid option: -{other}")),
                    }
                }
            }
        }
    }
    Ok(wish)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a command line asks for, in short.
    fn check(line: &str, expected: &str) {
        let mut words = line.split(' ').map(String::from);
        let name = words.next().unwrap();
        let got = match read(&name, &words.collect::<Vec<_>>()) {
            Ok(wish) if wish.help => "help".into(),
            Ok(wish) if wish.record => "record".into(),
            Ok(wish) => format!(
                "{}{}{}",
                wish.kind,
                if wish.force { " force" } else { "" },
                if wish.sync { "" } else { " unsynced" }
            ),
            Err(why) => why,
        };
        assert_eq!(got, expected, "{line}");
    }

    #[test]
    fn the_words_of_old_mean_what_they_meant() {
        check("halt", "halt");
        check("halt -p", "poweroff");
        check("halt -fp", "poweroff force");
        check("poweroff", "poweroff");
        check("reboot -f -n", "reboot force unsynced");
        check("reboot -nf", "reboot force unsynced");
        check("poweroff -w", "record");
        check("halt --reboot", "reboot");
    }

    #[test]
    fn help_never_acts_and_neither_does_a_slip() {
        check("reboot --help", "help");
        check("reboot -f --help", "help");
        check("reboot -x", "invalid option: -x");
        check("reboot --hepl", "invalid option: --hepl");
        check("poweroff now", "invalid argument: now");
    }
}
