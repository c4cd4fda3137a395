//! The set-up of a child, from the copy to the program.
//!
//! Each step is noted before it is done, so that a death in it can be told by its name; a step that fails is
//! told through the status pipe. The pipe closes when the program is executed. Nothing here allocates.

use std::{
    convert::Infallible,
    ffi::CString,
    fs::File,
    io,
    io::Read as _,
    os::fd::RawFd,
    sync::atomic::{AtomicU8, Ordering},
};

use nix::{
    fcntl::{OFlag, open},
    sys::stat::Mode,
};

use super::{
    plan::{Plan, Terminal},
    step::{Fault, Reason, Step},
    users::User,
};
use crate::sys::{child, spawn, twin::Room};

/// What the child is given beside its plan.
#[derive(Debug, Clone, Copy)]
pub struct Post {
    /// Where steps are noted.
    pub step: &'static AtomicU8,
    /// The status pipe.
    pub status: RawFd,
    /// `cgroup.procs` of its cgroup, if it was not made in it.
    pub procs: Option<RawFd>,
}

/// What a child that shares our memory works on: it stays where it is until that child has executed or ended.
#[derive(Debug)]
pub struct Errand {
    /// Its plan.
    pub plan: Plan,
    /// What else it is given.
    pub post: Post,
    /// What it runs on.
    pub room: Room,
}

/// [`run`], for a child that shares our memory.
pub extern "C" fn run_errand(errand: *mut libc::c_void) -> ! {
    let errand = crate::sys::twin::lent::<Errand>(errand);
    run(&mut errand.plan, &errand.post)
}

/// Sets this process up and executes its program. It does not come back.
pub fn run(plan: &mut Plan, post: &Post) -> ! {
    match set_up(plan, post) {
        Ok(never) => match never {},
        Err(fault) => {
            child::tell(post.status, &fault.bytes());
            spawn::leave(spawn::NOT_EXECUTED)
        }
    }
}

fn set_up(plan: &mut Plan, post: &Post) -> Result<Infallible, Fault> {
    let begin = |step: Step| post.step.store(step as u8, Ordering::Relaxed);
    let at = |step: Step| move |error: io::Error| Fault::new(step, &error);

    begin(Step::Descriptors);
    place_descriptors(plan).map_err(at(Step::Descriptors))?;
    begin(Step::Session);
    child::session().map_err(at(Step::Session))?;
    if let Some(procs) = post.procs {
        begin(Step::Cgroup);
        child::write(procs, b"0").map_err(at(Step::Cgroup))?;
        child::close_from_to(procs, procs);
    }
    if let Some(terminal) = plan.terminal {
        begin(Step::Console);
        open_console(terminal).map_err(at(Step::Console))?;
    }
    begin(Step::Limits);
    for (place, (resource, soft, hard)) in (0..).zip(&plan.limits) {
        child::limit(*resource, *soft, *hard)
            .map_err(|error| Fault { place, ..Fault::new(Step::Limits, &error) })?;
    }
    child::umask(plan.umask);
    if let Some(priority) = plan.nice {
        begin(Step::Nice);
        child::nice(priority).map_err(at(Step::Nice))?;
    }
    if let Some((class, level)) = plan.ionice {
        begin(Step::IoNice);
        child::io_priority(class, level).map_err(at(Step::IoNice))?;
    }
    if let Some(score) = plan.oom {
        begin(Step::Oom);
        write_number("/proc/self/oom_score_adj", score).map_err(at(Step::Oom))?;
    }
    if let Some(profile) = &plan.apparmor {
        begin(Step::AppArmor);
        change_profile(profile).map_err(at(Step::AppArmor))?;
    }
    if let Some(root) = &plan.chroot {
        begin(Step::Chroot);
        nix::unistd::chroot(root.as_c_str()).map_err(|error| at(Step::Chroot)(error.into()))?;
    }
    begin(Step::Chdir);
    if plan.chroot.is_some() {
        nix::unistd::chdir(c"/").map_err(|error| at(Step::Chdir)(error.into()))?;
    }
    if let Some(folder) = &plan.chdir {
        nix::unistd::chdir(folder.as_c_str()).map_err(|error| at(Step::Chdir)(error.into()))?;
    }
    become_user(plan, &begin)?;
    if plan.no_new_privileges {
        begin(Step::NoNewPrivileges);
        child::no_new_privileges().map_err(at(Step::NoNewPrivileges))?;
    }
    if plan.wants_pid {
        plan.environment.set_number(b"LISTEN_PID=", child::own_id());
        plan.environment.set_number(b"WATCHDOG_PID=", child::own_id());
    }
    child::default_signals(plan.signals);
    begin(Step::Exec);
    child::unmask_signals();
    Err(execute(plan))
}

/// Puts each descriptor in its place and closes all others: what is PID 1's must not stay open here while a
/// step blocks.
fn place_descriptors(plan: &Plan) -> io::Result<()> {
    for (source, target) in &plan.places {
        child::place(*source, *target)?;
    }
    for (first, last) in &plan.gaps {
        child::close_from_to(*first, *last);
    }
    Ok(())
}

/// Opens the console without waiting for a carrier. One that only is written to may be missing.
fn open_console(terminal: Terminal) -> io::Result<()> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let console = match (open(c"/dev/console", flags, Mode::empty()), terminal) {
        (Ok(console), _) => console,
        (Err(_), Terminal::Output | Terminal::Offered) => return Ok(()),
        (Err(error), Terminal::Owner) => return Err(error.into()),
    };
    let fd = std::os::fd::IntoRawFd::into_raw_fd(console);
    if terminal == Terminal::Offered && child::take_terminal(fd, false).is_err() {
        child::close_from_to(fd, fd);
        return Ok(());
    }
    child::blocking(fd);
    child::place(fd, 1)?;
    child::place(fd, 2)?;
    match terminal {
        Terminal::Output => {}
        Terminal::Owner => {
            child::place(fd, 0)?;
            child::take_terminal(0, true)?;
        }
        Terminal::Offered => child::place(fd, 0)?,
    }
    child::close_from_to(fd, fd);
    Ok(())
}

fn write_number(path: &str, number: i16) -> io::Result<()> {
    // Formatted on the stack.
    let mut text = [0_u8; 8];
    let mut cursor = io::Cursor::new(text.as_mut_slice());
    io::Write::write_fmt(&mut cursor, format_args!("{number}"))?;
    let length = usize::try_from(cursor.position()).unwrap_or(0);
    let file = open(path, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    nix::unistd::write(&file, text.get(..length).unwrap_or_default())?;
    Ok(())
}

/// Changes to an AppArmor profile at `execve`. A kernel without AppArmor has none to change to.
fn change_profile(profile: &str) -> io::Result<()> {
    let mut enabled = [0_u8; 1];
    let known = File::open("/sys/module/apparmor/parameters/enabled");
    let known = known.and_then(|mut file| file.read(&mut enabled)).is_ok();
    if !known || enabled != *b"Y" {
        return Ok(());
    }
    let file = File::options().write(true).open("/proc/self/attr/exec")?;
    let mut text = [0_u8; 512];
    let mut cursor = io::Cursor::new(text.as_mut_slice());
    io::Write::write_fmt(&mut cursor, format_args!("exec {profile}"))?;
    let length = usize::try_from(cursor.position()).unwrap_or(0);
    nix::unistd::write(&file, text.get(..length).unwrap_or_default())?;
    Ok(())
}

/// Becomes the user and group of the plan, with its capabilities.
fn become_user(plan: &mut Plan, begin: &dyn Fn(Step)) -> Result<(), Fault> {
    let at = |step: Step| move |error: io::Error| Fault::new(step, &error);
    let unknown = |step, reason, place| Fault { step, reason, place, errno: 0 };
    let mut ids = None;
    if let Some(room) = &mut plan.room {
        let mut user = None;
        if let Some(name) = &plan.user {
            begin(Step::User);
            let found = room.user(name).ok_or_else(|| unknown(Step::User, Reason::Unknown, 0))?;
            user = Some(found);
        }
        begin(Step::Group);
        let mut place = 0_u8;
        let mut gid = None;
        if let Some(name) = &plan.group {
            gid = Some(room.group(name).ok_or_else(|| unknown(Step::Group, Reason::Unknown, 0))?);
            place = 1;
        }
        let own = match (gid, user) {
            (Some(gid), _) | (None, Some(User { gid: Some(gid), .. })) => Some(gid),
            (None, Some(User { gid: None, .. })) => return Err(unknown(Step::User, Reason::NoGroup, 0)),
            (None, None) => None,
        };
        if let Some(gid) = own {
            room.add_group(gid);
        }
        if user.is_some() {
            room.add_memberships();
        }
        for name in &plan.groups {
            let further = room.group(name).ok_or_else(|| unknown(Step::Group, Reason::Unknown, place))?;
            room.add_group(further);
            place = place.saturating_add(1);
        }
        begin(Step::SetGroups);
        child::groups(&room.groups).map_err(at(Step::SetGroups))?;
        if let (true, Some(user)) = (plan.owns_output, user) {
            // `/dev/stderr` is opened anew by programs that take it for a file; where it cannot be, they go on writing.
            let _ = nix::unistd::fchown(crate::sys::spawn::borrowed(1), Some(user.uid.into()), None);
        }
        if let Some(gid) = own {
            begin(Step::SetGid);
            child::group(gid).map_err(at(Step::SetGid))?;
        }
        ids = user.map(|user| user.uid);
    }
    if let Some(kept) = plan.capabilities {
        begin(Step::Bound);
        child::bound_capabilities(kept).map_err(at(Step::Bound))?;
    }
    if let Some(uid) = ids {
        begin(Step::SetUid);
        child::user(uid).map_err(at(Step::SetUid))?;
    }
    if let Some(kept) = plan.capabilities {
        begin(Step::Capabilities);
        child::keep_capabilities(kept).map_err(at(Step::Capabilities))?;
    }
    Ok(())
}

/// Tries each file that the program may be. It comes back only with a fault.
fn execute(plan: &mut Plan) -> Fault {
    let mut worst = Fault { step: Step::Exec, reason: Reason::Errno, place: 0, errno: libc::ENOENT };
    for program in &plan.programs {
        let error = child::execute(program, &plan.words, &plan.environment);
        let errno = error.raw_os_error().unwrap_or(libc::EINVAL);
        let reason = look_at(program, errno);
        if errno == libc::ENOEXEC && reason == Reason::Errno {
            child::execute_by_shell(program, &mut plan.words, &plan.environment);
        }
        let fault = Fault { reason, ..Fault::new(Step::Exec, &error) };
        match errno {
            // Perhaps in the next directory; as with every shell, a file that may not be executed is remembered.
            libc::ENOENT | libc::ENOTDIR if reason == Reason::Errno => {}
            libc::EACCES => worst = fault,
            _ => return fault,
        }
    }
    worst
}

/// Looks into a file that could not be executed, for what people get wrong.
fn look_at(program: &CString, errno: i32) -> Reason {
    if !matches!(errno, libc::ENOENT | libc::ENOEXEC) {
        return Reason::Errno;
    }
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let Ok(file) = open(program.as_c_str(), flags, Mode::empty()) else { return Reason::Errno };
    let mut start = [0_u8; 256];
    let read = nix::unistd::read(&file, &mut start).unwrap_or(0);
    let start = start.get(..read).unwrap_or_default();
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if start.starts_with(b"\xEF\xBB\xBF#!") {
        Reason::ByteOrderMark
    } else if line.starts_with(b"#!") && line.ends_with(b"\r") {
        Reason::CarriageReturn
    } else if errno == libc::ENOENT {
        // The kernel's "no such file" is about the interpreter or the loader, since this one is here.
        Reason::Interpreter
    } else {
        Reason::Errno
    }
}
