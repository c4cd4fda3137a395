//! The language in which people and programs steer Onset: Varlink calls, read into requests that are right.
//!
//! A message is a JSON object, ended by a NUL byte. It becomes a value ([`Json`]), the value a [`Call`], and the
//! call, if its [`Method`] is known and the caller may use it, a [`Request`], whose every part is right by its
//! type. Nothing here does anything: what a request means is for whoever owns the engine.
//!
//! ```
//! use events::control::{Call, Method, Request};
//!
//! let call = Call::read(br#"{"method":"org.onset.Manager.Status","parameters":{"job":"db"}}"#).unwrap();
//! let method = Method::find(&call.method).unwrap();
//! let Request::Status(target) = method.request(call).unwrap() else { panic!() };
//! assert_eq!(target.job.unwrap(), "db");
//! ```

mod call;
mod fault;
mod fields;
mod json;
mod method;
mod request;

pub use call::Call;
pub use fault::Fault;
pub use fields::Fields;
pub use json::{Json, JsonError, JsonFault, MAX_DEPTH, MAX_MEMBERS, MAX_MESSAGE, MAX_VALUES};
pub use method::{Answers, METHODS, Method, Rights};
pub use request::{Going, LogLevel, Request, Target, Wish};

/// The name of the interface.
pub const INTERFACE: &str = "org.onset.Manager";
/// The interface as Varlink describes it: every method, its parameters and its answer.
pub const DESCRIPTION: &str = include_str!("org.onset.Manager.varlink");
/// The name of the interface that every Varlink service has.
pub const SERVICE: &str = "org.varlink.service";
/// That interface, as Varlink describes it.
pub const SERVICE_DESCRIPTION: &str = include_str!("org.varlink.service.varlink");
/// Where Onset listens.
pub const PATH: &str = "/run/onset/control";
/// Where it listens, as the name of an abstract socket, while nothing can be made in /run.
pub const ABSTRACT: &[u8] = b"org.onset.Manager";
/// The longest message of somebody who may only read, in bytes: no read method needs more.
pub const MAX_MESSAGE_OF_OTHERS: usize = 8_192;
