//! One kind of pressure: of what there is too little, and for whom.

use events::{Args, Identity, Key, Pattern, Value, Want};

/// In which time the kernel counts, in microseconds.
const WINDOW: u32 = 2_000_000;
/// How long some program must have stood still within it, in microseconds.
const SOME: u32 = 200_000;
/// How long all must have.
const FULL: u32 = 100_000;

/// Of what there is too little.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Resource {
    Memory,
    Cpu,
    Io,
}

/// Who stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    /// One at least.
    Some,
    /// All that have something to do.
    Full,
}

/// One kind of pressure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gauge(Resource, Level);

impl Gauge {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self(Resource::Memory, Level::Some),
        Self(Resource::Memory, Level::Full),
        Self(Resource::Cpu, Level::Some),
        Self(Resource::Cpu, Level::Full),
        Self(Resource::Io, Level::Some),
        Self(Resource::Io, Level::Full),
    ];

    const fn resource(self) -> &'static str {
        match self.0 {
            Resource::Memory => "memory",
            Resource::Cpu => "cpu",
            Resource::Io => "io",
        }
    }

    const fn level(self) -> &'static str {
        match self.1 {
            Level::Some => "some",
            Level::Full => "full",
        }
    }

    /// Where the kernel tells of it.
    #[must_use]
    pub fn path(self) -> String {
        format!("/proc/pressure/{}", self.resource())
    }

    /// What the kernel is told there.
    #[must_use]
    pub fn trigger(self) -> String {
        let stalled = match self.1 {
            Level::Some => SOME,
            Level::Full => FULL,
        };
        format!("{} {stalled} {WINDOW}\0", self.level())
    }

    /// What is known of it.
    #[must_use]
    pub fn args(self) -> Args {
        let mut args = Args::new();
        for (key, value) in
            [(Key::constant("RESOURCE"), self.resource()), (Key::constant("LEVEL"), self.level())]
        {
            args.push(key, Value::escaped(value.as_bytes()).0);
        }
        args
    }

    /// What tells it from others.
    #[must_use]
    pub fn identity(self) -> Identity {
        Identity(format!("{} {}", self.resource(), self.level()).into())
    }

    /// Whether a pattern may mean it. What a variable stands for is not known.
    #[must_use]
    pub fn is_meant(self, pattern: &Pattern) -> bool {
        let plain = pattern.matches.iter().filter(|wanted| !matches!(wanted.want, Want::Template(_)));
        let plain = Pattern { name: pattern.name.clone(), matches: plain.cloned().collect() };
        plain.matches_args(&self.args(), &|_| None)
    }
}
