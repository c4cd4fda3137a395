//! A drawing in graphviz's language.

use std::fmt::Write as _;

use super::{Arrow, Drawing, Shape};

impl Drawing {
    /// The drawing for `dot`.
    #[must_use]
    pub fn to_dot(&self) -> String {
        let mut text = String::from(
            "digraph jobs {\n  rankdir=LR;\n  node [fontname=\"sans-serif\", fontsize=11, height=0.3];\n",
        );
        for (number, node) in self.nodes.iter().enumerate() {
            // Writing into a string cannot fail; so below.
            let _ = writeln!(text, "  n{number} [label={}, {}];", quoted(&node.label), shape(node.shape));
        }
        for edge in &self.edges {
            let _ = writeln!(text, "  n{} -> n{} [{}];", edge.from, edge.to, arrow(edge.kind));
        }
        text.push_str("}\n");
        text
    }
}

const fn shape(shape: Shape) -> &'static str {
    match shape {
        Shape::Job => "shape=box, style=\"rounded,filled\", fillcolor=\"#e8f0fe\"",
        Shape::Disabled => "shape=box, style=\"rounded,dashed\", fontcolor=\"#777777\"",
        Shape::Provision => "shape=ellipse, style=filled, fillcolor=\"#fff4d6\"",
        Shape::Event => "shape=cds, style=filled, fillcolor=\"#e3f6e5\"",
        Shape::Fact => "shape=hexagon, style=filled, fillcolor=\"#f1e6fb\"",
        Shape::Missing => "shape=box, color=red, fontcolor=red, style=dashed",
    }
}

const fn arrow(arrow: Arrow) -> &'static str {
    match arrow {
        Arrow::Requires => "color=\"#333333\"",
        Arrow::Before => "color=\"#333333\", style=dashed",
        Arrow::Needs => "color=\"#333333\", penwidth=2.2",
        Arrow::Provides => "color=\"#b8860b\", arrowhead=odot",
        Arrow::StartsOn => "color=\"#2e8b57\"",
        Arrow::StopsOn => "color=\"#c0392b\", style=dotted, arrowhead=tee, constraint=false",
        Arrow::RunsWhile => "color=\"#7d3cb5\"",
        Arrow::Ignored => "color=red, style=dashed, label=ignored, fontcolor=red, constraint=false",
    }
}

/// A text as DOT quotes it.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
