//! The control socket and those who talk to it, over a real socket: `onsetctl`, what else it is called, Varlink
//! clients, and people with bad intentions. The jobs are those of a simulated machine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::disallowed_methods,
    reason = "tests; the server is a thread"
)]

mod called;
mod calls;
mod cases;
mod commands;
mod hostile;
mod pages;
mod public_client;
mod server;

use server::Server;
