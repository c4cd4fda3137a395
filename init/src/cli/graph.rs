//! `onsetctl graph`: the jobs as a drawing.

use clap::Args;
use jobs::Severity;

use super::{CLEAN, FAULTS, Loaded, Outcome, Paths, colours};
use crate::{drawing::Drawing, tree::Reach};

/// Draws jobs, what they provide, and the events and facts that start them: as graphviz DOT, or as SVG.
///
/// Arrows go from what comes first to what waits for it. Thick: needs. Thin: requires. Dashed: before. Red:
/// ignored, because of a loop. Green: starts on an event. Violet: runs while a fact holds. Dotted: stops on.
/// In SVG, an arrow that others imply is faint, and an event that starts very many jobs is a dot at each.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  onsetctl graph --svg > jobs.svg             this machine, for a browser
  onsetctl graph ./jobs | dot -Tpdf > g.pdf   with graphviz

Exit status:
  0  it is drawn
  1  files have errors or cannot be read (the others are drawn)
  2  the command is wrong, or a PATH cannot be read")]
pub(super) struct Graph {
    #[command(flatten)]
    paths: Paths,
    /// Write SVG; needs no other program
    #[arg(long)]
    svg: bool,
}

impl Graph {
    pub(super) fn run(&self) -> Result<Outcome, String> {
        let loaded = Loaded::read(&self.paths, Reach::Whole)?;
        let drawing = Drawing::new(&loaded.generation, &loaded.order());
        let text = if self.svg { drawing.to_svg() } else { drawing.to_dot() };
        let errors = loaded.generation.reports.iter().filter(|report| report.severity == Severity::Error);
        let remarks = loaded.text(errors, colours(&std::io::stderr()));
        Ok(Outcome { text, code: if remarks.is_empty() { CLEAN } else { FAULTS }, remarks })
    }
}
