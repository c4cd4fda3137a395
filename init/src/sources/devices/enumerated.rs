//! Devices as libudev knows them, which `onset-udev` tells.

use events::{Args, Identity, Value, lasting};

use super::{
    Devices,
    folder::{Found, identity},
};
use crate::pid1::shell::Shell;

/// Where all devices are below `/sys`.
const BELOW: &str = "/devices/";

impl Devices {
    /// Takes note of devices: what is there is told as far as it is new. Who asks for a list gets an old one, so of each
    /// it is looked whether it is there. Without a udevd, and before everything has been looked at, there is nothing to
    /// add.
    pub fn enumerated(&mut self, shell: &mut Shell<'_>, devices: &[Args]) {
        if self.is_held || !self.udevd.is_there() {
            return;
        }
        for said in devices {
            if let Some((path, found)) = self.confirmed(said) {
                self.asked.remove(&path);
                self.see(shell, &found);
            }
        }
    }

    /// The device that is meant, if it is there.
    fn confirmed(&self, said: &Args) -> Option<(Value, Found)> {
        let (path, subsystem) = (said.get("DEVPATH")?, said.get("SUBSYSTEM")?);
        if !path.starts_with(BELOW) || path.split('/').any(|part| part == "..") {
            return None;
        }
        let there = self.folders.describe(path, subsystem, false)?;
        let own = there.args.iter();
        let all = said.iter().chain(own).map(|(key, value)| (key.clone(), value.clone()));
        let args = lasting(path, subsystem, all);
        // The list may be of one that was there before it.
        if !is_same(identity(&args), &there.identity) {
            return None;
        }
        Some((path.clone(), Found { identity: there.identity, args, is_raw: false }))
    }
}

fn is_same(said: Option<Identity>, there: &Identity) -> bool {
    said.is_none_or(|said| said == *there)
}
