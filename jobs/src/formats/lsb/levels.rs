//! Run levels, and the links that say in which of them a script runs.

use alloc::{collections::BTreeMap, format, string::String, vec::Vec};

use events::{Condition, Dialect};

/// A set of run levels: 0 to 6, and S for the boot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Levels(u8);

const BOOT: u8 = 1 << 7;
/// The levels that a machine works in.
const WORK: u8 = 0b11_1100;

impl Levels {
    /// Halt and reboot: what stops there stops at every shutdown, and the shutdown sees to it.
    pub const SHUTDOWN: Self = Self(1 | 1 << 6);

    /// The level that one character names.
    #[must_use]
    pub const fn named(level: char) -> Option<Self> {
        match level {
            '0'..='6' => Some(Self(1 << (level as u8 & 7))),
            'S' | 's' | 'B' | 'b' => Some(Self(BOOT)),
            _ => None,
        }
    }

    /// The level that a word names.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        let mut letters = word.chars();
        let level = Self::named(letters.next()?)?;
        letters.next().is_none().then_some(level)
    }

    /// What a run level of OpenRC's is here.
    fn of_openrc(name: &str) -> Option<Self> {
        match name {
            "sysinit" | "boot" => Some(Self(BOOT)),
            "default" => Some(Self(WORK)),
            _ => None,
        }
    }

    /// Those of `self` and those of `other`.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those of `self` that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the boot is among them.
    #[must_use]
    pub const fn has_boot(self) -> bool {
        self.0 & BOOT != 0
    }

    /// Whether one in which a machine works is among them: 2 to 5.
    #[must_use]
    pub const fn has_work(self) -> bool {
        self.0 & WORK != 0
    }

    /// The events that say that one of these levels has come.
    #[must_use]
    pub fn condition(self) -> Option<Condition> {
        let digits: String = ('0'..='6').filter(|digit| self.has(*digit)).collect();
        let levels = match digits.len() {
            0 => String::new(),
            1 => format!("runlevel {digits}"),
            _ => format!("runlevel [{digits}]"),
        };
        let boot = if self.0 & BOOT == 0 { "" } else { "startup" };
        let parts: Vec<&str> = [boot, &levels].into_iter().filter(|part| !part.is_empty()).collect();
        Condition::parse(&parts.join(" or "), Dialect::Edges).ok()
    }

    fn has(self, level: char) -> bool {
        Self::named(level).is_some_and(|level| self.0 & level.0 != 0)
    }
}

impl FromIterator<Levels> for Levels {
    fn from_iter<I: IntoIterator<Item = Self>>(levels: I) -> Self {
        levels.into_iter().fold(Self::default(), Self::with)
    }
}

/// The links of `rc0.d` to `rc6.d` and `rcS.d`. Where there are any, they decide which script runs in which
/// level, and what Default-Start says is what they would be if somebody made them anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Links(BTreeMap<String, (Levels, Levels)>);

impl Links {
    /// The links at these paths, of which only the last two parts count: `rc2.d/S01cron`. What is no link of
    /// a run level is passed over.
    #[must_use]
    pub fn parse<'p>(paths: impl IntoIterator<Item = &'p str>) -> Self {
        let mut links = Self::default();
        for path in paths {
            if let Some((level, is_start, script)) = link(path) {
                let (start, stop) = links.0.entry(script.into()).or_default();
                let levels = if is_start { start } else { stop };
                *levels = levels.with(level);
            }
        }
        links
    }

    /// Whether there is none at all, so that Default-Start counts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The levels in which `script` is started, and those in which it is stopped.
    #[must_use]
    pub fn levels_of(&self, script: &str) -> (Levels, Levels) {
        self.0.get(script).copied().unwrap_or_default()
    }
}

/// The level of a link, whether it starts, and the script's name.
fn link(path: &str) -> Option<(Levels, bool, &str)> {
    let (folder, file) = path.rsplit_once('/')?;
    if let Some(openrc) = folder.rsplit_once("runlevels/").map(|(_, level)| level) {
        return Some((Levels::of_openrc(openrc)?, true, file));
    }
    let folder = folder.rsplit('/').next()?;
    let level = Levels::of_word(folder.strip_prefix("rc")?.strip_suffix(".d")?)?;
    let (is_start, rest) = match file.strip_prefix('S') {
        Some(rest) => (true, rest),
        None => (false, file.strip_prefix('K')?),
    };
    let (number, script) = (rest.get(..2)?, rest.get(2..)?);
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && !script.is_empty()).then_some((level, is_start, script))
}
