//! Paths with globs in any of their parts, followed part by part as folders are walked.
//!
//! `*`, `?` and `[...]` stay within a part, `**` stands for any number of folders. As in a shell, a name that begins
//! with a dot is meant only by a part that begins with one.

use alloc::{boxed::Box, string::String, vec::Vec};

use crate::{Text, glob::is_glob, glob_matches};

/// The most parts that a pattern may have: how far a path has come is a set of as many bits.
pub const MAX_PARTS: usize = 62;
/// The longest pattern, in bytes: no path is longer.
pub const MAX_PATH: usize = 4096;

/// Which paths are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathPattern {
    parts: Box<[Part]>,
    /// Whether only folders are meant: a `/` stood at the end.
    only_folders: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// This very name.
    Name(Text),
    /// A name that this glob matches.
    Glob(Text),
    /// Any folders, or none.
    Folders,
}

/// Why a text means no paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathPatternError {
    /// It does not begin with `/`.
    #[error("it does not begin with `/`")]
    Relative,
    /// It is `/` and nothing more, which is always there.
    #[error("it names no file")]
    Root,
    /// A part is `..`.
    #[error("it has `..` in it")]
    Dots,
    /// Too many parts, or too long.
    #[error("it has more than {MAX_PARTS} parts or {MAX_PATH} bytes")]
    TooLong,
}

/// How far into a pattern a path has come: the parts that may come next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reached(u64);

impl Reached {
    /// Whether the path and all below it are not meant.
    #[must_use]
    pub const fn is_nothing(self) -> bool {
        self.0 == 0
    }
}

impl PathPattern {
    /// The pattern that a text says. Doubled `/` and `.` are left out.
    pub fn parse(text: &str) -> Result<Self, PathPatternError> {
        let below = text.strip_prefix('/').ok_or(PathPatternError::Relative)?;
        let mut parts: Vec<Part> = Vec::new();
        for part in below.split('/').filter(|part| !part.is_empty() && *part != ".") {
            match part {
                ".." => return Err(PathPatternError::Dots),
                "**" if matches!(parts.last(), Some(Part::Folders)) => {}
                "**" => parts.push(Part::Folders),
                part if is_glob(part) => parts.push(Part::Glob(part.into())),
                part => parts.push(Part::Name(part.into())),
            }
        }
        // What stands for all that is below a folder does not mean the folder itself.
        if matches!(parts.last(), Some(Part::Folders)) {
            parts.push(Part::Glob("*".into()));
        }
        match parts.len() {
            0 => Err(PathPatternError::Root),
            parts if parts > MAX_PARTS || text.len() > MAX_PATH => Err(PathPatternError::TooLong),
            _ => Ok(Self { parts: parts.into(), only_folders: below.ends_with('/') }),
        }
    }

    /// Whether it means one path and no other.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Name(_)))
    }

    /// Whether it means folders only.
    #[must_use]
    pub const fn means_only_folders(&self) -> bool {
        self.only_folders
    }

    /// How far `/` has come.
    #[must_use]
    pub fn begin(&self) -> Reached {
        self.closed(1)
    }

    /// How far a path has come with one more name.
    #[must_use]
    pub fn follow(&self, reached: Reached, name: &[u8]) -> Reached {
        let text = String::from_utf8_lossy(name);
        let is_hidden = name.starts_with(b".");
        let mut next = 0_u64;
        for (at, part) in self.open(reached) {
            let beyond = at.wrapping_shl(1);
            match part {
                Part::Name(wanted) if wanted.as_bytes() == name => next |= beyond,
                Part::Glob(glob) if (!is_hidden || glob.starts_with('.')) && glob_matches(glob, &text) => {
                    next |= beyond;
                }
                Part::Folders if !is_hidden => next |= at,
                Part::Name(_) | Part::Glob(_) | Part::Folders => {}
            }
        }
        self.closed(next)
    }

    /// Whether a path that has come so far is meant.
    #[must_use]
    pub fn fits(&self, reached: Reached) -> bool {
        reached.0 & self.end() != 0
    }

    /// Whether something below a path that has come so far may be meant.
    #[must_use]
    pub fn goes_on(&self, reached: Reached) -> bool {
        reached.0 & !self.end() != 0
    }

    /// Whether what lies in a folder that has come so far may be meant itself.
    #[must_use]
    pub fn ends_in(&self, reached: Reached) -> bool {
        self.closed(reached.0.wrapping_shl(1)).0 & self.end() != 0
    }

    /// The names that matter in a folder that has come so far; `None` if any may.
    #[must_use]
    pub fn names(&self, reached: Reached) -> Option<Vec<&str>> {
        self.open(reached)
            .map(|(_, part)| match part {
                Part::Name(name) => Some(name.as_str()),
                Part::Glob(_) | Part::Folders => None,
            })
            .collect()
    }

    /// Whether what may come next is this very name and nothing else.
    #[must_use]
    pub fn is_named(&self, reached: Reached, name: &[u8]) -> bool {
        self.names(reached).is_some_and(|names| names.iter().any(|known| known.as_bytes() == name))
    }

    /// The parts that may come next, each with its bit.
    fn open(&self, reached: Reached) -> impl Iterator<Item = (u64, &Part)> {
        let bits = (0..u64::BITS).map(|place| 1_u64.wrapping_shl(place));
        bits.zip(&self.parts).filter(move |(bit, _)| reached.0 & bit != 0)
    }

    /// The bit behind the last part.
    fn end(&self) -> u64 {
        1_u64.checked_shl(u32::try_from(self.parts.len()).unwrap_or(u32::MAX)).unwrap_or(0)
    }

    /// `**` may stand for nothing.
    fn closed(&self, mut bits: u64) -> Reached {
        for (at, part) in (0..u64::BITS).map(|place| 1_u64.wrapping_shl(place)).zip(&self.parts) {
            if bits & at != 0 && matches!(part, Part::Folders) {
                bits |= at.wrapping_shl(1);
            }
        }
        Reached(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, path: &str) -> bool {
        let pattern = PathPattern::parse(pattern).unwrap();
        let names = path.split('/').filter(|name| !name.is_empty());
        pattern.fits(names.fold(pattern.begin(), |reached, name| pattern.follow(reached, name.as_bytes())))
    }

    #[track_caller]
    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        for path in yes {
            assert!(fits(pattern, path), "{pattern} should mean {path}");
        }
        for path in no {
            assert!(!fits(pattern, path), "{pattern} should not mean {path}");
        }
    }

    #[test]
    fn a_pattern_means_paths_part_by_part() {
        check("/etc/a.conf", &["/etc/a.conf"], &["/etc", "/etc/b.conf", "/etc/a.conf/x"]);
        check("//etc/./a", &["/etc/a"], &["/etc/./a"]);
        check("/run/*.go", &["/run/x.go"], &["/run/x/y.go", "/run/.x.go", "/run/go"]);
        check("/run/.*", &["/run/.x"], &["/run/x"]);
        check("/*/conf", &["/a/conf"], &["/conf", "/a/b/conf"]);
        check("/etc/[ab]?", &["/etc/ax"], &["/etc/cx", "/etc/a"]);
    }

    #[test]
    fn two_stars_mean_any_folders_or_none() {
        check(
            "/etc/n/**",
            &["/etc/n/a", "/etc/n/a/b/c"],
            &["/etc/n", "/etc/m/a", "/etc/n/.git/a", "/etc/n/.a"],
        );
        check("/etc/**/x", &["/etc/x", "/etc/a/x", "/etc/a/b/x"], &["/etc/a", "/x"]);
        check("/**", &["/a", "/a/b"], &[]);
        check("/a/**/**/b/**/c", &["/a/b/c", "/a/x/b/y/z/c"], &["/a/c", "/a/b"]);
    }

    #[test]
    fn names_tell_what_must_be_listed() {
        let pattern = PathPattern::parse("/etc/*/conf").unwrap();
        let etc = pattern.follow(pattern.begin(), b"etc");
        assert_eq!((pattern.names(pattern.begin()), pattern.names(etc)), (Some(["etc"].to_vec()), None));
        let below = pattern.follow(etc, b"x");
        assert!(pattern.ends_in(below) && !pattern.ends_in(etc) && pattern.goes_on(etc));
        assert!(!pattern.goes_on(pattern.follow(below, b"conf")));
        assert!(pattern.follow(below, b"other").is_nothing());
    }

    #[test]
    fn what_means_no_path_is_refused() {
        for (text, fault) in [
            ("", PathPatternError::Relative),
            ("etc/a", PathPatternError::Relative),
            ("*", PathPatternError::Relative),
            ("/", PathPatternError::Root),
            ("/./", PathPatternError::Root),
            ("/a/../b", PathPatternError::Dots),
        ] {
            assert_eq!(PathPattern::parse(text), Err(fault), "{text}");
        }
        assert_eq!(PathPattern::parse(&"/a".repeat(MAX_PARTS + 1)), Err(PathPatternError::TooLong));
        let deep = PathPattern::parse(&"/a".repeat(MAX_PARTS)).unwrap();
        let end = (0..MAX_PARTS).fold(deep.begin(), |reached, _| deep.follow(reached, b"a"));
        assert!(deep.fits(end) && deep.is_plain());
        assert!(PathPattern::parse("/a/").unwrap().means_only_folders());
    }

    #[test]
    fn names_that_are_no_text_are_meant_by_globs_only() {
        let pattern = PathPattern::parse("/a/*").unwrap();
        let a = pattern.follow(pattern.begin(), b"a");
        assert!(pattern.fits(pattern.follow(a, b"\xff\n")));
    }
}
