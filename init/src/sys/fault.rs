//! What happens when PID 1 does what kills a program: it executes itself again.
//!
//! A panic's hook and the handlers of the five signals that faults raise take the same road: they write down why
//! (through a function that [`arm`] was given), let the kept descriptors pass, and execute the image. Handlers
//! run on a stack of their own, so that a stack that overflowed does no harm, and may interrupt themselves: a
//! fault in a handler takes the road once more, with less to do.
//!
//! Everything on this road may run at any point of the program: it allocates nothing, takes no lock and calls only
//! what POSIX allows in a signal handler.
//!
//! What it cannot cover: a fault between an exec and [`install`] in the new image, and an exec that fails after
//! the point of no return. The kernel ends PID 1 then, and with it the machine.

use std::{
    fmt::{self, Write as _},
    mem::MaybeUninit,
    os::fd::{BorrowedFd, RawFd},
    panic::PanicHookInfo,
    ptr,
    sync::{
        OnceLock,
        atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering},
    },
};

use libc::{c_int, c_void};

use super::{exec, memory::Words, spawn::IN_CHILD};

/// The signals that faults raise.
pub const FAULTS: [c_int; 5] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT];

/// How many bytes a panic's message is cut to.
pub const MESSAGE: usize = 504;

/// Descriptors with a number from here on cannot be kept.
pub const MAX_KEPT: usize = 1 << 16;

const STACK: usize = 64 << 10;
/// After so many failed tries to execute anything, a tenth of a second apart, PID 1 ends.
const TRIES: u32 = 50;

/// Why the program cannot go on.
#[derive(Debug, Clone, Copy)]
pub struct Death<'t> {
    /// The signal; 0 for a panic.
    pub signal: i32,
    /// What the kernel says of the signal (`si_code`).
    pub code: i32,
    /// The address that was touched.
    pub address: u64,
    /// The instruction that did it; 0 where it is not known.
    pub instruction: u64,
    /// The process that sent the signal, 0 if it is outside our pid namespace; none for a fault of our own.
    pub sender: Option<i32>,
    /// When, in milliseconds since boot.
    pub time: u64,
    /// What a panic said.
    pub text: &'t str,
}

/// What the road to the next image needs, besides this module.
#[derive(Debug, Clone, Copy)]
pub struct Road {
    /// The page that outlives the exec.
    pub words: &'static Words,
    /// The number of the descriptor that the page is behind.
    pub root: RawFd,
    /// Writes down why. It must be fit for a signal handler.
    pub note: fn(&Words, &Death<'_>),
    /// Which images to try, in order, by descriptor; a negative one is none. It must be fit for a signal handler.
    pub images: fn(&Words) -> [RawFd; 2],
}

static ROAD: OnceLock<Road> = OnceLock::new();
static PID: AtomicI32 = AtomicI32::new(0);
static DEPTH: AtomicU32 = AtomicU32::new(0);
static VOICE: AtomicI32 = AtomicI32::new(-1);
static KEPT: [AtomicU64; MAX_KEPT / 64] = [const { AtomicU64::new(0) }; MAX_KEPT / 64];

/// Lets descriptor `fd` pass through every exec of this program from now on, or no longer.
pub fn keep(fd: RawFd, kept: bool) {
    let place = usize::try_from(fd).ok().and_then(|fd| KEPT.get(fd / 64));
    let Some(word) = place else { return };
    let bit = 1_u64.wrapping_shl((fd % 64).unsigned_abs());
    if kept {
        word.fetch_or(bit, Ordering::Release);
    } else {
        word.fetch_and(!bit, Ordering::Release);
    }
}

/// Where a line about a death is written to besides: the kernel's log, as a rule. It must stay open.
pub fn speak_to(fd: BorrowedFd<'static>) {
    use std::os::fd::AsRawFd as _;
    VOICE.store(fd.as_raw_fd(), Ordering::Release);
}

/// Catches panics and faults from now on. Until [`arm`] is called they end the program, as they would without.
///
/// The first thing that PID 1 does when it has descriptors 0 to 2.
pub fn install() {
    // SAFETY: it gives a number.
    PID.store(unsafe { libc::getpid() }, Ordering::Release);
    exec::prepare();
    set_stack();
    for signal in FAULTS {
        set_action(signal, on_fault as *const () as libc::sighandler_t);
    }
    unblock_faults();
    std::panic::set_hook(Box::new(on_panic));
}

/// From now on a death is followed by an exec. Only the first call counts.
pub fn arm(road: Road) {
    let _ = ROAD.set(road);
}

/// Executes `image` with all kept descriptors. It comes back only if that fails, and then nothing has changed but
/// that a limit on memory is as high as it may be. The number is that of the error.
pub fn pass_to(image: RawFd, root: RawFd) -> i32 {
    lift_limit();
    set_passing(true);
    let error = exec::execute(image, root);
    set_passing(false);
    error
}

/// As [`pass_to`], with every descriptor that is not closed on exec by itself.
pub fn pass_all_to(image: RawFd, root: RawFd) -> i32 {
    lift_limit();
    for fd in [image, root] {
        // SAFETY: it only sets a flag of a descriptor; a number that is not open is refused.
        let _ = unsafe { libc::fcntl(fd, libc::F_SETFD, 0) };
    }
    exec::execute(image, root)
}

/// A stack for handlers. Without one an overflow would end the program, and nothing else would be different.
fn set_stack() {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
    let start = unsafe { libc::mmap(ptr::null_mut(), STACK, protection, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return;
    }
    let stack = libc::stack_t { ss_sp: start, ss_flags: 0, ss_size: STACK };
    // SAFETY: the stack is the mapping just made, which stays for good and which nobody else uses.
    let _ = unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) };
}

fn set_action(signal: c_int, action: libc::sighandler_t) {
    // SAFETY: all zeros is a right value: no flags, an empty mask, no handler.
    let mut new: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    new.sa_sigaction = action;
    new.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
    if action == libc::SIG_DFL {
        new.sa_flags = 0;
    }
    // SAFETY: the handler is one of ours with the three arguments of SA_SIGINFO, or the default one.
    let _ = unsafe { libc::sigaction(signal, &raw const new, ptr::null_mut()) };
}

/// A signal mask passes through an exec: what an earlier image blocked would kill this one at its first fault.
fn unblock_faults() {
    // SAFETY: all zeros is the empty set.
    let mut set: libc::sigset_t = unsafe { MaybeUninit::zeroed().assume_init() };
    for signal in FAULTS {
        // SAFETY: the set is ours, and the signal a number that exists.
        let _ = unsafe { libc::sigaddset(&raw mut set, signal) };
    }
    // SAFETY: the set is initialised.
    let _ = unsafe { libc::sigprocmask(libc::SIG_UNBLOCK, &raw const set, ptr::null_mut()) };
}

extern "C" fn on_fault(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    if !is_pid_one() {
        if IN_CHILD.load(Ordering::Relaxed) {
            // SAFETY: it ends the process at once, without running anything of it.
            unsafe { libc::_exit(127) };
        }
        return die_of(signal);
    }
    // SAFETY: the kernel gives a pointer to a whole siginfo with SA_SIGINFO.
    let info = unsafe { &*info };
    // SAFETY: for these signals the kernel fills in the address, or the sender's pid in the same place.
    let address = unsafe { info.si_addr() };
    // SAFETY: as above; it is only used where the code says that somebody sent the signal.
    let sender = unsafe { info.si_pid() };
    let is_sent = info.si_code <= 0;
    // SAFETY: it gives a number.
    let is_own = is_sent && sender == unsafe { libc::getpid() };
    take_road(&Death {
        signal,
        code: info.si_code,
        address: if is_sent { 0 } else { address.addr() as u64 },
        instruction: instruction(context),
        sender: (is_sent && !is_own).then_some(sender),
        time: now(),
        text: "",
    });
}

fn on_panic(info: &PanicHookInfo<'_>) {
    if !is_pid_one() {
        // In a child of ours nothing of PID 1's state may be touched; in a thread of a test nothing happens here.
        if IN_CHILD.load(Ordering::Relaxed) {
            // SAFETY: it ends the process at once, without running anything of it.
            unsafe { libc::_exit(127) };
        }
        return;
    }
    let mut text = Line::<MESSAGE>::default();
    // A message that is too long is cut, which is no failure.
    let _ = write!(text, "{info}");
    take_road(&Death {
        signal: 0,
        code: 0,
        address: 0,
        instruction: 0,
        sender: None,
        time: now(),
        text: text.as_str(),
    });
}

fn is_pid_one() -> bool {
    // SAFETY: it gives a number.
    !IN_CHILD.load(Ordering::Relaxed) && unsafe { libc::getpid() } == PID.load(Ordering::Acquire)
}

/// Does not come back if any image can be executed.
fn take_road(death: &Death<'_>) {
    let depth = DEPTH.fetch_add(1, Ordering::AcqRel);
    let Some(road) = ROAD.get() else {
        speak(death);
        return die_of(death.signal);
    };
    if depth == 0 {
        (road.note)(road.words, death);
        speak(death);
    }
    lift_limit();
    set_passing(true);
    for _ in 0..TRIES {
        let images = (road.images)(road.words);
        for image in images.into_iter().filter(|image| *image >= 0) {
            exec::execute(image, road.root);
        }
        exec::execute_path(road.root);
        pause();
    }
    die_of(death.signal);
}

/// Ends the process by `signal`, as if we had never caught it; a panic (0) goes on by itself.
fn die_of(signal: c_int) {
    if signal != 0 {
        set_action(signal, libc::SIG_DFL);
        // SAFETY: it sends a signal to this very process.
        let _ = unsafe { libc::raise(signal) };
    }
}

/// Lets the kept descriptors pass through the next exec, and nothing else; or takes that back.
fn set_passing(passing: bool) {
    let all = libc::CLOSE_RANGE_CLOEXEC as c_int;
    // A kernel without it (before 5.11) finds descriptors closed on exec, because they are made so.
    // SAFETY: it only sets a flag of each descriptor.
    let _ = unsafe { libc::syscall(libc::SYS_close_range, 3, c_int::MAX, all) };
    for (place, word) in KEPT.iter().enumerate() {
        let bits = word.load(Ordering::Acquire);
        for bit in (0..64_usize).filter(|bit| bits >> bit & 1 == 1) {
            let fd = place.wrapping_mul(64).wrapping_add(bit) as c_int;
            let flag = if passing { 0 } else { libc::FD_CLOEXEC };
            // SAFETY: it only sets a flag of a descriptor; a number that is not open is refused.
            let _ = unsafe { libc::fcntl(fd, libc::F_SETFD, flag) };
        }
    }
}

/// A limit on memory that is too low for the new image would kill it where nothing can help any more.
fn lift_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the place is a whole `rlimit`.
    if unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) } == 0 {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: the limit is a whole `rlimit`.
        let _ = unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) };
    }
}

fn pause() {
    let tenth = libc::timespec { tv_sec: 0, tv_nsec: 100_000_000 };
    // SAFETY: the time is a whole `timespec`, and no rest is asked for.
    let _ = unsafe { libc::nanosleep(&raw const tenth, ptr::null_mut()) };
}

/// Milliseconds since boot. A clock that fails gives 0.
#[must_use]
pub fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the place is a whole `timespec`.
    let _ = unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time) };
    time.tv_sec.unsigned_abs().wrapping_mul(1_000).wrapping_add(time.tv_nsec.unsigned_abs() / 1_000_000)
}

#[cfg(target_arch = "x86_64")]
fn instruction(context: *const c_void) -> u64 {
    // SAFETY: the kernel gives a pointer to a whole context of this architecture with SA_SIGINFO.
    let context = unsafe { &*context.cast::<libc::ucontext_t>() };
    context.uc_mcontext.gregs.get(libc::REG_RIP as usize).map_or(0, |register| register.cast_unsigned())
}

#[cfg(not(target_arch = "x86_64"))]
fn instruction(_: *const c_void) -> u64 {
    0
}

/// A line for the kernel's log.
fn speak(death: &Death<'_>) {
    let fd = VOICE.load(Ordering::Acquire);
    if fd < 0 {
        return;
    }
    let mut line = Line::<640>::default();
    // A line that is too long is cut, which is no failure.
    let _ = match death.signal {
        0 => writeln!(line, "<2>onset: {}; executing myself again", death.text),
        signal => writeln!(
            line,
            "<2>onset: signal {signal} (code {}, address {:#x}, instruction {:#x}, sender {:?}); \
             executing myself again",
            death.code, death.address, death.instruction, death.sender
        ),
    };
    let bytes = line.as_str();
    // SAFETY: the bytes are ours and as many as is said. What cannot be written is not needed.
    let _ = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
}

/// Text of at most `N` bytes, written without allocating; what does not fit is cut.
struct Line<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Default for Line<N> {
    fn default() -> Self {
        Self { bytes: [0; N], length: 0 }
    }
}

impl<const N: usize> Line<N> {
    fn as_str(&self) -> &str {
        str::from_utf8(self.bytes.get(..self.length).unwrap_or_default()).unwrap_or("")
    }
}

impl<const N: usize> fmt::Write for Line<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = N.saturating_sub(self.length);
        let text = text.get(..text.floor_char_boundary(room)).unwrap_or("");
        let end = self.length.saturating_add(text.len());
        if let Some(place) = self.bytes.get_mut(self.length..end) {
            place.copy_from_slice(text.as_bytes());
            self.length = end;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_is_cut_between_characters() {
        let mut line = Line::<8>::default();
        line.write_str("abcäöü").unwrap();
        assert_eq!(line.as_str(), "abcäö");
        write!(line, "xy").unwrap();
        assert_eq!(line.as_str(), "abcäöx");
    }

    #[test]
    fn descriptors_beyond_the_table_are_let_go() {
        keep(-1, true);
        keep(MAX_KEPT as RawFd, true);
        keep(65_535, true);
        assert_eq!(KEPT[MAX_KEPT / 64 - 1].load(Ordering::Relaxed), 1 << 63);
        keep(65_535, false);
        assert_eq!(KEPT[MAX_KEPT / 64 - 1].load(Ordering::Relaxed), 0);
    }
}
