//! The steps in which a child is set up, and what a failure of one is called.

use events::Text;
use jobs::{Resource, Work};
use nix::errno::Errno;

/// A step of a child's set-up, in the order in which they are done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Step {
    /// Nothing has been done yet.
    Begin,
    /// Descriptors are put in their places, and all others closed.
    Descriptors,
    /// A session of its own begins.
    Session,
    /// It enters its cgroup, if it was not made in it.
    Cgroup,
    /// The console is opened, and becomes the controlling terminal.
    Console,
    /// Resource limits.
    Limits,
    /// Scheduling priority.
    Nice,
    /// I/O priority.
    IoNice,
    /// How soon it is killed when memory is short.
    Oom,
    /// Another AppArmor profile.
    AppArmor,
    /// Another root.
    Chroot,
    /// Another directory.
    Chdir,
    /// The user is looked up.
    User,
    /// The group is looked up.
    Group,
    /// Supplementary groups.
    SetGroups,
    /// Its group ids.
    SetGid,
    /// The bounding set of its capabilities.
    Bound,
    /// Its user ids.
    SetUid,
    /// Its capabilities.
    Capabilities,
    /// No new rights by executing files.
    NoNewPrivileges,
    /// The program is executed.
    Exec,
}

impl Step {
    const ALL: [Self; 21] = [
        Self::Begin,
        Self::Descriptors,
        Self::Session,
        Self::Cgroup,
        Self::Console,
        Self::Limits,
        Self::Nice,
        Self::IoNice,
        Self::Oom,
        Self::AppArmor,
        Self::Chroot,
        Self::Chdir,
        Self::User,
        Self::Group,
        Self::SetGroups,
        Self::SetGid,
        Self::Bound,
        Self::SetUid,
        Self::Capabilities,
        Self::NoNewPrivileges,
        Self::Exec,
    ];

    /// The step of this number.
    #[must_use]
    pub fn of(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or(Self::Begin)
    }

    /// Its name, as people read it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Begin => "set-up",
            Self::Descriptors => "descriptors",
            Self::Session => "setsid",
            Self::Cgroup => "cgroup",
            Self::Console => "console",
            Self::Limits => "limit",
            Self::Nice => "nice",
            Self::IoNice => "ionice",
            Self::Oom => "oom",
            Self::Chroot => "chroot",
            Self::Chdir => "chdir",
            Self::User | Self::SetUid => "setuid",
            Self::Group | Self::SetGid => "setgid",
            Self::SetGroups => "setgroups",
            Self::Bound | Self::Capabilities => "capabilities",
            Self::NoNewPrivileges => "no-new-privileges",
            Self::AppArmor => "apparmor",
            Self::Exec => "exec",
        }
    }
}

/// Why a step failed, beside what the kernel said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// What the kernel said is all.
    #[default]
    Errno,
    /// There is no such user or group.
    Unknown,
    /// A user by number of whom nobody says which group is his.
    NoGroup,
    /// The script begins with a byte order mark.
    ByteOrderMark,
    /// The line that names its interpreter ends in a carriage return.
    CarriageReturn,
    /// The program is there, and what it is to be run by is not.
    Interpreter,
}

impl Reason {
    const ALL: [Self; 6] = [
        Self::Errno,
        Self::Unknown,
        Self::NoGroup,
        Self::ByteOrderMark,
        Self::CarriageReturn,
        Self::Interpreter,
    ];
}

/// Why there is no process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unmade {
    /// The system has too little of this.
    Starved(&'static str),
    /// The job's own fault, in words.
    Fault(String),
}

impl Unmade {
    /// What a failed call of our own means: too little of something, or else a fault at this step.
    #[must_use]
    pub fn by(step: &str, error: &std::io::Error) -> Self {
        let errno = error.raw_os_error().unwrap_or(libc::EINVAL);
        match errno {
            libc::EMFILE | libc::ENFILE => Self::Starved("descriptors"),
            libc::ENOMEM | libc::ENOBUFS => Self::Starved("memory"),
            libc::EAGAIN => Self::Starved("pids"),
            _ => Self::Fault(format!("{step}: {}", said(errno))),
        }
    }
}

/// What a child tells when it cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// At which step.
    pub step: Step,
    /// Why.
    pub reason: Reason,
    /// Which of several: a limit, a group.
    pub place: u8,
    /// What the kernel said.
    pub errno: i32,
}

/// What a fault is put into words with: a few names out of a [`Work`], kept until its child has executed.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// The program.
    pub program: String,
    /// The user.
    pub user: Option<Text>,
    /// The group, and after it the further ones.
    pub groups: Vec<Text>,
    /// Whether the first of them is its own group.
    pub has_group: bool,
    /// The directory that becomes its root.
    pub chroot: Option<Text>,
    /// The directory it begins in.
    pub chdir: Option<Text>,
    /// What is limited.
    pub limits: Vec<Resource>,
}

impl Names {
    /// The names in `work`, for a process that executes `program`.
    #[must_use]
    pub fn of(work: &Work, program: &str) -> Self {
        Self {
            program: program.into(),
            user: work.user.clone(),
            groups: work.group.iter().chain(&work.groups).cloned().collect(),
            has_group: work.group.is_some(),
            chroot: work.chroot.clone(),
            chdir: work.chdir.clone(),
            limits: work.limits.iter().map(|(resource, _)| *resource).collect(),
        }
    }
}

/// The length of a fault in bytes.
pub const FAULT: usize = 7;

impl Fault {
    /// What the kernel said at a step.
    #[must_use]
    pub fn new(step: Step, error: &std::io::Error) -> Self {
        let errno = error.raw_os_error().unwrap_or(libc::EINVAL);
        Self { step, reason: Reason::Errno, place: 0, errno }
    }

    /// As it goes through the pipe.
    #[must_use]
    pub fn bytes(self) -> [u8; FAULT] {
        let [a, b, c, d] = self.errno.to_le_bytes();
        [self.step as u8, self.reason as u8, self.place, a, b, c, d]
    }

    /// As it came through the pipe.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let &[step, reason, place, a, b, c, d] = bytes else { return None };
        let reason = Reason::ALL.get(usize::from(reason)).copied().unwrap_or_default();
        Some(Self { step: Step::of(step), reason, place, errno: i32::from_le_bytes([a, b, c, d]) })
    }

    /// In words: the step, and what was wrong there.
    #[must_use]
    pub fn text(self, names: &Names) -> String {
        let step = self.step.name();
        let said = said(self.errno);
        let place = usize::from(self.place);
        let program = &names.program;
        let user = names.user.as_deref().unwrap_or_default();
        let group = names.groups.get(place).map(Text::as_str).unwrap_or_default();
        match (self.step, self.reason) {
            (Step::User, Reason::Unknown) => format!("{step}: no user `{user}`"),
            (Step::User, Reason::NoGroup) => {
                format!("{step}: `{user}` stands in no passwd file, so its group must be given")
            }
            (Step::Group, Reason::Unknown) => format!("{step}: no group `{group}`"),
            (Step::SetGid, Reason::Errno) if names.has_group => format!("{step}: `{group}`: {said}"),
            (Step::SetUid, Reason::Errno) => format!("{step}: `{user}`: {said}"),
            (Step::Exec, Reason::ByteOrderMark) => {
                format!("{step}: {program} begins with a byte order mark before its `#!`")
            }
            (Step::Exec, Reason::CarriageReturn) => {
                format!("{step}: the first line of {program} ends in a carriage return")
            }
            (Step::Exec, Reason::Interpreter) => format!("{step}: {program}: its interpreter is not there"),
            (Step::Exec, _) if self.errno == libc::ENOENT => format!("{step}: no such file: {program}"),
            (Step::Exec, _) => format!("{step}: {program}: {said}"),
            (Step::Chroot, _) => format!("{step}: {}: {said}", names.chroot.as_deref().unwrap_or_default()),
            (Step::Chdir, _) => format!("{step}: {}: {said}", names.chdir.as_deref().unwrap_or("/")),
            (Step::Limits, _) => {
                let limit = names.limits.get(place).map_or("nofile", |resource| name_of(*resource));
                format!("{step}: {limit}: {said}")
            }
            _ => format!("{step}: {said}"),
        }
    }
}

fn name_of(resource: Resource) -> &'static str {
    Resource::NAMES.iter().find(|(_, known)| *known == resource).map_or("", |(name, _)| name)
}

/// What an error number says, in small letters.
#[must_use]
pub fn said(errno: i32) -> String {
    let text = Errno::from_raw(errno).desc();
    let mut letters = text.chars();
    match letters.next() {
        // An abbreviation at the beginning stays as it is.
        Some(first) if letters.clone().next().is_some_and(char::is_lowercase) => {
            first.to_lowercase().chain(letters).collect()
        }
        Some(_) | None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fault goes through the pipe unchanged, and reads like this.
    #[track_caller]
    fn check(step: Step, reason: Reason, errno: i32, text: &str) {
        let work = Work { user: Some("www".into()), ..Work::default() };
        let names = Names::of(&work, "/x");
        let fault = Fault { step, reason, place: 0, errno };
        assert_eq!(Fault::read(&fault.bytes()), Some(fault));
        assert_eq!(fault.text(&names), text);
    }

    #[test]
    fn a_fault_names_its_step_and_what_was_wrong() {
        check(Step::User, Reason::Unknown, 0, "setuid: no user `www`");
        check(Step::SetUid, Reason::Errno, libc::EPERM, "setuid: `www`: operation not permitted");
        check(Step::Exec, Reason::Errno, libc::ENOENT, "exec: no such file: /x");
        check(Step::Exec, Reason::Errno, libc::EACCES, "exec: /x: permission denied");
        check(Step::Chdir, Reason::Errno, libc::ENOENT, "chdir: /: no such file or directory");
        check(Step::Session, Reason::Errno, libc::EIO, "setsid: I/O error");
        assert_eq!(Fault::read(b"12"), None);
    }

    #[test]
    fn every_step_is_found_by_its_number() {
        for (number, step) in (0_u8..).zip(Step::ALL) {
            assert_eq!((step as u8, Step::of(number)), (number, step));
        }
        assert_eq!(Step::of(99), Step::Begin);
        for (number, reason) in (0_u8..).zip(Reason::ALL) {
            assert_eq!(reason as u8, number);
        }
    }
}
