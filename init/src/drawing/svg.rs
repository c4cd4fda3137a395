//! A drawing as SVG, laid out by ourselves: nodes in columns from left to right, each column sorted so that
//! arrows are short and cross little.

use std::fmt::Write as _;

use super::{Arrow, Drawing, Node, Shape};

const ROW: f64 = 34.0;
const BOX: f64 = 24.0;
const GAP: f64 = 70.0;
const MARGIN: f64 = 20.0;
/// About how wide a letter is at the size we write.
const LETTER: f64 = 6.7;
/// The longest label that is written in full.
const MAX_LABEL: usize = 34;
/// How often the columns are sorted anew, each time by the rows of the column before or behind.
const SWEEPS: usize = 8;

/// The most jobs to which one event has lines.
const CROWD: usize = 12;
/// The most nodes of which it is found out what is implied.
const MAX_REDUCED: usize = 2_000;

/// Where a node lies.
#[derive(Debug, Clone, Copy, Default)]
struct Spot {
    x: f64,
    y: f64,
    width: f64,
}

impl Drawing {
    /// The drawing as a picture that any browser shows.
    #[must_use]
    pub fn to_svg(&self) -> String {
        let spots = self.spots();
        let width = spots.iter().map(|spot| spot.x + spot.width).fold(0.0, f64::max) + MARGIN;
        let height = spots.iter().map(|spot| spot.y + BOX).fold(0.0, f64::max) + MARGIN;
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"sans-serif\" font-size=\"11\">\n\
             <defs><marker id=\"a\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" \
             markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"context-stroke\"/></marker>\
             </defs>\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        );
        let crowds = self.crowds();
        let implied = self.implied();
        for (edge, implied) in self.edges.iter().zip(implied) {
            let (Some(from), Some(to)) = (spots.get(edge.from), spots.get(edge.to)) else { continue };
            // Writing into a string cannot fail; so below.
            let _ = if crowds.contains(&edge.from) && edge.kind == Arrow::StartsOn {
                let (x, y) = (to.x, to.y + BOX / 2.0);
                writeln!(text, "<circle cx=\"{:.0}\" cy=\"{y:.0}\" r=\"4\" fill=\"#2e8b57\"/>", x - 5.0)
            } else {
                let faint = if implied { " opacity=\"0.18\"" } else { "" };
                writeln!(text, "<path d=\"{}\" {}{faint}/>", path(from, to), stroke(edge.kind))
            };
        }
        for (node, spot) in self.nodes.iter().zip(&spots) {
            draw(&mut text, node, spot);
        }
        text.push_str("</svg>\n");
        text
    }

    /// Events that start so many jobs that lines to all of them would hide the rest: each such job gets a
    /// dot instead.
    fn crowds(&self) -> std::collections::BTreeSet<usize> {
        let starts = self.edges.iter().filter(|edge| edge.kind == Arrow::StartsOn);
        let mut counts: std::collections::BTreeMap<usize, usize> = std::collections::BTreeMap::new();
        for edge in starts {
            let count = counts.entry(edge.from).or_default();
            *count = count.saturating_add(1);
        }
        counts.into_iter().filter(|(_, count)| *count > CROWD).map(|(event, _)| event).collect()
    }

    /// For each edge whether it says nothing new, since a longer way leads to the same: it is drawn faint.
    /// In a large drawing nobody would see it.
    fn implied(&self) -> Vec<bool> {
        let count = self.nodes.len();
        if count > MAX_REDUCED {
            return vec![false; self.edges.len()];
        }
        let mut onward: Vec<Vec<usize>> = vec![Vec::new(); count];
        for edge in self.edges.iter().filter(|edge| edge.kind.orders()) {
            if let Some(list) = onward.get_mut(edge.from) {
                list.push(edge.to);
            }
        }
        // From the last column to the first, so that what can be reached is known when it is asked for.
        let mut nodes: Vec<usize> = (0..count).collect();
        nodes.sort_by_key(|&node| std::cmp::Reverse(self.nodes.get(node).map(|node| node.column)));
        let mut reached: Vec<std::collections::HashSet<usize>> = vec![Default::default(); count];
        for node in nodes {
            let next = onward.get(node).map_or(&[][..], Vec::as_slice);
            let mut all: std::collections::HashSet<usize> = next.iter().copied().collect();
            next.iter().filter_map(|&next| reached.get(next)).for_each(|more| all.extend(more));
            if let Some(place) = reached.get_mut(node) {
                *place = all;
            }
        }
        let is_implied = |edge: &super::Edge| {
            edge.kind.orders()
                && onward.get(edge.from).into_iter().flatten().any(|&via| {
                    via != edge.to && reached.get(via).is_some_and(|reached| reached.contains(&edge.to))
                })
        };
        self.edges.iter().map(is_implied).collect()
    }

    /// A place for each node.
    fn spots(&self) -> Vec<Spot> {
        let columns = self.columns();
        let tallest = columns.iter().map(Vec::len).max().unwrap_or_default();
        let mut spots = vec![Spot::default(); self.nodes.len()];
        let mut x = MARGIN;
        for column in columns {
            let widths = column.iter().filter_map(|&node| self.nodes.get(node)).map(width);
            let widest = widths.fold(0.0, f64::max);
            let top = MARGIN + size(tallest.saturating_sub(column.len())) * ROW / 2.0;
            for (row, &node) in column.iter().enumerate() {
                if let (Some(spot), Some(node)) = (spots.get_mut(node), self.nodes.get(node)) {
                    *spot = Spot { x, y: top + size(row) * ROW, width: width(node) };
                }
            }
            x += widest + GAP;
        }
        spots
    }

    /// The nodes of each column that is not empty, from top to bottom.
    fn columns(&self) -> Vec<Vec<usize>> {
        let mut by_column: std::collections::BTreeMap<usize, Vec<usize>> = std::collections::BTreeMap::new();
        for (number, node) in self.nodes.iter().enumerate() {
            by_column.entry(node.column).or_default().push(number);
        }
        let mut columns: Vec<Vec<usize>> = by_column.into_values().collect();
        let mut neighbours: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        for edge in &self.edges {
            for (one, other) in [(edge.from, edge.to), (edge.to, edge.from)] {
                if let Some(list) = neighbours.get_mut(one) {
                    list.push(other);
                }
            }
        }
        let mut rows = vec![0.0; self.nodes.len()];
        columns.iter().for_each(|column| number_rows(column, &mut rows));
        for _ in 0..SWEEPS {
            for column in &mut columns {
                let middle = |node: &usize| {
                    let near = neighbours.get(*node).map_or(&[][..], Vec::as_slice);
                    let sum: f64 = near.iter().filter_map(|&other| rows.get(other)).sum();
                    let own = rows.get(*node).copied().unwrap_or_default();
                    if near.is_empty() { own } else { sum / size(near.len()) }
                };
                let mut keyed: Vec<(f64, usize)> = column.iter().map(|node| (middle(node), *node)).collect();
                keyed.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
                *column = keyed.into_iter().map(|(_, node)| node).collect();
                number_rows(column, &mut rows);
            }
        }
        columns
    }
}

/// Writes down each node's row, counted from the middle of its column.
fn number_rows(column: &[usize], rows: &mut [f64]) {
    let middle = size(column.len()) / 2.0;
    for (row, &node) in column.iter().enumerate() {
        if let Some(place) = rows.get_mut(node) {
            *place = size(row) - middle;
        }
    }
}

/// A count as a length; drawings are small.
fn size(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

fn width(node: &Node) -> f64 {
    size(node.label.chars().count().min(MAX_LABEL)) * LETTER + 18.0
}

fn path(from: &Spot, to: &Spot) -> String {
    let (x1, y1) = (from.x + from.width, from.y + BOX / 2.0);
    let (x2, y2) = (to.x, to.y + BOX / 2.0);
    let bend = ((x2 - x1) / 2.0).clamp(GAP / 2.0, GAP * 1.5);
    format!("M{x1:.0} {y1:.0}C{:.0} {y1:.0} {:.0} {y2:.0} {x2:.0} {y2:.0}", x1 + bend, x2 - bend)
}

fn draw(text: &mut String, node: &Node, spot: &Spot) {
    let (round, style) = match node.shape {
        Shape::Job => (5, "fill=\"#e8f0fe\" stroke=\"#5b7db8\""),
        Shape::Disabled => (5, "fill=\"#f4f4f4\" stroke=\"#aaaaaa\" stroke-dasharray=\"4 3\""),
        Shape::Provision => (12, "fill=\"#fff4d6\" stroke=\"#b8860b\""),
        Shape::Event => (0, "fill=\"#e3f6e5\" stroke=\"#2e8b57\""),
        Shape::Fact => (0, "fill=\"#f1e6fb\" stroke=\"#7d3cb5\""),
        Shape::Missing => (0, "fill=\"#ffffff\" stroke=\"#d00000\" stroke-dasharray=\"4 3\""),
    };
    let mut label: String = node.label.chars().take(MAX_LABEL).collect();
    if node.label.chars().count() > MAX_LABEL {
        label.pop();
        label.push('…');
    }
    let Spot { x, y, width } = *spot;
    let _ = writeln!(
        text,
        "<g><title>{}</title><rect x=\"{x:.0}\" y=\"{y:.0}\" width=\"{width:.0}\" height=\"{BOX}\" \
         rx=\"{round}\" {style}/><text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text></g>",
        escaped(&node.label),
        x + width / 2.0,
        y + BOX / 2.0 + 4.0,
        escaped(&label),
    );
}

const fn stroke(arrow: Arrow) -> &'static str {
    match arrow {
        Arrow::Requires => "fill=\"none\" stroke=\"#555555\" marker-end=\"url(#a)\"",
        Arrow::Before => "fill=\"none\" stroke=\"#555555\" stroke-dasharray=\"5 3\" marker-end=\"url(#a)\"",
        Arrow::Needs => "fill=\"none\" stroke=\"#222222\" stroke-width=\"2.2\" marker-end=\"url(#a)\"",
        Arrow::Provides => "fill=\"none\" stroke=\"#b8860b\"",
        Arrow::StartsOn => "fill=\"none\" stroke=\"#2e8b57\" stroke-opacity=\"0.6\" marker-end=\"url(#a)\"",
        Arrow::StopsOn => "fill=\"none\" stroke=\"#c0392b\" stroke-dasharray=\"1 3\" marker-end=\"url(#a)\"",
        Arrow::RunsWhile => "fill=\"none\" stroke=\"#7d3cb5\" marker-end=\"url(#a)\"",
        Arrow::Ignored => "fill=\"none\" stroke=\"#ff0000\" stroke-dasharray=\"5 3\" marker-end=\"url(#a)\"",
    }
}

/// A text as XML has it.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
