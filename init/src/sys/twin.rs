//! A child that shares our memory until it executes its program: nothing of ours is copied for it, and it may block
//! without holding us.
//!
//! Two processes run in one memory then, so such a child has a stack of its own, and a copy of what the C library keeps
//! for a thread (`errno` above all). It must not allocate, must not touch what we may touch meanwhile, and what it works
//! on must stay where it is until it has executed or ended. It is a fork in everything else: its descriptors,
//! directory, limits and signals are its own.
//!
//! Where that cannot be had (another architecture, an image that is not static), [`prepare`] says so.

use std::{
    io,
    os::fd::{FromRawFd as _, OwnedFd},
    ptr::NonNull,
};

use super::spawn::{CloneArgs, How};

/// How much there is for the stack and the copy above it.
const SIZE: usize = 64 << 10;
/// What faults when the stack is used up.
const GUARD: usize = 4096;
/// How much of glibc's `struct pthread` is copied, which begins at the thread pointer: all of it.
const THREAD: usize = 2304;

const CLONE_VM: u64 = 0x100;
const CLONE_SETTLS: u64 = 0x8_0000;

/// Memory for one child: its stack, and its copy of the thread's data.
#[derive(Debug)]
pub struct Room {
    start: NonNull<u8>,
}

impl Room {
    /// New memory.
    pub fn new() -> io::Result<Self> {
        let (protection, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping at a place of the kernel's choice touches no memory that is in use.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), SIZE, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the first page of the mapping just made.
        unsafe { libc::mprotect(start, GUARD, libc::PROT_NONE) };
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this size, and whoever ran on it has executed or ended.
        unsafe { libc::munmap(self.start.as_ptr().cast(), SIZE) };
    }
}

/// Whether children can be made so. From then on this process leaves no core dump: kernels before 5.17 end everybody
/// who shares a memory when one of them is dumped.
#[must_use]
pub fn prepare() -> bool {
    // SAFETY: it takes numbers.
    thread_data().is_some() && unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) } == 0
}

/// Where and how large the image's template of a thread's data is: size and alignment. `None` if there is a
/// dynamic linker, which may have put more than that below the thread pointer.
#[cfg(all(target_arch = "x86_64", target_env = "gnu", target_pointer_width = "64"))]
fn thread_data() -> Option<(usize, usize)> {
    // SAFETY: it takes a number.
    let (headers, count) = unsafe { (libc::getauxval(libc::AT_PHDR), libc::getauxval(libc::AT_PHNUM)) };
    let (headers, count) = (headers as *const libc::Elf64_Phdr, usize::try_from(count).ok()?);
    if headers.is_null() || count > 64 {
        return None;
    }
    // SAFETY: the kernel says that so many headers stand there, in the image, which stays as it is.
    let headers = unsafe { std::slice::from_raw_parts(headers, count) };
    if headers.iter().any(|header| header.p_type == libc::PT_INTERP) {
        return None;
    }
    let data = headers.iter().find(|header| header.p_type == libc::PT_TLS);
    let (size, align) = data.map_or((0, 64), |data| (data.p_memsz, data.p_align.max(64)));
    Some((usize::try_from(size).ok()?, usize::try_from(align).ok()?))
}

#[cfg(not(all(target_arch = "x86_64", target_env = "gnu", target_pointer_width = "64")))]
fn thread_data() -> Option<(usize, usize)> {
    None
}

/// Makes a child that runs `run` with `errand` on the memory of `room`. Gives its id, and its pidfd if one is wanted.
///
/// The caller keeps `room` and what `errand` points to until the child has executed a program or has ended, and
/// touches nothing that the child uses.
#[cfg(all(target_arch = "x86_64", target_env = "gnu", target_pointer_width = "64"))]
pub fn spawn(
    how: &How<'_>,
    room: &mut Room,
    run: extern "C" fn(*mut libc::c_void) -> !,
    errand: *mut libc::c_void,
) -> io::Result<(i32, Option<OwnedFd>)> {
    let (size, align) = thread_data().ok_or(io::ErrorKind::Unsupported)?;
    let thread = copy_thread(room, size, align);
    let mut pidfd: i32 = -1;
    let mut args = CloneArgs::of(how, &raw mut pidfd);
    let below = thread.saturating_sub(size.next_multiple_of(align)) & !63;
    let stack = (room.start.as_ptr() as usize).saturating_add(GUARD);
    args.flags |= CLONE_VM | CLONE_SETTLS;
    args.stack = stack as u64;
    args.stack_size = below.saturating_sub(stack) as u64;
    args.tls = thread as u64;
    let result: i64;
    // SAFETY: the child begins on a stack of its own and calls `run`, which does not come back; we go on behind it.
    // Both registers that it needs are kept by the system call.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, r13",
            "call r12",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") &raw const args,
            in("rsi") size_of::<CloneArgs>(),
            in("r12") run,
            in("r13") errand,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    if result < 0 {
        return Err(io::Error::from_raw_os_error(
            i32::try_from(result.saturating_neg()).unwrap_or(libc::EINVAL),
        ));
    }
    // SAFETY: the kernel has just made this descriptor for us.
    let pidfd = (pidfd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(pidfd) });
    Ok((i32::try_from(result).map_err(io::Error::other)?, pidfd))
}

/// There is no such child here.
#[cfg(not(all(target_arch = "x86_64", target_env = "gnu", target_pointer_width = "64")))]
pub fn spawn(
    _: &How<'_>,
    _: &mut Room,
    _: extern "C" fn(*mut libc::c_void) -> !,
    _: *mut libc::c_void,
) -> io::Result<(i32, Option<OwnedFd>)> {
    Err(io::ErrorKind::Unsupported.into())
}

/// What a child's errand points to, for the child.
pub fn lent<'e, T>(errand: *mut libc::c_void) -> &'e mut T {
    // SAFETY: whoever made the child gave it a pointer to a `T`, keeps that where it is, and does not touch it until the
    // child has executed or ended.
    unsafe { &mut *errand.cast::<T>() }
}

/// Copies our thread's data to the top of `room`; gives the thread pointer of the copy.
#[cfg(all(target_arch = "x86_64", target_env = "gnu", target_pointer_width = "64"))]
fn copy_thread(room: &Room, size: usize, align: usize) -> usize {
    let own: usize;
    // SAFETY: reads the first word at the thread pointer, which is the thread pointer itself.
    unsafe { std::arch::asm!("mov {}, fs:0", out(reg) own, options(nostack, readonly, preserves_flags)) };
    let end = (room.start.as_ptr() as usize).saturating_add(SIZE);
    let room = THREAD.next_multiple_of(align.max(64));
    let thread = end.saturating_sub(room);
    let below = size.next_multiple_of(align);
    let (from, to) = (own.saturating_sub(below), thread.saturating_sub(below));
    // SAFETY: this much lies below and at the thread pointer in the C library's layout, and so much room was kept for
    // it at the end of the mapping, where nobody runs yet.
    unsafe { std::ptr::copy_nonoverlapping(from as *const u8, to as *mut u8, below.saturating_add(THREAD)) };
    // The thread pointer stands in the copy twice: at its beginning, and as what names the thread itself.
    for word in [0, 16] {
        let at = thread.saturating_add(word) as *mut usize;
        // SAFETY: both words lie within the copy.
        unsafe { at.write(thread) };
    }
    thread
}
