//! What somebody wants: a call whose every part is right.

use core::{fmt, str::FromStr};

use alloc::{string::String, vec::Vec};

use crate::{Args, Event, Fact, Key, Name, Text, Value};

/// What somebody wants of Onset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// That a job shall do something.
    Act {
        /// What.
        wish: Wish,
        /// Which job.
        target: Target,
        /// Whether it shall be done although a condition or mode says no.
        force: bool,
        /// Whether the answer comes when it is done.
        wait: bool,
    },
    /// How a job is.
    Status(Target),
    /// How all jobs are.
    List,
    /// Who needs and requires whom.
    Tree,
    /// That an event happens.
    Emit {
        /// Which.
        event: Event,
        /// Whether the answer comes when all that it caused is done.
        wait: bool,
    },
    /// The answer to a question that Onset had not answered before it executed itself again.
    Await(u64),
    /// That a fact begins to hold.
    SetFact {
        /// Which.
        fact: Fact,
        /// Whether it outlives the job that says so.
        keep: bool,
    },
    /// That a fact holds no longer.
    UnsetFact(Fact),
    /// That devices are taken note of, each as udev's database knows it.
    EnumerateDevices(Vec<Args>),
    /// What holds; only facts of this name, if one is given.
    Facts(Option<Name>),
    /// All times that jobs ask for.
    Timers,
    /// What is attached to events that have hooks, or to this one.
    Hooks(Option<Name>),
    /// Everything that happens, from now on.
    Events,
    /// Why a job is as it is.
    Why(Target),
    /// All that is known of a job.
    Show(Target),
    /// Every bound, and how far it is used.
    Limits,
    /// That the job files are read again.
    ReloadConfiguration,
    /// That Onset executes itself again.
    Reexec,
    /// That the machine goes down.
    Shutdown {
        /// How.
        kind: Going,
        /// Whether nobody is waited for.
        fast: bool,
    },
    /// That another file system becomes the root, and its init takes over.
    SwitchRoot {
        /// Where it is.
        root: String,
        /// Which program takes over; the usual ones are tried if none is given.
        init: Option<String>,
    },
    /// Which version runs.
    Version,
    /// What is logged.
    GetLogLevel,
    /// That so much is logged.
    SetLogLevel(LogLevel),
    /// In which mode the machine is.
    GetMode,
    /// That the machine changes to a mode.
    SetMode(Name),
    /// The run level that was last changed to, and the one before it.
    GetRunLevel,
    /// Whether the boot has settled.
    Settled {
        /// Whether the answer comes when it has.
        wait: bool,
    },
    /// A variable of every job that starts from now on.
    SetEnv {
        /// Its name.
        key: Key,
        /// Its value.
        value: Value,
        /// Whether a value that it has already stays.
        retain: bool,
    },
    /// That a variable is given to jobs no longer.
    UnsetEnv(Key),
    /// The value of a variable.
    GetEnv(Key),
    /// All variables.
    ListEnv,
    /// That all variables that were set are forgotten.
    ResetEnv,
    /// Who we are (`org.varlink.service`).
    GetInfo,
    /// What an interface has (`org.varlink.service`).
    GetInterfaceDescription(String),
}

/// What a job shall do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Be up.
    Start,
    /// Be down.
    Stop,
    /// Be down, and then up.
    Restart,
    /// Read its configuration again.
    Reload,
}

/// Which job is meant, and which instance of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// The job, or a name that jobs provide; none means the job that the caller is a process of.
    pub job: Option<Name>,
    /// Variables, from which the instance's name is made.
    pub args: Args,
    /// The instance's name itself, in place of variables.
    pub instance: Option<Text>,
}

macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $type { $($(#[$variant_doc])* $variant,)* }

        impl $type {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name, as people write it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl FromStr for $type {
            type Err = String;
            fn from_str(word: &str) -> Result<Self, String> {
                let known = Self::ALL.iter().find(|known| known.name() == word);
                known.copied().ok_or_else(|| {
                    let names: alloc::vec::Vec<&str> = Self::ALL.iter().map(|known| known.name()).collect();
                    alloc::format!("`{word}` is none of {}", names.join(", "))
                })
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

words! {
    /// How the machine goes down.
    Going {
        /// It is switched off.
        Poweroff = "poweroff",
        /// It starts again.
        Reboot = "reboot",
        /// It stands still.
        Halt = "halt",
        /// The kernel that was loaded takes over.
        Kexec = "kexec",
    }
}
words! {
    /// How much is logged: this, and what is worse.
    LogLevel {
        /// What developers look at.
        Debug = "debug",
        /// What happens.
        Info = "info",
        /// What people should know.
        Message = "message",
        /// What may be wrong.
        Warn = "warn",
        /// What is wrong.
        Error = "error",
        /// What ends it all.
        Fatal = "fatal",
    }
}
