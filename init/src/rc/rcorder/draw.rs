//! The graph in graphviz's language: from what a file provides to what it requires; dashed for BEFORE, red for what nobody
//! provides and for what closes a loop.

use std::collections::BTreeSet;

use super::{
    files::{Graph, Number},
    walk::Walk,
};

/// The graph.
pub fn draw(graph: &Graph<'_>, walk: &Walk<'_>) -> Vec<u8> {
    let mut lines = BTreeSet::new();
    let text = |word: Number| graph.words.get(word as usize);
    for (file, script) in graph.files.iter().enumerate() {
        let file = Number::try_from(file).unwrap_or(Number::MAX);
        let own = || {
            let words = script.provides.iter().filter_map(|word| text(*word));
            words.filter(|word| !word.is_before).map(|word| &*word.text)
        };
        for provision in own() {
            lines.insert(format!("\t{};\n", quoted(provision)));
        }
        for number in &script.requires {
            let Some(word) = text(*number) else { continue };
            let closes = walk.closing.contains(&(file, *number));
            let colour = if closes || word.providers.is_empty() { "color=red" } else { "" };
            // What stands for a BEFORE has no name of its own: its file's are meant.
            let targets: Vec<&str> = if word.is_before {
                let files = word.providers.iter().filter_map(|file| graph.files.get(*file as usize));
                let words = files.flat_map(|script| &script.provides).filter_map(|word| text(*word));
                words.filter(|word| !word.is_before).map(|word| &*word.text).collect()
            } else {
                vec![&*word.text]
            };
            let style = if word.is_before { "style=dashed" } else { "" };
            let marks: Vec<&str> = [style, colour].into_iter().filter(|mark| !mark.is_empty()).collect();
            let marks = if marks.is_empty() { String::new() } else { format!(" [{}]", marks.join(" ")) };
            for (from, to) in own().flat_map(|from| targets.iter().map(move |to| (from, *to))) {
                lines.insert(format!("\t{} -> {}{marks};\n", quoted(from), quoted(to)));
            }
        }
    }
    let lines: String = lines.into_iter().collect();
    format!("digraph rcorder {{\n{lines}}}\n").into_bytes()
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
