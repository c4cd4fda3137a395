//! The demo: a machine boots with Onset, a card is plugged in while it runs, and a job starts for it.
use vm_tests::failure::{Failure, Result};

/// Plays it.
pub fn play(_console: bool) -> Result<u8> {
    Err(Failure::new("not yet"))
}
