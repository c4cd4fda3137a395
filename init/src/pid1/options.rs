//! What this run of PID 1 was asked to be: by the kernel's command line, its own arguments, and where it is.

/// What of the kernel is not used, so that the ways without it can be tested (`onset.without=`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Without {
    /// `clone3`: `fork` instead.
    pub clone3: bool,
    /// cgroup v2: sessions, process groups and a marker in the environment instead.
    pub cgroup2: bool,
    /// pidfds: process ids instead.
    pub pidfd: bool,
}

/// What this run of PID 1 was asked to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// What of the kernel is not used.
    pub without: Without,
    /// Whether we are in a container: then job output also goes to our own, and there is no `reboot(2)`.
    pub container: bool,
    /// Where job files are found: `/`, but for tests.
    pub root: String,
    /// `quiet`: nothing on the console but what is wrong.
    pub quiet: bool,
    /// `debug`: everything on the console.
    pub debug: bool,
    /// `onset.fault=`: at which point to fail on purpose (builds with the feature `faults`).
    pub fault: Option<String>,
}
