//! Completions for shells: what the table of commands says, and the names of the jobs that there are.

use clap::{Args, Command, CommandFactory as _};
use clap_complete::Shell;

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

/// Prints the names of jobs, in any shell.
const JOBS: &str = "onsetctl list 2>/dev/null | cut -d ' ' -f 1 | sort -u";

impl Completions {
    pub(super) fn run(&self) -> Outcome {
        let mut bytes = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "onsetctl", &mut bytes);
        let text = with_jobs(self.shell, &String::from_utf8_lossy(&bytes));
        Outcome { text, remarks: String::new(), code: CLEAN }
    }
}

/// The commands that take jobs, and what their arguments for these are called.
fn of_jobs() -> Vec<(String, String)> {
    let cli = Cli::command();
    let takes_jobs = |command: &Command| {
        let is_named = |name: &clap::builder::Str| name.as_str().starts_with("JOB");
        let is_job = |arg: &&clap::Arg| match arg.get_value_names() {
            Some(names) => names.iter().any(is_named),
            None => arg.get_id() == "job",
        };
        let job = command.get_positionals().find(is_job);
        job.map(|arg| (command.get_name().to_owned(), arg.get_id().to_string()))
    };
    cli.get_subcommands().filter_map(takes_jobs).collect()
}

fn with_jobs(shell: Shell, text: &str) -> String {
    let of_jobs = of_jobs();
    let commands = |between: &str| {
        let names: Vec<&str> = of_jobs.iter().map(|(name, _)| name.as_str()).collect();
        names.join(between)
    };
    match shell {
        Shell::Bash => format!(
            "{text}
_onsetctl_or_job() {{
    local word=${{COMP_WORDS[COMP_CWORD]}}
    case ${{COMP_WORDS[1]}} in
        {})
            if [[ $COMP_CWORD -gt 1 && $word != -* ]]; then
                mapfile -t COMPREPLY < <(compgen -W \"$({JOBS})\" -- \"$word\")
                return
            fi ;;
    esac
    _onsetctl \"$@\"
}}
complete -F _onsetctl_or_job -o bashdefault -o default onsetctl
",
            commands("|"),
        ),
        Shell::Fish => format!(
            "{text}complete -c onsetctl -n \"__fish_onsetctl_using_subcommand {}\" -f -a \"({JOBS})\"\n",
            commands(" "),
        ),
        Shell::Zsh => {
            // What is said of an argument stands between its name and what completes it.
            let completed = |line: &str| {
                let name = line.trim_start_matches(['\'', '*', ':']).split(" -- ").next().unwrap_or_default();
                let is_job = line.starts_with('\'') && of_jobs.iter().any(|(_, argument)| argument == name);
                if is_job { line.replace(":_default'", ":_onsetctl_jobs'") } else { line.to_owned() }
            };
            let function = format!("_onsetctl_jobs() {{\n    compadd -- ${{(f)\"$({JOBS})\"}}\n}}\n\n");
            let lines: Vec<String> = text.lines().map(completed).collect();
            lines.join("\n").replacen("_onsetctl() {", &format!("{function}_onsetctl() {{"), 1) + "\n"
        }
        // Other shells have what the table says.
        Shell::Elvish | Shell::PowerShell | _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_jobs_is_found_in_the_table() {
        let names: Vec<String> = of_jobs().into_iter().map(|(name, _)| name).collect();
        for name in ["start", "stop", "restart", "reload", "status", "tree", "why", "show", "log"] {
            assert!(names.iter().any(|it| it == name), "{name}");
        }
        assert!(!names.iter().any(|name| matches!(name.as_str(), "emit" | "events" | "simulate")));
    }

    #[test]
    fn every_shell_is_told_where_jobs_are() {
        for (shell, lines) in [(Shell::Bash, 1), (Shell::Fish, 1), (Shell::Zsh, of_jobs().len() + 1)] {
            let mut bytes = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "onsetctl", &mut bytes);
            let text = with_jobs(shell, &String::from_utf8_lossy(&bytes));
            let found = text.lines().filter(|line| line.contains(JOBS) || line.contains(":_onsetctl_jobs'"));
            assert_eq!(found.count(), lines, "{shell}");
        }
    }
}
