//! Man pages, from the one table of commands.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _};

use super::{CLEAN, Cli, Outcome};

/// Prints a man page, or writes all man pages into a folder
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  onsetctl man | man -l -
  onsetctl man simulate | man -l -
  onsetctl man --dir /usr/share/man/man1")]
pub(super) struct Man {
    /// The command whose page it is; that of onsetctl if none is given
    #[arg(value_name = "COMMAND", conflicts_with = "dir")]
    command: Option<String>,
    /// Write onsetctl.1 and a page for each command here; the folder is made if the one it lies in is there
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(&self) -> Result<Outcome, String> {
        let mut pages = pages().map_err(|error| format!("cannot make the pages: {error}"))?;
        let text = match &self.dir {
            None => pages.swap_remove(self.place()?).1,
            Some(dir) => {
                // A folder whose parent is missing is more likely a slip than a wish.
                if !dir.is_dir() {
                    std::fs::create_dir(dir)
                        .map_err(|error| format!("cannot make {}: {error}", dir.display()))?;
                }
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

    /// Which of the pages is meant.
    fn place(&self) -> Result<usize, String> {
        let Some(wanted) = &self.command else { return Ok(0) };
        let cli = Cli::command();
        let known = || cli.get_subcommands().map(clap::Command::get_name);
        known().position(|name| name == wanted).map(|place| place.saturating_add(1)).ok_or_else(|| {
            let meant = jobs::did_you_mean(wanted, known());
            let help = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
            format!("there is no command `{wanted}`{help}")
        })
    }
}

/// All pages: that of `onsetctl` first, then one for each command, and those of other programs.
fn pages() -> std::io::Result<Vec<(String, String)>> {
    let mut whole = Cli::command().disable_help_subcommand(true);
    whole.build();
    let mut pages = vec![("onsetctl.1".to_string(), page(whole.clone(), "onsetctl")?)];
    for command in whole.get_subcommands() {
        let name = format!("onsetctl-{}", command.get_name());
        pages.push((format!("{name}.1"), page(command.clone(), &name)?));
    }
    pages.push(("onset-emit.1".to_string(), include_str!("../../../docs/man/onset-emit.1").to_string()));
    pages.push(("onset-rc.1".to_string(), include_str!("../../../docs/man/onset-rc.1").to_string()));
    Ok(pages)
}

fn page(command: clap::Command, name: &str) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    clap_mangen::Man::new(command).title(name).section("1").manual("Onset").render(&mut bytes)?;
    let page = String::from_utf8_lossy(&bytes);
    // The headings of what stands behind the options are headings of the page.
    let page = page
        .replace(".SH EXTRA\nExamples:\n", ".SH EXAMPLES\n")
        .replace("\n\nExit status:\n", "\n.SH EXIT STATUS\n");
    Ok(page)
}
