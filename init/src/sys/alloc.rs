//! The allocator of PID 1: the system's, and a reserve for when the system gives nothing.
//!
//! Rust ends a program that gets no memory. So that PID 1 has the time to notice and to refuse what it can
//! refuse (starts, clients, events), the first failures are met from a reserve, and a flag is raised. Only when
//! that is used up, too, does the program end, by the road that all its deaths take ([`super::fault`]).
//!
//! The reserve hands out from its start to its end, and is whole again when everything in it was given back.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::UnsafeCell,
    ptr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

/// How large the reserve is, in bytes.
pub const RESERVE: usize = 256 << 10;

/// How much the system must give at once again before the shortage counts as over.
const RELIEF: usize = 64 << 10;

#[repr(align(4096))]
struct Bytes(UnsafeCell<[u8; RESERVE]>);

// SAFETY: the bytes are only handed out in ranges that do not overlap, each to one owner: `RANGES` sees to it.
unsafe impl Sync for Bytes {}

static BYTES: Bytes = Bytes(UnsafeCell::new([0; RESERVE]));
/// How many bytes are handed out (upper half), and to how many owners (lower half).
static RANGES: AtomicU64 = AtomicU64::new(0);
static SHORT: AtomicBool = AtomicBool::new(false);
/// Whether the system is taken to give nothing: so that a shortage can be tested.
static DENIED: AtomicBool = AtomicBool::new(false);

/// The system's allocator with the reserve behind it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reserved;

/// Whether memory has run short: nothing should be begun now that can wait.
#[must_use]
pub fn is_short() -> bool {
    SHORT.load(Ordering::Relaxed)
}

/// Looks whether the system gives memory again, and if so puts the flag down.
pub fn is_relieved() -> bool {
    if !is_short() {
        return true;
    }
    let mut probe: Vec<u8> = Vec::new();
    let relieved = !DENIED.load(Ordering::Relaxed) && probe.try_reserve_exact(RELIEF).is_ok();
    // The probe itself may have come out of the reserve, which is no relief.
    if relieved && !is_ours(probe.as_ptr()) {
        SHORT.store(false, Ordering::Relaxed);
    }
    !is_short()
}

/// Takes the system to give nothing from now on, or no longer: for tests, and the fault `oom`.
pub fn deny(denied: bool) {
    DENIED.store(denied, Ordering::Relaxed);
}

/// Writes to every page of the reserve, so that it is there when it is needed. Copies of this process do without it:
/// what is shared with a copy would have to be copied when it is written to, just when there is no memory.
pub fn touch() {
    // SAFETY: the range is the reserve, whole pages of our own; a copy of this process does not use it. An old kernel
    // that refuses copies it as everything else.
    unsafe { libc::madvise(BYTES.0.get().cast(), RESERVE, libc::MADV_DONTFORK) };
    let start = BYTES.0.get().cast::<u8>();
    for offset in (0..RESERVE).step_by(4096) {
        // SAFETY: the offset is within the reserve.
        let byte = unsafe { start.add(offset) };
        // SAFETY: the byte is ours; what it holds is written back unchanged, and nobody else runs meanwhile that
        // could have been handed this page, because this is called before the first shortage.
        unsafe { ptr::write_volatile(byte, 0) };
    }
}

fn is_ours(pointer: *const u8) -> bool {
    let start = BYTES.0.get().cast::<u8>().cast_const();
    pointer.addr().wrapping_sub(start.addr()) < RESERVE
}

/// A range of the reserve; null if there is no room.
fn take(layout: Layout) -> *mut u8 {
    SHORT.store(true, Ordering::Relaxed);
    let mut place = 0;
    let taken = RANGES.fetch_update(Ordering::AcqRel, Ordering::Acquire, |ranges| {
        let used = usize::try_from(ranges >> 32).ok()?;
        let start = used.checked_next_multiple_of(layout.align())?;
        let end = start.checked_add(layout.size())?;
        place = start;
        let owners = (ranges & u64::from(u32::MAX)).checked_add(1)?;
        (end <= RESERVE && layout.align() <= 4096).then_some((end as u64) << 32 | owners)
    });
    if taken.is_err() {
        return ptr::null_mut();
    }
    // SAFETY: the place is within the reserve, as was just checked.
    unsafe { BYTES.0.get().cast::<u8>().add(place) }
}

fn give_back() {
    // It fails only where nothing is handed out, and then there is nothing to give back.
    let _ = RANGES.fetch_update(Ordering::AcqRel, Ordering::Acquire, |ranges| {
        let owners = (ranges & u64::from(u32::MAX)).checked_sub(1)?;
        Some(if owners == 0 { 0 } else { ranges & !u64::from(u32::MAX) | owners })
    });
}

// SAFETY: every pointer that is handed out comes either from the system's allocator or from a range of the
// reserve that nobody else has, fits its layout, and goes back to where it came from.
unsafe impl GlobalAlloc for Reserved {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !DENIED.load(Ordering::Relaxed) {
            // SAFETY: the layout is our caller's, who keeps the same contract.
            let pointer = unsafe { System.alloc(layout) };
            if !pointer.is_null() {
                return pointer;
            }
        }
        take(layout)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !DENIED.load(Ordering::Relaxed) {
            // SAFETY: the layout is our caller's, who keeps the same contract.
            let pointer = unsafe { System.alloc_zeroed(layout) };
            if !pointer.is_null() {
                return pointer;
            }
        }
        let pointer = take(layout);
        if !pointer.is_null() {
            // SAFETY: the range is as long as the layout says and belongs to nobody else yet.
            unsafe { ptr::write_bytes(pointer, 0, layout.size()) };
        }
        pointer
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if is_ours(pointer) {
            give_back();
        } else {
            // SAFETY: it is not the reserve's, so it came from the system with this layout.
            unsafe { System.dealloc(pointer, layout) };
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !is_ours(pointer) && !DENIED.load(Ordering::Relaxed) {
            // SAFETY: it is not the reserve's, so it came from the system with this layout.
            let moved = unsafe { System.realloc(pointer, layout, size) };
            if !moved.is_null() {
                return moved;
            }
        }
        let Ok(wider) = Layout::from_size_align(size, layout.align()) else {
            return ptr::null_mut();
        };
        // SAFETY: the caller's contract says that the size is not zero.
        let moved = unsafe { self.alloc(wider) };
        if !moved.is_null() {
            let kept = layout.size().min(size);
            // SAFETY: both ranges are at least this long, and the new one is nobody else's.
            unsafe { ptr::copy_nonoverlapping(pointer, moved, kept) };
            // SAFETY: it was handed out with this layout, and is not used any more.
            unsafe { self.dealloc(pointer, layout) };
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_whole_again_when_all_is_given_back() {
        // One test for all of it: the reserve is one for the whole program.
        let layout = Layout::from_size_align(1_000, 16).unwrap();
        assert!(!is_short());
        let mut taken = Vec::new();
        loop {
            let pointer = take(layout);
            if pointer.is_null() {
                break;
            }
            assert!(is_ours(pointer));
            assert_eq!(pointer.addr() % 16, 0);
            taken.push(pointer.addr());
        }
        assert_eq!(taken.len(), RESERVE / 1_008);
        assert!(taken.windows(2).all(|pair| pair[0] + 1_000 <= pair[1]));
        assert!(is_short());
        taken.iter().for_each(|_| give_back());
        assert_eq!(RANGES.load(Ordering::Relaxed), 0);
        assert!(is_relieved() && !is_short());
        let whole = Layout::from_size_align(RESERVE, 4096).unwrap();
        assert!(!take(whole).is_null());
        give_back();
        assert!(take(Layout::from_size_align(8, 8192).unwrap()).is_null());
        assert!(is_relieved());
    }
}
