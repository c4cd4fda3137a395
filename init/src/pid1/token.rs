//! Which part of PID 1 a descriptor belongs to, and who is heard first.

use crate::sources::Part;

/// A descriptor that the loop waits for.
///
/// The order of the variants is the order within a turn: what a process says of itself before its end, ends
/// before what people want, and the world last. A number is a place in the table of the part that owns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Token {
    /// A message on the socket that `NOTIFY_SOCKET` names.
    Notify(u32),
    /// A child tells how far its set-up has come.
    Status(u32),
    /// A newline on the descriptor that a job is ready by.
    ReadyFd(u32),
    /// A signal to PID 1, SIGCHLD above all.
    Signals,
    /// A process that is not our child has ended.
    PidFd(u32),
    /// Something changed in a cgroup or a path that a job is ready by.
    Inotify,
    /// The next deadline (`CLOCK_BOOTTIME`).
    Deadline,
    /// Somebody wants to talk to us.
    Listener,
    /// Somebody talks to us.
    Client(u32),
    /// The log keeper's channel.
    Keeper,
    /// A job has written its first output.
    Output(u32),
    /// A job file has changed.
    Files,
    /// Something has happened in the world.
    Source(Part),
}
