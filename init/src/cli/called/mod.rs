//! What `onsetctl` does when it is called by another name: the commands that other inits had.
//!
//! Scripts and fingers know them, so each takes the options that it always took, says what it always said, and
//! ends with the status that it always had. `--help` never does anything but help, and an option that is not
//! known ends the command: none of these is a place to guess.

mod configuration;
mod initctl;
mod power;
mod service;
mod shutdown;
mod telinit;
mod usage;

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{
    Outcome,
    connection::{Connection, socket_path},
    exit::{Trouble, clean},
};

/// The exit status of commands that know only two.
const WRONG: u8 = 1;

/// Which name, and where Onset listens.
struct Called<'c> {
    name: &'c str,
    socket: PathBuf,
}

/// What the words mean under the name that stands first among them; `None` if it is none of the other names.
pub(super) fn run(words: &[String]) -> Option<Outcome> {
    let (path, words) = words.split_first()?;
    let name = Path::new(path).file_name()?.to_str()?;
    let called = Called { name, socket: socket_path(None) };
    Some(match name {
        "initctl" => initctl::run(&called, words),
        "start" | "stop" | "restart" | "reload" | "status" => {
            let whole: Vec<String> = [name.to_string()].into_iter().chain(words.iter().cloned()).collect();
            initctl::run(&called, &whole)
        }
        "telinit" | "init" => telinit::run(&called, words),
        "runlevel" => telinit::runlevel(&called, words),
        "shutdown" => shutdown::run(&called, words),
        "halt" | "poweroff" | "reboot" => power::run(&called, words),
        "service" => service::run(&called, words),
        _ => return None,
    })
}

impl Called<'_> {
    /// A command that went wrong.
    fn wrong(&self, text: &str) -> Outcome {
        Outcome { text: String::new(), remarks: format!("{}: {}\n", self.name, clean(text)), code: WRONG }
    }

    /// A command whose words are wrong.
    fn misused(&self, text: &str) -> Outcome {
        self.wrong(&format!("{text}\nTry `{} --help' for more information.", self.name))
    }

    /// Calls a method, and waits for the answer as long as it takes.
    fn call(&self, method: &str, parameters: &Value) -> Result<Value, Trouble> {
        Connection::call_to_the_end(&self.socket, method, parameters)
    }
}

/// A command that says something.
fn says(text: impl Into<String>) -> Outcome {
    Outcome { text: text.into(), remarks: String::new(), code: super::CLEAN }
}
