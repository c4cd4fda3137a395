//! The first moments of PID 1, and what a test machine runs when it has booted.

pub mod run;
