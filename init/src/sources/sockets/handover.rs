//! What a process of a job is given of its sockets, and of connections.

use std::os::fd::{AsFd as _, OwnedFd, RawFd};

use events::Text;
use jobs::{Format, Job, OnConnection, ProcessKind, Work, awaits_connections};

use super::{
    Sockets, is_awaited, open,
    owner::{Owner, State},
    sorted,
};
use crate::{executor::step::Unmade, logs::Level, pid1::shell::Shell};

/// Sockets and connections that a process is given.
#[derive(Debug, Default)]
pub struct Given {
    /// Sockets that are listened to, and their names: descriptors 3 and up.
    pub listeners: Vec<(RawFd, Text)>,
    /// What its standard input and output are.
    pub standard: Option<OwnedFd>,
    /// Whether its standard error is that, too.
    pub takes_errors: bool,
}

impl Sockets {
    /// What a process of a job is given. Its sockets are opened if they are not yet.
    pub fn give(
        &mut self,
        shell: &mut Shell<'_>,
        job: &Job,
        instance: &Text,
        work: &Work,
        process: ProcessKind,
    ) -> Result<Given, Unmade> {
        let known = self.owners.contains_key(&open::owner(&job.name, instance));
        let has_any = !work.sockets.is_empty() || awaits_connections(job);
        if process != ProcessKind::Main || !has_any && !known {
            return Ok(Given::default());
        }
        // As an inetd does it, and nobody else: what goes wrong is for the log.
        let takes_errors = job.format == Format::Inetd;
        if let OnConnection::Each(_) = work.on_connection {
            let standard = Some(self.connection(instance)?);
            return Ok(Given { listeners: Vec::new(), standard, takes_errors });
        }
        let is_awaited = is_awaited(job);
        let instance = if is_awaited { "" } else { instance.as_str() };
        let id = open::owner(&job.name, instance);
        let (sockets, _) = sorted(job, work);
        let owner = self.owners.entry(id).or_insert_with(|| Owner::new(&job.name, instance, is_awaited));
        owner.next = None;
        owner.have(shell, &mut self.places, (work.on_connection, sockets), &mut self.found);
        owner.state = State::Taken;
        let said = &mut self.said;
        owner.open(shell.now, &mut |is_bad, text| {
            said.push((if is_bad { Level::Warning } else { Level::Info }, text));
        });
        let given = owner.open_ones();
        // A job that connections start has at least the socket that somebody came by.
        let is_enough = is_awaited && !given.is_empty();
        let fault = owner.doors.iter().find_map(|door| {
            let (why, ..) = door.fault.as_ref().filter(|_| door.kept.is_none())?;
            Some(Unmade::Fault(format!("socket: {}: {why}", door.listener.socket.listen)))
        });
        if let Some(fault) = fault.filter(|_| !is_enough) {
            return Err(fault);
        }
        let first = owner.doors.iter().find_map(|door| door.kept.as_ref());
        let standard = match (work.on_connection, first) {
            (OnConnection::Stdin, Some(first)) => {
                let copy = first.as_fd().try_clone_to_owned();
                Some(copy.map_err(|error| Unmade::by("socket", &error))?)
            }
            (
                OnConnection::Nothing | OnConnection::Start | OnConnection::Each(_) | OnConnection::Stdin,
                _,
            ) => None,
        };
        let listeners = if standard.is_some() { Vec::new() } else { given };
        Ok(Given { listeners, standard, takes_errors })
    }

    /// A copy of the connection that an instance is there for.
    fn connection(&self, instance: &Text) -> Result<OwnedFd, Unmade> {
        let number = instance.parse::<u64>().ok();
        let connection = number.and_then(|number| self.connections.get(&number)?.fd.as_ref());
        let gone =
            || Unmade::Fault(format!("socket: there is no connection {instance}: who connects starts it"));
        let copy = connection.ok_or_else(gone)?.as_fd().try_clone_to_owned();
        copy.map_err(|error| Unmade::by("socket", &error))
    }

    /// A process was made, or never will be: its connection is not ours any more.
    pub fn made(&mut self, work: &Work, instance: &Text, process: ProcessKind) {
        if let (ProcessKind::Main, OnConnection::Each(_)) = (process, work.on_connection)
            && let Ok(number) = instance.parse::<u64>()
            && let Some(connection) = self.connections.get_mut(&number)
        {
            connection.fd = None;
        }
    }
}
