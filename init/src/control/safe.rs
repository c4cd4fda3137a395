//! Safe mode: no job is known, so whatever is about jobs is refused, with the reason.

use events::control::Request;

use super::Control;

impl Control {
    /// Nothing is done any more that has to do with jobs, and this is why.
    pub fn only_what_is_safe(&mut self, why: &str) {
        self.safe = Some(why.into());
    }

    /// Why a request is refused, if it is.
    pub(super) fn refusal(&self, request: &Request) -> Option<&str> {
        self.safe.as_deref().filter(|_| is_about_jobs(request))
    }
}

/// Whether a request can only be answered by an engine that has jobs.
const fn is_about_jobs(request: &Request) -> bool {
    match request {
        Request::Act { .. }
        | Request::Status(_)
        | Request::List
        | Request::Tree
        | Request::Emit { .. }
        | Request::Await(_)
        | Request::SetFact { .. }
        | Request::EnumerateDevices(_)
        | Request::UnsetFact(_)
        | Request::Facts(_)
        | Request::Timers
        | Request::Hooks(_)
        | Request::Why(_)
        | Request::Show(_)
        | Request::ReloadConfiguration
        | Request::GetMode
        | Request::SetMode(_)
        | Request::Settled { .. }
        | Request::SetEnv { .. }
        | Request::UnsetEnv(_)
        | Request::GetEnv(_)
        | Request::ListEnv
        | Request::ResetEnv => true,
        Request::Events
        | Request::Limits
        | Request::Reexec
        | Request::Shutdown { .. }
        | Request::SwitchRoot { .. }
        | Request::Version
        | Request::GetLogLevel
        | Request::SetLogLevel(_)
        | Request::GetRunLevel
        | Request::GetInfo
        | Request::GetInterfaceDescription(_) => false,
    }
}
