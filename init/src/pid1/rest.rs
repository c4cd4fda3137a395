//! What is saved beside the engine when PID 1 executes itself.

use jobs::{Input, Shutdown};
use serde::{Deserialize, Serialize};

use super::{booting::Boot, hearing::Own, options::Options, purpose::Purpose, works::Index};
use crate::{control, executor, logs, sources};

/// What is saved beside the engine.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Rest {
    pub options: Options,
    pub boot: Boot,
    pub executor: executor::Records,
    pub logs: logs::Records,
    pub control: control::Records,
    pub works: (Index, u32),
    pub own: Vec<(i32, Own)>,
    pub purpose: Option<Purpose>,
    pub sources: sources::Records,
    pub is_loading: bool,
    pub ending: Option<Shutdown>,
    /// What had come in for the next turn, if the exec was planned. As soon as a turn is in the journal, it is of it.
    pub waiting: Vec<Input>,
}

/// Whether the executor of the next image finds this out again: by its ledger, in cgroups, or by its children.
pub(super) const fn is_told_again(input: &Input) -> bool {
    match input {
        Input::Spawned { .. }
        | Input::Unspawned { .. }
        | Input::Starved { .. }
        | Input::Exited { .. }
        | Input::Ready { .. }
        | Input::Emptied { .. } => true,
        Input::Event { .. }
        | Input::Began { .. }
        | Input::Ended { .. }
        | Input::Command { .. }
        | Input::Mode { .. }
        | Input::Reload { .. }
        | Input::Shutdown { .. }
        | Input::Extended { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::Rest;
    use crate::store::{checksum::Checksum, encoding};

    /// What the encoding of the sample sums up to.
    const SHAPE: u32 = 0xfa39_3f5c;

    #[test]
    fn the_encoding_is_the_one_that_the_format_number_says() {
        let sample: Rest = ron::from_str(include_str!("rest.ron")).unwrap();
        let mut bytes = Vec::new();
        encoding::append(&sample, &mut bytes).unwrap();
        let read: Rest = encoding::read(&bytes).unwrap();
        assert_eq!(format!("{read:?}"), format!("{sample:?}"));
        let sum = Checksum::of(&bytes);
        assert_eq!(
            sum, SHAPE,
            "the encoding of what is saved beside the engine has changed: if the one before was ever released, \
             count store::FORMAT up; then write {sum:#x} into SHAPE"
        );
    }
}
