//! A global allocator that counts what lives and how often it was asked.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

static BYTES: AtomicUsize = AtomicUsize::new(0);
static BLOCKS: AtomicUsize = AtomicUsize::new(0);
static CALLS: AtomicUsize = AtomicUsize::new(0);

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What lives on the heap, and how often it was asked for more.
#[derive(Debug, Clone, Copy)]
pub struct Heap {
    /// Bytes as they were asked for, without what the allocator keeps beside them.
    pub bytes: usize,
    /// Blocks that are not given back yet.
    pub blocks: usize,
    /// Blocks that were ever asked for, with those that were made larger.
    pub calls: usize,
}

impl Heap {
    /// As it is now.
    pub fn now() -> Self {
        Self { bytes: BYTES.load(Relaxed), blocks: BLOCKS.load(Relaxed), calls: CALLS.load(Relaxed) }
    }
}

/// Adds without a locked instruction: this program has one thread, and the counting must cost little.
fn add(counter: &AtomicUsize, change: usize) {
    counter.store(counter.load(Relaxed).wrapping_add(change), Relaxed);
}

#[allow(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: every call goes on to the system's allocator as it came; the counters touch no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(&BYTES, layout.size());
        add(&BLOCKS, 1);
        add(&CALLS, 1);
        // SAFETY: the caller's promise about `layout` is handed on unchanged.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        add(&BYTES, layout.size().wrapping_neg());
        add(&BLOCKS, 1_usize.wrapping_neg());
        // SAFETY: the caller's promise about `block` and `layout` is handed on unchanged.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(&BYTES, size.wrapping_sub(layout.size()));
        add(&CALLS, 1);
        // SAFETY: the caller's promise about `block`, `layout` and `size` is handed on unchanged.
        unsafe { System.realloc(block, layout, size) }
    }
}
