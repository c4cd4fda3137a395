//! What was played, as text and as JSON, and how the machine stands in the end.

use std::{collections::BTreeMap, fmt::Write as _};

use jobs::{Refusal, refusal_text, simulate::Mark};

use super::play::{MAX_LINES, Play};
use crate::cli::counted;

impl Play {
    /// What was played; with `whole`, how the machine stands in the end as well.
    pub fn text(&self, json: bool, whole: bool) -> String {
        let mut text = if json { self.json_lines() } else { self.transcript() };
        if whole {
            text.push_str(&if json { self.json_summary() } else { self.summary() });
        }
        text
    }

    fn transcript(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            // Writing into a string cannot fail.
            let _ = writeln!(text, "{line}");
        }
        if self.cut {
            let _ = writeln!(text, "... and so on: more than {MAX_LINES} lines");
        }
        text
    }

    fn summary(&self) -> String {
        let mut groups: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let skipped = refusal_text(&Refusal::Skipped);
        for status in self.simulation.engine.list() {
            let name = if status.instance.is_empty() {
                status.job.to_string()
            } else {
                format!("{} ({})", status.job, status.instance)
            };
            let (group, name) = match (status.state, &status.last) {
                ("running", _) => ("1 up", name),
                ("waiting", Some(last)) if *last == skipped => ("4 skipped", name),
                ("waiting", Some(last)) => ("3 failed or refused", format!("{name}: {last}")),
                ("waiting", None) => ("5 down", name),
                (state, _) => ("2 on the way", format!("{name} ({}/{state})", status.goal)),
            };
            groups.entry(group).or_default().push(name);
        }
        let mut text = format!("\nAfter {} ms", self.simulation.now().0);
        if let Some(kind) = self.simulation.down() {
            let _ = write!(text, ", the machine is down ({})", kind.name());
        }
        text.push_str(":\n");
        if groups.is_empty() {
            text.push_str("  no jobs\n");
        }
        for (group, names) in groups {
            let (_, group) = group.split_at(2);
            let short = matches!(group, "up" | "down" | "skipped");
            let (sign, shown) = if short { (", ", 12) } else { ("\n    ", 100) };
            let more = names.len().saturating_sub(shown);
            let list: Vec<&str> = names.iter().take(shown).map(String::as_str).collect();
            let more = if more > 0 { format!("{sign}and {more} more") } else { String::new() };
            let gap = if short { " " } else { "\n    " };
            let _ =
                writeln!(text, "  {} {group}:{gap}{}{more}", counted(names.len(), "job"), list.join(sign));
        }
        for (what, how) in self.not_played() {
            let _ = writeln!(text, "  not played: `{what}` (use {how})");
        }
        text
    }

    /// What Onset would have watched and nobody told of, and how to tell of it.
    fn not_played(&self) -> Vec<(String, String)> {
        let watched = self.simulation.watched().iter();
        let by_wall = |pattern: &events::Pattern| self.wall.as_ref().is_some_and(|wall| wall.has(pattern));
        let watched = watched.filter(|pattern| !by_wall(pattern));
        let untold = watched.filter(|pattern| !self.told.iter().any(|told| pattern.matches(told, &|_| None)));
        let facts = |pattern: &events::Pattern| {
            let conditions = self.jobs.iter().filter_map(|job| job.holds_while.as_ref());
            conditions.flat_map(|condition| condition.leaves()).any(|leaf| leaf.pattern == *pattern)
        };
        let told = untold.map(|pattern| {
            let how = if facts(pattern) {
                format!("--do 'fact {pattern}'")
            } else {
                format!("--event '{pattern}'")
            };
            (pattern.to_string(), how)
        });
        told.collect()
    }

    fn json_lines(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            let from = match line.mark {
                Mark::In => "in",
                Mark::World => "machine",
                Mark::Out => "onset",
            };
            let _ =
                writeln!(text, "{}", serde_json::json!({"ms": line.time.0, "from": from, "text": line.text}));
        }
        text
    }

    fn json_summary(&self) -> String {
        let mut text = String::new();
        let ms = self.simulation.now().0;
        for (what, _) in self.not_played() {
            let _ = writeln!(text, "{}", serde_json::json!({"ms": ms, "not_played": what}));
        }
        for status in self.simulation.engine.list() {
            let _ = writeln!(text, "{}", serde_json::json!({"ms": ms, "status": status}));
        }
        text
    }
}
