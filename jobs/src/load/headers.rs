//! The job of an rc.d script as far as its header says.

use alloc::{boxed::Box, vec::Vec};

use events::Name;

use crate::{
    Format, Job, Provide, Require, Work,
    formats::{Described, Mention, Reading, Role, Source, rcd},
};

/// The job in `source`, with its names and their places, and nothing else.
pub(super) fn read(name: &Name, source: &Source) -> Reading {
    let header = rcd::header(&source.text);
    let mut job = Job::new(name.clone(), Format::Rcd);
    let mut mentions = Vec::new();
    let mut names = |words: &[rcd::Word<'_>], role: Role| -> Vec<Name> {
        let name = |word: &rcd::Word<'_>| {
            let name = Name::new(word.text.trim_end_matches('\r')).ok()?;
            mentions.push(Mention { role, name: name.clone(), path: None, span: word.span.clone() });
            Some(name)
        };
        words.iter().filter_map(name).collect()
    };
    let provide = |name| Provide { name, expected: None };
    let require = |name| Require { name, expected: None, optional: false };
    job.provides = names(&header.provides, Role::Provides).into_iter().map(provide).collect();
    job.requires = names(&header.requires, Role::Requires).into_iter().map(require).collect();
    job.before = Box::from(names(&header.before, Role::Before));
    job.keywords = Box::from(names(&header.keywords, Role::Keyword));
    let described = Described { job, work: Work::default(), mentions, path: source.path.clone() };
    Reading { described: Some(described), reports: Vec::new() }
}
