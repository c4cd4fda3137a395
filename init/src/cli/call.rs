//! `onsetctl call`: any method of the interface, as it stands there.

use std::path::Path;

use clap::Args;
use serde_json::Value;

use super::{Outcome, ask::finish, connection::Connection};

/// Which method.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(super) struct Call {
    /// The method: `Status`
    #[arg(value_name = "METHOD")]
    method: String,
    /// Its parameters, as a JSON object
    #[arg(value_name = "PARAMETERS", default_value = "{}")]
    parameters: String,
    /// Welcome more than one answer, and print each on a line
    #[arg(long)]
    more: bool,
}

impl Call {
    pub(super) fn run(&self, socket: &Path) -> Result<Outcome, String> {
        let parameters: Value = serde_json::from_str(&self.parameters)
            .map_err(|error| format!("`{}` is no JSON: {error}", self.parameters))?;
        let answer = Connection::open(socket).and_then(|mut connection| {
            connection.send(&self.method, &parameters, self.more)?;
            loop {
                let reply = connection.receive(None, &mut |_| {})?;
                if !reply.continues {
                    return Ok(reply.parameters);
                }
                let line = Outcome { text: format!("{}\n", reply.parameters), ..Outcome::default() };
                line.print();
            }
        });
        Ok(finish(answer, true, socket, |_| String::new()))
    }
}
