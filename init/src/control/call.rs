//! From a message to the request in it.

use events::control::{Answers, Call, Fault, Method, Request, Rights};
use serde_json::{Value, json};

use super::outcome;

/// A call that is not carried out.
pub struct Unread {
    /// What is answered.
    pub value: Value,
    /// Whether the connection cannot go on: nobody knows what the next byte belongs to.
    pub is_last: bool,
}

/// The request in a message, whether more answers than one are welcome, and whether none is.
pub fn read(message: &[u8], trusted: bool) -> Result<(Request, bool, bool), Unread> {
    let unread =
        |fault: Fault| Unread { is_last: matches!(fault, Fault::NoJson(_)), value: outcome::fault(&fault) };
    let call = Call::read(message).map_err(unread)?;
    let method = Method::find(&call.method).map_err(unread)?;
    // Before any parameter is looked at.
    if method.rights == Rights::Root && !trusted {
        let value = outcome::service_error("PermissionDenied", json!({}));
        return Err(Unread { value, is_last: false });
    }
    let (more, oneway) = (call.more && method.answers != Answers::Once, call.oneway);
    method.request(call).map(|request| (request, more, oneway)).map_err(unread)
}
