//! What a forked child of PID 1 is known by.

use std::sync::atomic::AtomicBool;

/// Whether this process is a forked child that has not executed anything yet. Set first of all in the child:
/// from then on the panic hook and the fault handlers end the child, and never execute PID 1 again.
pub static IN_CHILD: AtomicBool = AtomicBool::new(false);
