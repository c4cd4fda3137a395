//! The command: who it is, where its output goes, and how it is executed.

use std::{io, os::fd::AsRawFd as _};

use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

use super::{output::Output, words::Wish};
use crate::{
    executor::users::Room,
    rc::{
        call::reason,
        launch::{self, Environment},
    },
    sys::child,
};

/// A user, with all that goes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    name: String,
    uid: u32,
    gid: u32,
    groups: Vec<u32>,
    home: String,
    shell: String,
}

impl Identity {
    /// The user of this name, or of this number.
    pub fn of(name: &str) -> Option<Self> {
        let mut room = Room::default();
        let is_number = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
        let user = room.user(name).or_else(|| room.user(&format!("uid:{name}")).filter(|_| is_number))?;
        let gid = user.gid?;
        room.add_group(gid);
        room.add_memberships();
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let mut lines = passwd.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let line = lines.find(|fields| fields.get(2).and_then(|uid| uid.parse().ok()) == Some(user.uid));
        let field = |place: usize| {
            line.as_ref()
                .and_then(|fields| fields.get(place))
                .map(|field| (*field).to_string())
                .unwrap_or_default()
        };
        let shell = Some(field(6)).filter(|shell| !shell.is_empty()).unwrap_or_else(|| "/bin/sh".into());
        let known = Some(field(0)).filter(|known| !known.is_empty()).unwrap_or_else(|| name.into());
        Some(Self { name: known, uid: user.uid, gid, groups: room.groups, home: field(5), shell })
    }

    fn take(&self) -> io::Result<()> {
        if nix::unistd::geteuid().is_root() {
            child::groups(&self.groups)?;
        }
        child::group(self.gid)?;
        child::user(self.uid)
    }
}

/// Becomes the command. It comes back only with why it could not.
pub fn execute(wish: &Wish, identity: Option<&Identity>, output: &Output) -> String {
    let mut environment = Environment::own();
    if let Err(error) = output.place() {
        return format!("output: {}", reason(&error));
    }
    if let Some(identity) = identity {
        if let Err(error) = identity.take() {
            return format!("failed to become {}: {}", identity.name, reason(&error));
        }
        environment.set("USER", identity.name.as_str());
        environment.set("HOME", identity.home.as_str());
        environment.set("SHELL", identity.shell.as_str());
    }
    // What we hold back or ignore is not the command's business.
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
    let error = launch::execute(&wish.command, Some(&environment));
    let name = wish.command.first().map(|word| word.to_string_lossy()).unwrap_or_default();
    format!("{name}: {}", reason(&error))
}

/// Puts a descriptor in the place of a standard one.
pub fn place(fd: &impl std::os::fd::AsFd, standard: i32) -> io::Result<()> {
    child::place(fd.as_fd().as_raw_fd(), standard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_name_and_number() {
        let root = Identity::of("root").unwrap();
        assert_eq!((root.uid, root.gid, root.name.as_str()), (0, 0, "root"));
        assert!(root.groups.contains(&0));
        assert_eq!(Identity::of("0").unwrap(), root);
        assert_eq!(Identity::of("no-such-user"), None);
        assert_eq!(Identity::of(""), None);
        assert_eq!(Identity::of("4294967295"), None);
    }
}
