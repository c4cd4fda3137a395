//! `onsetctl order`: who starts before whom.

use std::{collections::BTreeMap, io};

use clap::Args;
use events::Name;
use jobs::{
    EdgeKind, Order, Severity,
    formats::{Described, rcd::KeywordFilter},
};
use serde::Serialize;

use super::{CLEAN, FAULTS, Loaded, Outcome, Paths, colours};
use crate::tree::Reach;

/// Prints the order in which jobs start, one a line, as rcorder(8) does for rc.d scripts.
///
/// The same files give the same order, whatever order they are read in. Jobs that nothing puts in order are
/// in the order of their names. All jobs are printed, whatever event they wait for and whether they are
/// enabled or not: this is about who waits for whom if both start.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  onsetctl order                              this machine
  onsetctl order -s nostart -s firstboot .    as FreeBSD boots
  onsetctl order -k shutdown --reverse .      as FreeBSD shuts down
  onsetctl order --levels /mnt/image          jobs of one line can start at the same time

Exit status:
  0  all is in order
  1  jobs wait for each other, or a file is refused (see `onsetctl check`)
  2  the command is wrong, or a PATH cannot be read")]
pub(super) struct OrderCommand {
    #[command(flatten)]
    paths: Paths,
    /// Print only jobs with this KEYWORD (or another one given); those left out still order the others
    #[arg(short = 'k', long = "keep", value_name = "WORD")]
    keep: Vec<Name>,
    /// Leave out jobs with this KEYWORD
    #[arg(short = 's', long = "skip", value_name = "WORD")]
    skip: Vec<Name>,
    /// Print one line per level: a level waits for the ones above it
    #[arg(long)]
    levels: bool,
    /// Print the last one first, as jobs stop
    #[arg(long)]
    reverse: bool,
    /// Print the files instead of the names
    #[arg(long)]
    files: bool,
    /// Print a JSON array of objects
    #[arg(long, conflicts_with_all = ["levels", "files"])]
    json: bool,
}

/// A line of `--json`.
#[derive(Serialize)]
struct Line<'g> {
    name: &'g str,
    level: u32,
    format: jobs::Format,
    file: &'g str,
}

impl OrderCommand {
    pub(super) fn run(&self) -> Result<Outcome, String> {
        let loaded = Loaded::read(&self.paths, Reach::Header)?;
        let order = loaded.order();
        let filter = KeywordFilter { keep: self.keep.clone(), skip: self.skip.clone() };
        let mut lines: Vec<(u32, &Described)> = order
            .order
            .iter()
            .filter_map(|&index| Some((*order.levels.get(index)?, loaded.generation.jobs.get(index)?)))
            .filter(|(_, described)| filter.admits(&described.job.keywords))
            .collect();
        if self.reverse {
            lines.reverse();
        }
        let code = if super::fails(&loaded, &order) { FAULTS } else { CLEAN };
        let outcome = Outcome { text: self.text(&lines)?, remarks: remarks(&loaded, &order), code };
        // The program ends here: taking 20,000 jobs apart first would be a tenth of its time.
        std::mem::forget(loaded);
        Ok(outcome)
    }

    fn text(&self, lines: &[(u32, &Described)]) -> Result<String, String> {
        if self.json {
            let lines: Vec<Line<'_>> = lines
                .iter()
                .map(|(level, described)| Line {
                    name: &described.job.name,
                    level: *level,
                    format: described.job.format,
                    file: &described.path,
                })
                .collect();
            return serde_json::to_string(&lines).map(|text| text + "\n").map_err(|error| error.to_string());
        }
        let word = |described: &'_ Described| match self.files {
            true => described.path.clone(),
            false => described.job.name.to_string(),
        };
        let mut text = String::new();
        let mut level_before = None;
        for (level, described) in lines {
            match level_before {
                None => {}
                Some(before) if self.levels && before == *level => text.push(' '),
                Some(_) => text.push('\n'),
            }
            text.push_str(&word(described));
            level_before = Some(*level);
        }
        if !text.is_empty() {
            text.push('\n');
        }
        Ok(text)
    }
}

/// What makes the order less than what was asked for: errors, loops and names that nobody provides.
fn remarks(loaded: &Loaded, order: &Order) -> String {
    let mut text = String::new();
    let errors = loaded.generation.reports.iter().filter(|report| report.severity == Severity::Error);
    let loops = match order.loops.is_empty() && order.tangled.is_empty() {
        true => Vec::new(),
        false => jobs::check_loops(&loaded.generation),
    };
    text.push_str(&loaded.text(errors.chain(&loops), colours(&io::stderr())));
    let mut unknown: BTreeMap<&str, usize> = BTreeMap::new();
    for name in order.unknown.iter().filter(|unknown| unknown.kind != EdgeKind::Before) {
        let count = unknown.entry(&name.name).or_default();
        *count = count.saturating_add(1);
    }
    if !unknown.is_empty() {
        let names: Vec<&str> = unknown.keys().copied().collect();
        text.push_str(&format!("onsetctl: nobody provides {}: see `onsetctl check`\n", names.join(", ")));
    }
    text
}
