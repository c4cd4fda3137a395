//! Completions for shells: what the table of commands says, and the names that there are of jobs, events and facts.

use clap::{Arg, Args, Command, CommandFactory as _};
use clap_complete::Shell;
use events::vocabulary::{Word, events, facts, is_own_fact};

use super::{CLEAN, Cli, Outcome};

/// Prints completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  onsetctl completions bash > /etc/bash_completion.d/onsetctl
  onsetctl completions fish > ~/.config/fish/completions/onsetctl.fish")]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

/// What an argument names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Jobs, one or several.
    Jobs,
    /// An event.
    Event,
    /// A fact, whoever tells it.
    Fact,
    /// A fact that people may set.
    Said,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Jobs, Self::Event, Self::Fact, Self::Said];

    /// What the argument names; nothing that is completed here, if there is none.
    fn of(argument: &Arg) -> Option<Self> {
        let id = argument.get_id();
        let shown = argument.get_value_names().and_then(|names| names.first()).map(|name| name.as_str());
        match shown {
            Some("EVENT") => Some(Self::Event),
            Some("FACT") if id == "fact" => Some(Self::Fact),
            Some("FACT") => Some(Self::Said),
            Some(name) if name.starts_with("JOB") => Some(Self::Jobs),
            None if id == "job" => Some(Self::Jobs),
            Some(_) | None => None,
        }
    }

    /// What it is called in the scripts.
    const fn name(self) -> &'static str {
        match self {
            Self::Jobs => "jobs",
            Self::Event => "events",
            Self::Fact => "facts",
            Self::Said => "said",
        }
    }

    /// Prints the names, in any shell.
    fn command(self) -> String {
        match self {
            Self::Jobs => "onsetctl list 2>/dev/null | cut -d ' ' -f 1 | sort -u".into(),
            Self::Event => print(events(), |_| true),
            Self::Fact => print(facts(), |_| true),
            Self::Said => print(facts(), |name| !is_own_fact(name)),
        }
    }

    /// Whether each argument is such a name, or only the first.
    const fn is_each(self) -> bool {
        match self {
            Self::Jobs => true,
            Self::Event | Self::Fact | Self::Said => false,
        }
    }

    /// The commands that take such a name, and what their argument for it is called.
    fn commands(self) -> Vec<(String, String)> {
        let cli = Cli::command();
        let takes = |command: &Command| {
            let argument = command.get_positionals().find(|argument| Self::of(argument) == Some(self))?;
            Some((command.get_name().to_owned(), argument.get_id().to_string()))
        };
        cli.get_subcommands().filter_map(takes).collect()
    }

    /// The names of these commands.
    fn command_names(self, between: &str) -> String {
        let commands = self.commands();
        let names: Vec<&str> = commands.iter().map(|(name, _)| name.as_str()).collect();
        names.join(between)
    }
}

/// Prints the names of these words. Those that stand for many are no names.
fn print(words: impl Iterator<Item = &'static Word>, is_meant: impl Fn(&str) -> bool) -> String {
    let names = words.filter(|word| !word.is_pattern()).map(|word| word.name);
    let mut names: Vec<&str> = names.filter(|name| is_meant(name)).collect();
    names.sort_unstable();
    names.dedup();
    format!("printf '%s\\n' {}", names.join(" "))
}

impl Completions {
    pub(super) fn run(&self) -> Outcome {
        let mut bytes = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "onsetctl", &mut bytes);
        let text = with_names(self.shell, &String::from_utf8_lossy(&bytes));
        Outcome { text, remarks: String::new(), code: CLEAN }
    }
}

fn with_names(shell: Shell, text: &str) -> String {
    match shell {
        Shell::Bash => text.to_owned() + &bash(),
        Shell::Fish => text.to_owned() + &Kind::ALL.map(fish).concat(),
        Shell::Zsh => zsh(text),
        // Other shells have what the table says.
        Shell::Elvish | Shell::PowerShell | _ => text.to_owned(),
    }
}

fn bash() -> String {
    let case = |kind: Kind| {
        let place = if kind.is_each() { "-gt 1" } else { "-eq 2" };
        let commands = kind.command_names("|");
        format!("        {commands}) [[ $COMP_CWORD {place} ]] && names=$({}) ;;\n", kind.command())
    };
    format!(
        "
_onsetctl_or_name() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} names=
    case ${{COMP_WORDS[1]}} in
{}    esac
    if [[ $names && $word != -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W \"$names\" -- \"$word\")
        return
    fi
    _onsetctl \"$@\"
}}
complete -F _onsetctl_or_name -o bashdefault -o default onsetctl
",
        Kind::ALL.map(case).concat(),
    )
}

fn fish(kind: Kind) -> String {
    let place = if kind.is_each() { "" } else { "; and test (count (commandline -opc)) -eq 2" };
    let (commands, names) = (kind.command_names(" "), kind.command());
    format!(
        "complete -c onsetctl -n \"__fish_onsetctl_using_subcommand {commands}{place}\" -f -a \"({names})\"\n"
    )
}

fn zsh(text: &str) -> String {
    // What is said of an argument stands between its name and what completes it.
    let completed = |line: &str| {
        let name = line.trim_start_matches(['\'', '*', ':']).split(" -- ").next().unwrap_or_default();
        let takes = |kind: &Kind| kind.commands().iter().any(|(_, argument)| argument == name);
        match Kind::ALL.into_iter().find(takes).filter(|_| line.starts_with('\'')) {
            Some(kind) => line.replace(":_default'", &format!(":_onsetctl_{}'", kind.name())),
            None => line.to_owned(),
        }
    };
    let function = |kind: Kind| {
        let (name, names) = (kind.name(), kind.command());
        format!("_onsetctl_{name}() {{\n    compadd -- ${{(f)\"$({names})\"}}\n}}\n\n")
    };
    let functions = Kind::ALL.map(function).concat();
    let lines: Vec<String> = text.lines().map(completed).collect();
    lines.join("\n").replacen("_onsetctl() {", &format!("{functions}_onsetctl() {{"), 1) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Kind, expected: &[&str], others: &[&str]) {
        let names: Vec<String> = kind.commands().into_iter().map(|(name, _)| name).collect();
        for name in expected {
            assert!(names.iter().any(|it| it == name), "{kind:?} {name}");
        }
        for name in others {
            assert!(!names.iter().any(|it| it == name), "{kind:?} {name}");
        }
    }

    #[test]
    fn what_takes_names_is_found_in_the_table() {
        check(
            Kind::Jobs,
            &["start", "stop", "restart", "reload", "status", "tree", "why", "show", "log"],
            &["emit", "events", "simulate"],
        );
        check(Kind::Event, &["emit", "events"], &["set", "facts", "start"]);
        check(Kind::Fact, &["facts"], &["set", "unset", "emit"]);
        check(Kind::Said, &["set", "unset"], &["facts", "emit"]);
    }

    #[test]
    fn an_argument_is_called_the_same_wherever_it_names_the_same() {
        let cli = Cli::command();
        for command in cli.get_subcommands() {
            for argument in command.get_positionals() {
                let is_called_so =
                    |kind: &Kind| kind.commands().iter().any(|(_, id)| argument.get_id() == id.as_str());
                let by_name = Kind::ALL.into_iter().find(is_called_so);
                assert_eq!(by_name, Kind::of(argument), "{} {argument}", command.get_name());
            }
        }
    }

    #[test]
    fn every_shell_is_told_where_the_names_are() {
        for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
            let mut bytes = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "onsetctl", &mut bytes);
            let text = with_names(shell, &String::from_utf8_lossy(&bytes));
            for kind in Kind::ALL {
                let names = kind.command();
                let uses = format!(":_onsetctl_{}'", kind.name());
                let found = text.lines().filter(|line| line.contains(&names) || line.contains(&uses)).count();
                let wanted = if shell == Shell::Zsh { kind.commands().len() + 1 } else { 1 };
                assert_eq!(found, wanted, "{shell} {kind:?}");
            }
        }
    }

    #[test]
    fn what_only_the_world_tells_is_not_offered_to_be_said() {
        let (facts, said) = (Kind::Fact.command(), Kind::Said.command());
        for name in ["device", "link", "carp"] {
            assert!(facts.split(' ').any(|it| it == name), "{name}");
        }
        assert!(said.split(' ').any(|it| it == "carp") && !said.split(' ').any(|it| it == "device"));
        let events = Kind::Event.command();
        assert!(events.split(' ').any(|it| it == "newwanip") && !events.contains('*'));
    }
}
