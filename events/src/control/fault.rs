//! What is wrong with a call.

use alloc::string::String;

use super::JsonError;

/// Why a call is not carried out. Each has the name of an error that Varlink knows, and what that error tells.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The message is no JSON that is read. Nothing that follows can be trusted to be in step.
    #[error("the message is no JSON that is read: {0}")]
    NoJson(JsonError),
    /// The message is no call.
    #[error("a call needs {0}")]
    NoCall(&'static str),
    /// There is no such interface.
    #[error("there is no interface `{0}`")]
    Interface(String),
    /// The interface has no such method.
    #[error("there is no method `{0}`")]
    Method(String),
    /// A parameter that must be there is not, or is not what it must be.
    #[error("parameter `{parameter}`: {reason}")]
    Parameter {
        /// Its name.
        parameter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The method answers many times, and the call does not say that this is welcome.
    #[error("the method answers more than once: call it with `more`")]
    ExpectedMore,
}

impl Fault {
    /// A parameter that is not what it must be.
    pub fn parameter(parameter: &str, reason: impl Into<String>) -> Self {
        Self::Parameter { parameter: parameter.into(), reason: reason.into() }
    }

    /// The error's name in Varlink.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::NoJson(_) | Self::NoCall(_) | Self::Parameter { .. } => {
                "org.varlink.service.InvalidParameter"
            }
            Self::Interface(_) => "org.varlink.service.InterfaceNotFound",
            Self::Method(_) => "org.varlink.service.MethodNotFound",
            Self::ExpectedMore => "org.varlink.service.ExpectedMore",
        }
    }

    /// What the error is about: the name of its one parameter in Varlink, and its value.
    #[must_use]
    pub fn about(&self) -> Option<(&'static str, &str)> {
        match self {
            Self::NoJson(_) | Self::NoCall(_) => Some(("parameter", "")),
            Self::Interface(interface) => Some(("interface", interface)),
            Self::Method(method) => Some(("method", method)),
            Self::Parameter { parameter, .. } => Some(("parameter", parameter)),
            Self::ExpectedMore => None,
        }
    }
}
