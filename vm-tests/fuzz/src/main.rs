//! Gives libFuzzer the target that `ONSET_FUZZ_TARGET` names. What targets there are, and what they assert,
//! is in `vm-tests/src/fuzz.rs`; `run`, one folder up, plays them all.
#![no_main]

use std::{env, sync::LazyLock};

use libfuzzer_sys::fuzz_target;
use vm_tests::fuzz::{TARGETS, Target};

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = env::var("ONSET_FUZZ_TARGET").unwrap_or_default();
    TARGETS.iter().find(|target| target.name == name).expect("ONSET_FUZZ_TARGET names a target")
});

fuzz_target!(|input: &[u8]| (TARGET.run)(input));
