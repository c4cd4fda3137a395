//! Man pages and completions, from the one table of commands.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{CLEAN, Cli, Outcome};

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  onsetctl completions bash > /etc/bash_completion.d/onsetctl
  onsetctl completions fish > ~/.config/fish/completions/onsetctl.fish")]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

/// Print the man page, or write all man pages into a folder
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  onsetctl man | man -l -
  onsetctl man --dir /usr/share/man/man1")]
pub(super) struct Man {
    /// Write onsetctl.1 and a page for each command here
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

impl Completions {
    pub(super) fn run(&self) -> Outcome {
        let mut bytes = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "onsetctl", &mut bytes);
        Outcome { text: String::from_utf8_lossy(&bytes).into_owned(), remarks: String::new(), code: CLEAN }
    }
}

impl Man {
    pub(super) fn run(&self) -> Result<Outcome, String> {
        let mut pages = pages().map_err(|error| format!("cannot make the pages: {error}"))?;
        let text = match &self.dir {
            None => pages.swap_remove(0).1,
            Some(dir) => {
                std::fs::create_dir_all(dir)
                    .map_err(|error| format!("cannot make {}: {error}", dir.display()))?;
                for (name, page) in &pages {
                    let path = dir.join(name);
                    std::fs::write(&path, page)
                        .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
                }
                String::new()
            }
        };
        Ok(Outcome { text, remarks: String::new(), code: CLEAN })
    }
}

/// All pages: that of `onsetctl` first, then one for each command.
fn pages() -> std::io::Result<Vec<(String, String)>> {
    let mut whole = Cli::command().disable_help_subcommand(true);
    whole.build();
    let mut pages = vec![("onsetctl.1".to_string(), page(whole.clone(), "onsetctl")?)];
    for command in whole.get_subcommands() {
        let name = format!("onsetctl-{}", command.get_name());
        pages.push((format!("{name}.1"), page(command.clone(), &name)?));
    }
    Ok(pages)
}

fn page(command: clap::Command, name: &str) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    clap_mangen::Man::new(command).title(name).section("1").manual("Onset").render(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
