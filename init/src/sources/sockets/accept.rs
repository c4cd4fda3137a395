//! Connections are accepted, and become events.

use std::{io, os::fd::AsFd as _};

use events::{Event, Name, Value};
use jobs::{CONNECTION, Input, OnConnection, Origin, SOCKET_EVENT};

use super::{
    ACCEPTED, ACCEPTS, CONNECTIONS, SAY_EVERY, Sockets,
    each::{self, Connection},
    open::{is_lack, low},
    owner::{SHORT, State, later},
};
use crate::{
    logs::Level,
    pid1::shell::Shell,
    store::{Kept, Label},
};

impl Sockets {
    /// Accepts what waits at a socket, as far as there may be so many.
    pub(super) fn accept(&mut self, shell: &mut Shell<'_>, id: u64, door: usize) {
        for _ in 0..ACCEPTS.min(shell.room()) {
            let Some(owner) = self.owners.get_mut(&id) else { return };
            let OnConnection::Each(limits) = owner.on_connection else { return };
            let Some((kept, args)) = owner
                .doors
                .get(door)
                .and_then(|door| Some((door.kept.as_ref()?, door.listener.args.clone())))
            else {
                return;
            };
            let connection = match each::accept(kept.as_fd()) {
                Ok(connection) => connection,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if is_lack(&error) => {
                    let until = later(shell.now, SHORT);
                    owner.state = State::Paused { until, why: "the system has too little room" };
                    owner.deafen(shell, &mut self.places);
                    self.note(id);
                    return;
                }
                // Whoever it was is gone again.
                Err(_) => continue,
            };
            let (source, more) = each::peer(connection.as_fd());
            let is_full = self.connections.len() >= CONNECTIONS;
            let admitted = if is_full {
                Err(format!("PID 1 has {CONNECTIONS} for all jobs together"))
            } else {
                owner.tally.admit(source, &limits, shell.now)
            };
            if let Err(why) = admitted {
                let is_said = owner.said.is_some_and(|at| shell.now < later(at, SAY_EVERY));
                if !is_said {
                    owner.said = Some(shell.now);
                    let text = format!("a connection to {} was closed at once: {why}", owner.job);
                    self.said.push((Level::Warning, text));
                }
                continue;
            }
            let number = self.next;
            self.next = self.next.saturating_add(1);
            let label = Label { role: ACCEPTED, place: low(id), number };
            let job = owner.job.clone();
            let fd = Some(Kept::new(connection, label));
            self.connections.insert(number, Connection { owner: id, job, source, fd, is_told: false });
            let mut args = args;
            args.extend_with(CONNECTION, Value::new(&number.to_string()).ok());
            args.append(&more);
            let event = Event { name: Name::constant(SOCKET_EVENT), args };
            shell.report(Input::Event { event, origin: Origin::World, reply: None });
        }
    }
}
