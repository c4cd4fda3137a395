//! The walk over the files: the last argument first, and before each file what it requires.
//!
//! A file's level is one more than the highest of those it requires; files are printed by level, and those of one level in
//! the order of the walk. NetBSD, and FreeBSD before 13, print in the order of the walk. In a loop nothing is left out:
//! the edge that closes it is ignored, with a warning.
//!
//! The walk keeps its own stack, so that a chain of any length is walked.

use super::files::{Graph, Number};

/// Whose rcorder is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// FreeBSD from 13 on.
    Levels,
    /// NetBSD, and FreeBSD before that.
    Classic,
}

/// A file whose requirements are looked at.
#[derive(Debug, Clone, Copy)]
struct Frame {
    file: Number,
    /// Which of its requirements comes next.
    next: usize,
    /// Whether that one is being walked from here.
    owns: bool,
    /// Whether the file lies further down as well.
    again: bool,
}

/// How far it is with a file.
#[derive(Debug, Clone, Copy, Default)]
struct FileState {
    /// Where it lies on the stack for the first time.
    at: Option<usize>,
    is_done: bool,
    /// Whether those who require what it provides wait no longer.
    is_gone: bool,
    loops: u32,
}

/// How far it is with a word.
#[derive(Debug, Clone, Copy, Default)]
struct WordState {
    in_progress: bool,
    /// How many of its providers are behind us.
    passed: usize,
    /// The highest level of those.
    level: u32,
}

/// A walk over a graph, and what it has found.
#[derive(Debug)]
pub struct Walk<'g> {
    graph: &'g Graph<'g>,
    dialect: Dialect,
    files: Vec<FileState>,
    words: Vec<WordState>,
    stack: Vec<Frame>,
    highest: u32,
    /// All files with their levels, the first to start first.
    pub order: Vec<(Number, u32)>,
    /// What there is to say.
    pub warnings: Vec<String>,
    /// Edges that close a loop: a file, and the word that it requires.
    pub closing: Vec<(Number, Number)>,
    /// Whether there was a loop, or a requirement that nobody provides.
    pub is_wrong: bool,
}

impl<'g> Walk<'g> {
    /// A walk that has not begun.
    pub fn new(graph: &'g Graph<'g>, dialect: Dialect) -> Self {
        Self {
            graph,
            dialect,
            files: vec![FileState::default(); graph.files.len()],
            words: vec![WordState::default(); graph.words.len()],
            stack: Vec::new(),
            highest: 0,
            order: Vec::with_capacity(graph.files.len()),
            warnings: Vec::new(),
            closing: Vec::new(),
            is_wrong: false,
        }
    }

    /// Walks over all files.
    #[must_use]
    pub fn walk(mut self) -> Self {
        for file in (0..self.graph.files.len()).rev() {
            if self.files.get(file).is_some_and(|state| state.is_done) {
                continue;
            }
            self.enter(Number::try_from(file).unwrap_or(Number::MAX));
            while let Some(frame) = self.stack.last().copied() {
                self.step(frame);
            }
        }
        if self.dialect == Dialect::Levels {
            self.order.sort_by_key(|(_, level)| *level);
        }
        self
    }

    fn enter(&mut self, file: Number) {
        let at = self.stack.len();
        let Some(state) = self.files.get_mut(file as usize) else { return };
        let again = state.at.is_some();
        state.at.get_or_insert(at);
        if again {
            self.is_wrong = true;
            if self.dialect == Dialect::Classic {
                self.warnings.push(format!("Circular dependency on file `{}'.", self.name(file)));
            }
        }
        self.stack.push(Frame { file, next: 0, owns: false, again });
    }

    /// Looks at the next requirement of the file on top, or is done with it.
    fn step(&mut self, frame: Frame) {
        let script = self.graph.files.get(frame.file as usize);
        let required = script.and_then(|script| script.requires.get(frame.next)).copied();
        let Some((word, state)) = required.and_then(|word| Some((word, self.words.get_mut(word as usize)?)))
        else {
            self.stack.pop();
            return self.leave(frame);
        };
        let providers = self.graph.words.get(word as usize).map_or(&[][..], |word| &word.providers);
        let is_gone = |file: &Number| self.files.get(*file as usize).is_none_or(|state| state.is_gone);
        let rest = providers.get(state.passed..).unwrap_or_default();
        state.passed = state.passed.saturating_add(rest.iter().take_while(|file| is_gone(file)).count());
        match providers.get(state.passed) {
            Some(provider) if frame.owns || !state.in_progress => {
                state.in_progress = true;
                if let Some(top) = self.stack.last_mut() {
                    top.owns = true;
                }
                return self.enter(*provider);
            }
            Some(_) => self.close_loop(frame.file, word),
            None if providers.is_empty() => {
                self.is_wrong = true;
                let (text, name) = (self.text(word), self.name(frame.file));
                self.warnings.push(format!("requirement `{text}' in file `{name}' has no providers."));
            }
            None => {}
        }
        if let Some(top) = self.stack.last_mut() {
            top.next = top.next.saturating_add(1);
            top.owns = false;
        }
    }

    /// A file requires a word that is being walked already.
    fn close_loop(&mut self, file: Number, word: Number) {
        self.is_wrong = true;
        self.closing.push((file, word));
        let (text, name) = (self.text(word), self.name(file));
        if self.dialect == Dialect::Classic {
            self.warnings.push(format!("Circular dependency on provision `{text}' in file `{name}'."));
            return;
        }
        let providers = self.graph.words.get(word as usize).map_or(&[][..], |word| &word.providers);
        let places = providers.iter().filter_map(|file| self.files.get(*file as usize)?.at);
        let members: Vec<Number> = match places.min() {
            Some(first) => self.stack.iter().skip(first).map(|frame| frame.file).collect(),
            None => Vec::new(),
        };
        let mut names: Vec<String> = members.iter().map(|file| self.name(*file)).collect();
        names.extend(names.first().cloned());
        self.warnings.push(format!("Circular dependency on provision `{text}': {}.", names.join(" -> ")));
        let mut counted = members;
        counted.sort_unstable();
        counted.dedup();
        for file in counted {
            if let Some(state) = self.files.get_mut(file as usize) {
                state.loops = state.loops.saturating_add(1);
            }
        }
    }

    /// All that a file requires is behind us.
    fn leave(&mut self, frame: Frame) {
        let Some(script) = self.graph.files.get(frame.file as usize) else { return };
        let level_of = |word: &Number| self.words.get(*word as usize).map_or(0, |word| word.level);
        let below = script.requires.iter().map(level_of).max().unwrap_or(0);
        let Some(state) = self.files.get_mut(frame.file as usize) else { return };
        state.is_gone = true;
        if frame.again {
            return;
        }
        state.is_done = true;
        state.at = None;
        let loops = state.loops;
        let level = if loops > 0 { self.highest } else { below }.saturating_add(1);
        self.highest = self.highest.max(level);
        for word in &script.provides {
            if let Some(word) = self.words.get_mut(*word as usize) {
                word.level = word.level.max(level);
            }
        }
        self.order.push((frame.file, level));
        if loops > 0 {
            let name = self.name(frame.file);
            self.warnings.push(format!("`{name}' was seen in circular dependencies for {loops} times."));
        }
    }

    fn name(&self, file: Number) -> String {
        let script = self.graph.files.get(file as usize);
        script.map(|script| script.path.display().to_string()).unwrap_or_default()
    }

    fn text(&self, word: Number) -> &'g str {
        self.graph.words.get(word as usize).map_or("", |word| &word.text)
    }
}
