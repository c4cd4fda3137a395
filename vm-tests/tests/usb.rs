//! What the cloud kernel has no drivers for: the USB. `make test-usb` fetches Debian's kernel for real machines, and says so by
//! `ONSET_FULL_KERNEL`; without it, nothing is tested here.
#![allow(clippy::panic, clippy::print_stdout, reason = "a test may fail where it stands")]

use std::{env, path::Path};

use vm_tests::scenario;

#[test]
fn a_job_runs_for_a_stick_while_it_is_plugged_in() {
    if env::var_os("ONSET_FULL_KERNEL").is_none() {
        println!("skipped: ONSET_FULL_KERNEL is not set (`make test-usb` sets it)");
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("usb");
    if let Err(failure) = scenario::play_with_full_kernel(&folder) {
        panic!("{failure}");
    }
}
