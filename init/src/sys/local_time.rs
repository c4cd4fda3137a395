//! The time of day where the machine is.

use nix::{
    libc,
    time::{ClockId, clock_gettime},
};

/// How many minutes of this day have passed, by the clock on the wall.
#[must_use]
pub fn minute_of_day() -> u64 {
    let seconds: libc::time_t = clock_gettime(ClockId::CLOCK_REALTIME).map_or(0, |now| now.tv_sec());
    let mut broken = std::mem::MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both point to values of the right type that live longer than the call, which fills the second or
    // fails and leaves it zeroed, which every `tm` may be.
    unsafe { libc::localtime_r(&raw const seconds, broken.as_mut_ptr()) };
    // SAFETY: it was zeroed, and all its fields are numbers and a pointer that may be null.
    let broken = unsafe { broken.assume_init() };
    let minutes = i64::from(broken.tm_hour).saturating_mul(60).saturating_add(broken.tm_min.into());
    u64::try_from(minutes).unwrap_or_default()
}
