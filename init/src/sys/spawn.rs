//! Making processes.

use std::sync::atomic::AtomicBool;

/// Whether this process is a child that has not yet executed its program. It must never act as PID 1: the panic
/// hook and the fault handlers look here first, and only end it.
pub static IN_CHILD: AtomicBool = AtomicBool::new(false);
