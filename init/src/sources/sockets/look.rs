//! Which jobs there are that connections start, and what an image before has left of them.

use std::{collections::BTreeSet, os::fd::AsFd as _, sync::Arc};

use jobs::{Engine, Job, OnConnection, Work};

use super::{
    ACCEPTED, Sockets,
    each::{self, Connection},
    is_awaited,
    open::{self, low},
    owner::{Owner, State},
    sorted,
};
use crate::{
    logs::Level,
    pid1::{shell::Shell, works::Works},
    store::{Kept, Label},
};

impl Sockets {
    /// Looks which jobs there are: opens what is to be listened to, and closes what is not any more.
    pub fn look(&mut self, shell: &mut Shell<'_>, engine: &Engine, works: &Works) {
        let mut wanted = BTreeSet::new();
        let jobs: Vec<Arc<Job>> = engine.jobs().filter(|job| is_awaited(job)).cloned().collect();
        for job in jobs {
            // What it runs is lost: its start will say so.
            let Ok(piece) = works.piece(job.work) else { continue };
            let id = open::owner(&job.name, "");
            wanted.insert(id);
            self.want(shell, engine, id, &job, &piece.work);
        }
        let stale: Vec<u64> = self
            .owners
            .iter()
            .filter(|(id, owner)| owner.is_awaited && !wanted.contains(id))
            .map(|(id, _)| *id)
            .collect();
        for id in stale {
            if let Some(owner) = self.owners.get_mut(&id)
                && !owner.is_each()
                && engine.has_instances(&owner.job)
            {
                // What lives keeps what it has; with it that goes.
                owner.is_awaited = false;
                owner.state = State::Taken;
                owner.deafen(shell, &mut self.places);
            } else if let Some(owner) = self.owners.remove(&id) {
                owner.close(shell, &mut self.places);
            }
        }
        self.find_unsaved(engine);
        let living: BTreeSet<u64> =
            engine.living().map(|(_, job, instance, _)| open::owner(&job.name, instance)).collect();
        let (kept, lost) = std::mem::take(&mut self.found)
            .into_iter()
            .partition(|kept: &Kept| living.contains(&kept.label().number));
        self.found = kept;
        lost.into_iter().for_each(open::close);
        self.recount();
        self.turned(shell, engine);
    }

    /// Of what was accepted since an image before has saved its records, the instances know that live. Who has
    /// connected in a turn that is lost is hung up on.
    fn find_unsaved(&mut self, engine: &Engine) {
        let unsaved: Vec<Kept> = self.found.extract_if(.., |kept| kept.label().role == ACCEPTED).collect();
        for kept in unsaved {
            let Label { place, number, .. } = kept.label();
            let owner = self.owners.iter().find(|(id, owner)| owner.is_each() && low(**id) == place);
            if let Some((id, owner)) = owner
                && engine.is_living(&owner.job, &number.to_string())
            {
                let (owner, job) = (*id, owner.job.clone());
                let (source, _) = each::peer(kept.as_fd());
                let connection = Connection { owner, job, source, fd: Some(kept), is_told: true };
                self.connections.insert(number, connection);
            }
        }
    }

    /// A job is to be started by connections.
    fn want(&mut self, shell: &mut Shell<'_>, engine: &Engine, id: u64, job: &Job, work: &Work) {
        let (sockets, bad) = sorted(job, work);
        let is_new = !self.owners.contains_key(&id);
        let owner = self.owners.entry(id).or_insert_with(|| Owner::new(&job.name, "", true));
        owner.is_awaited = true;
        if !bad.is_empty() && owner.bad != bad {
            let said = bad.iter().map(|bad| (Level::Warning, format!("{}: {bad}", job.name)));
            self.said.extend(said);
        }
        owner.bad = bad;
        let is_each = matches!(work.on_connection, OnConnection::Each(_));
        let lives = !is_each && engine.has_instances(&job.name);
        if lives && is_new {
            // An image before has opened them, or else they come with its next start.
            owner.have(shell, &mut self.places, (work.on_connection, sockets), &mut self.found);
            owner.state = State::Taken;
        } else if lives {
            owner.next = Some((work.on_connection, sockets));
        } else {
            owner.next = Some((work.on_connection, sockets));
            self.listen(shell, id);
        }
    }

    /// What an image before has accepted counts as much as what we accept.
    fn recount(&mut self) {
        for owner in self.owners.values_mut().filter(|owner| owner.tally.now() == 0) {
            let id = owner.id();
            let of_owner = self.connections.values().filter(|it| it.owner == id).map(|it| it.source);
            of_owner.for_each(|source| owner.tally.add(source));
        }
    }
}
