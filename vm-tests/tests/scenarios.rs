//! Every folder in `scenarios` is a machine that boots Onset, and a test: `cargo test -p vm-tests --test
//! scenarios NAME` runs one of them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a test may fail where it stands"
)]

use std::{
    path::Path,
    sync::{Condvar, Mutex},
};

use vm_tests::scenario;

/// How many machines there are at once: they share the processors with each other.
const AT_ONCE: u32 = 2;

static RUNNING: Mutex<u32> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();

/// One of the few places; free again when it is dropped, also by a test that fails.
struct Place;

impl Place {
    fn take() -> Self {
        let mut running = ENDED.wait_while(RUNNING.lock().unwrap(), |running| *running >= AT_ONCE).unwrap();
        *running += 1;
        Self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *RUNNING.lock().unwrap() -= 1;
        ENDED.notify_one();
    }
}

fn play(name: &str) {
    let _place = Place::take();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(name);
    if let Err(failure) = scenario::play(&folder) {
        panic!("{failure}");
    }
}

include!(concat!(env!("OUT_DIR"), "/scenarios.rs"));
