//! What of the logs outlives PID 1's image: the pipes' reading ends, and the channel to the keeper, which lives on.
//!
//! The writing ends are not kept. What a life that goes on starts after that gets a further pipe to the same log.

use events::Text;
use jobs::Life;
use serde::{Deserialize, Serialize};

use super::{
    handover::Keeper,
    link::{Leaving, Logs},
    message::ToKeeper,
    name::Stem,
    pipes::{Pipe, Stage},
};
use crate::{
    pid1::shell::Shell,
    store::{Kept, Label},
};

/// Labels of descriptors: the reading end of a life's pipe.
pub(super) const OUTPUT: u32 = 400;
/// The reading end of the pipe that Onset itself writes into.
pub(super) const OWN: u32 = 401;
/// The channel to the log keeper, whose pid is the number.
pub(super) const CHANNEL: u32 = 402;

/// What of the logs outlives PID 1's image, beside descriptors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Records {
    /// Whose pipes there are. Those that have been made since are of lives that the engine knows.
    stems: Vec<(Life, String)>,
    is_writable: bool,
    left: Leaving,
}

impl Records {
    /// Nothing is known: the image before had saved nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self { stems: Vec::new(), is_writable: false, left: Leaving::No }
    }
}

impl Logs {
    /// What must be known to go on after PID 1 has executed itself again.
    #[must_use]
    pub fn records(&self) -> Records {
        let of_life = self.pipes.iter().filter_map(|(_, pipe)| {
            let label = pipe.reading.label();
            let life = Life { place: label.place, number: label.number };
            (label.role == OUTPUT).then(|| (life, String::from(pipe.stem.as_str())))
        });
        Records { stems: of_life.collect(), is_writable: self.is_writable, left: self.left }
    }

    /// Whether [`Logs::resume`] wants a descriptor of this label.
    #[must_use]
    pub const fn wants(label: Label) -> bool {
        matches!(label.role, OUTPUT | OWN | CHANNEL)
    }

    /// Goes on with the descriptors that an earlier image has kept. `name` gives job and instance of a life that
    /// goes on.
    #[must_use]
    pub fn resume(
        records: &Records,
        kept: impl IntoIterator<Item = Kept>,
        name: impl Fn(Life) -> Option<(Text, Text)>,
        shell: &mut Shell<'_>,
    ) -> Self {
        let mut logs = Self::silent(shell);
        (logs.is_writable, logs.left) = (records.is_writable, records.left);
        for kept in kept {
            let label = kept.label();
            if label.role == CHANNEL {
                // Without it another keeper is wanted.
                let pid = i32::try_from(label.number).unwrap_or(0);
                let _ = logs.meet(shell, kept, pid);
                continue;
            }
            let life = Life { place: label.place, number: label.number };
            let known = || {
                let (_, stem) = records.stems.iter().find(|(known, _)| *known == life)?;
                Stem::parse(stem)
            };
            let stem = match label.role {
                OUTPUT => name(life).map(|(job, instance)| Stem::new(&job, &instance)).or_else(known),
                _ => None,
            };
            // Of a life of which nobody knows any more the lines are worth having all the same.
            let stem = stem.unwrap_or_else(|| Stem::new("onset", ""));
            let pipe = Pipe { stem, reading: kept, writing: None, stage: Stage::Waiting, lost: 0 };
            if let Some(number) = logs.pipes.insert(pipe) {
                logs.pipes.adopt(number, shell);
            }
        }
        logs.speak_up(shell);
        if matches!(logs.keeper, Keeper::There(_)) {
            logs.hold = shell.now;
            logs.owe(ToKeeper::Anew);
            logs.hand_over(shell);
        }
        logs
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use events::{Bus, Time};

    use super::*;
    use crate::{
        logs::Output,
        pid1::options::Options,
        sys::{pass::receive, poll::Poll},
    };

    #[test]
    fn the_next_image_goes_on_with_the_pipes() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let _entered = runtime.enter();
        let (mut poll, mut bus) = (Poll::new().unwrap(), Bus::new(8));
        let options = Options { quiet: true, container: true, ..Options::default() };
        let shell = &mut Shell { poll: &mut poll, bus: &mut bus, now: Time(1), options: &options };
        let mut logs = Logs::new(shell);
        let (ours, theirs) = Logs::channel().unwrap();
        logs.keeper_started(shell, ours, 0);
        let lives = [1, 2, 3].map(|number| Life { place: 7, number });
        let outputs = lives.map(|life| match logs.output_for(shell, life, "job", &life.number.to_string()) {
            Output::Pipe(pipe) => std::fs::File::from(pipe),
            other @ (Output::Null | Output::Console | Output::Owner | Output::Offered(_)) => {
                panic!("{other:?}")
            }
        });
        let [mut first, mut second, third] = outputs;
        first.write_all(b"one\n").unwrap();
        let first_token = crate::pid1::token::Token::Output(1);
        for (token, ready) in shell.poll.look() {
            assert_eq!(token, first_token);
            logs.ready(shell, token, ready);
        }
        second.write_all(b"two\n").unwrap();
        logs.forget(shell, lives[1]);
        drop(second);

        // What an exec does: everything is gone but what is kept.
        let records = logs.records();
        let Logs { pipes, keeper, voice, .. } = logs;
        drop(voice);
        let Keeper::There(present) = keeper else { panic!() };
        let kept: Vec<Kept> = pipes.into_kept().into_iter().chain([present.channel]).collect();
        assert!(kept.iter().all(|kept| Logs::wants(kept.label())));
        let mut poll = Poll::new().unwrap();
        let shell = &mut Shell { poll: &mut poll, bus: &mut bus, now: Time(2), options: &options };
        let name = |life: Life| (life.number != 2).then(|| (Text::from("job"), Text::from("new")));
        let mut logs = Logs::resume(&records, kept, name, shell);

        let mut said = Vec::new();
        let mut buffer = [0; 16_384];
        while let Ok((length, fd)) = receive(&theirs, &mut buffer) {
            said.push((postcard::from_bytes::<ToKeeper>(&buffer[..length]).unwrap(), fd));
        }
        let mut stems = Vec::new();
        for (message, fd) in said.iter().skip_while(|(message, _)| *message != ToKeeper::Anew) {
            if let ToKeeper::Take { stem, .. } = message {
                assert!(fd.is_some());
                stems.push(stem.as_str());
            }
        }
        assert_eq!(stems, ["job@new", "job@2"]);
        // The third says nothing, and goes when its process goes. Onset's old pipe is gone at once.
        drop((first, third, said));
        for (token, ready) in shell.poll.look() {
            logs.ready(shell, token, ready);
        }
        assert_eq!(logs.pipes(), 3);
    }
}
