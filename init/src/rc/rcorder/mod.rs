//! `rcorder`: in which order scripts start, to the letter of FreeBSD's: the same grammar, order, warnings and status.
//!
//! `onsetctl order` answers the same for all jobs of a machine, by level and name, whatever order their files were read in.
//! This one is for scripts that call rcorder(8) themselves: its order depends on that of its arguments, as it always did.

mod draw;
mod files;
mod walk;

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
};

use self::{
    files::{Filter, Graph},
    walk::{Dialect, Walk},
};
use super::{call::Call, options::Options};
use jobs::formats::rcd::Header;

const USAGE: &str = "\
usage: rcorder [-cdgp] [-k keep] [-s skip] file ...

  -k WORD  print only files with this KEYWORD, or another one given
  -s WORD  leave out files with this KEYWORD
  -p       print files that may start at once on one line
  -g       print a graph for graphviz
  -c       order and warn as NetBSD does, and FreeBSD did before 13
";

/// `rcorder` with these words.
pub fn run(call: &Call) -> u8 {
    if call.helps(USAGE) {
        return 0;
    }
    let (mut dialect, mut draws, mut levels) = (Dialect::Levels, false, false);
    let mut filter = Filter::default();
    let mut options = Options::new("cdgk:ps:", &call.words);
    while let Some(option) = options.next() {
        match option {
            Ok(option) => match option.letter {
                'c' => dialect = Dialect::Classic,
                'g' => draws = true,
                'k' => filter.keep.push(option.value.as_bytes().to_vec()),
                'p' => levels = true,
                's' => filter.skip.push(option.value.as_bytes().to_vec()),
                _ => {}
            },
            // It goes on: so it always did.
            Err(wrong) => call.warn(&wrong.0),
        }
    }
    let mut graph = Graph::with_capacity(options.rest().len());
    for path in options.rest() {
        if let Err(why) = graph.read(path, &filter) {
            call.warn(&why);
        }
    }
    for warning in graph.link() {
        call.warn(&warning);
    }
    let walk = Walk::new(&graph, dialect).walk();
    for warning in &walk.warnings {
        call.warn(warning);
    }
    let text = if draws { draw::draw(&graph, &walk) } else { list(&graph, &walk, levels) };
    let code = call.show(&text).max(u8::from(walk.is_wrong));
    // The program ends here: taking 20,000 files apart first would be a tenth of its time.
    std::mem::forget(walk);
    std::mem::forget(graph);
    code
}

/// Which of `paths` start, in their order: those without these KEYWORDs.
pub fn in_order<'p>(paths: &'p [PathBuf], skip: &[&[u8]]) -> Vec<&'p Path> {
    let filter = Filter { keep: Vec::new(), skip: skip.iter().map(|word| word.to_vec()).collect() };
    let mut graph = Graph::default();
    for path in paths {
        // One that cannot be read is none that starts.
        let _ = graph.read(path.as_os_str(), &filter);
    }
    order_of(graph)
}

/// The order of scripts with these headers.
pub fn order_by_headers<'w, 'h>(
    scripts: impl Iterator<Item = (&'w OsStr, Header<'h>)>,
    skip: &[&[u8]],
) -> Vec<&'w Path> {
    let filter = Filter { keep: Vec::new(), skip: skip.iter().map(|word| word.to_vec()).collect() };
    let mut graph = Graph::default();
    for (path, header) in scripts {
        graph.add(path, &header, &filter);
    }
    order_of(graph)
}

fn order_of(mut graph: Graph<'_>) -> Vec<&Path> {
    graph.link();
    let walk = Walk::new(&graph, Dialect::Levels).walk();
    let files = walk.order.iter().filter_map(|(file, _)| graph.files.get(*file as usize));
    files.filter(|script| script.is_printed).map(|script| Path::new(script.path)).collect()
}

/// The files, one a line, or with `levels` those of a level on one line.
fn list(graph: &Graph<'_>, walk: &Walk<'_>, levels: bool) -> Vec<u8> {
    let mut text = Vec::new();
    let mut before = None;
    for (file, level) in &walk.order {
        let Some(file) = graph.files.get(*file as usize).filter(|file| file.is_printed) else { continue };
        match before {
            None => {}
            Some(before) if levels && before == *level => text.push(b' '),
            Some(_) => text.push(b'\n'),
        }
        text.extend_from_slice(OsStr::as_bytes(file.path));
        before = Some(*level);
    }
    if !text.is_empty() {
        text.push(b'\n');
    }
    text
}

#[cfg(test)]
mod tests;
