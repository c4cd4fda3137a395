//! Something that holds for a while.

use alloc::sync::Arc;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{Args, Name, Text};

/// What tells one object from another of its kind: an ifindex, a DISKSEQ, a name that a person gave.
///
/// A card that is pulled and put back is another object, although it bears the same name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity(pub Text);

/// Something that holds for a while, begun by one event and ended by another: a device is there, a link
/// is up, a job runs, a mode is set.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Fact {
    /// Its kind: `device`, `link`, `running`, or a name that a job or person chose.
    pub name: Name,
    /// Which object of that kind.
    pub identity: Identity,
    /// What is known of it now. Shared: who told of it and who matches it both keep it.
    pub args: Arc<Args>,
}

impl Fact {
    /// A fact whose arguments are all that tells it from others.
    #[must_use]
    pub fn named(name: Name, args: Args) -> Self {
        use core::fmt::Write as _;
        let mut identity = Text::default();
        // Writing into a string cannot fail.
        let _ = write!(identity, "{args}");
        Self { name, identity: Identity(identity), args: Arc::new(args) }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::args::write_quoted(f, &self.name)?;
        if self.args.is_empty() { Ok(()) } else { write!(f, " {}", self.args) }
    }
}
