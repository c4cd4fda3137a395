//! What is known of the network, and what of it has been told.
//!
//! What the kernel says is kept as it was said; facts are what follows from it. An address or route names its link
//! by number, and the link may have another name by now, or be told of later: so whenever something changes, all
//! that follows from it is looked at anew, and what differs is told.

use std::{collections::BTreeMap, sync::Arc};

use events::{
    Args, Identity, Name, Value,
    rtnetlink::{Address, Dump, Family, Hop, Link, Route},
};

use super::words::{self, Place, Way, emit};
use crate::{
    pid1::shell::Shell,
    sources::{
        Past,
        known::{Change, Known},
    },
};

/// How many links are known at most. Further ones are not told.
pub const MOST_LINKS: usize = 4096;
/// How many addresses.
pub const MOST_ADDRESSES: usize = 4096;
/// How many default routes.
pub const MOST_ROUTES: usize = 256;

/// What is known of the network.
#[derive(Debug)]
pub struct Picture {
    links: BTreeMap<u32, Seen<Link>>,
    addresses: BTreeMap<Place, Seen<Address>>,
    routes: BTreeMap<Way, Seen<Option<std::net::IpAddr>>>,
    told: Told,
    /// Which look at everything is under way, or was the last.
    round: u32,
    /// How many were not kept, since there were as many as there may be.
    left_out: u64,
}

/// Something that is there.
#[derive(Debug)]
struct Seen<T> {
    it: T,
    /// In which look at everything it was seen last.
    round: u32,
}

/// The facts that were told.
#[derive(Debug)]
struct Told {
    links: Known,
    addresses: Known,
    routes: Known,
    /// Network cards, where nobody else tells of them.
    devices: Option<Known>,
}

/// Whether the picture may be wrong now, so that everything must be looked at again.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sure {
    /// It is right.
    Yes,
    /// The kernel has taken away something and has not said what.
    No,
}

impl Picture {
    /// What an image before has told; what is there is not known yet.
    pub fn new(past: &Past<'_>, with_devices: bool) -> Self {
        let known = |name| Known::new(Name::constant(name), past);
        Self {
            links: BTreeMap::new(),
            addresses: BTreeMap::new(),
            routes: BTreeMap::new(),
            told: Told {
                links: known("link"),
                addresses: known("address"),
                routes: known("route"),
                devices: with_devices.then(|| known("device")),
            },
            round: 0,
            left_out: 0,
        }
    }

    /// How many links, addresses and default routes there are.
    pub fn count(&self) -> [usize; 3] {
        [self.links.len(), self.addresses.len(), self.routes.len()]
    }

    /// How many were not kept.
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// There is this link.
    pub fn link(&mut self, shell: &mut Shell<'_>, link: Link) {
        let (index, is_on) = (link.index, link.is_on());
        if !self.links.contains_key(&index) && self.links.len() >= MOST_LINKS {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        let name = link.name.clone();
        let before = self.links.insert(index, Seen { it: link, round: self.round });
        let is_named_anew = before.as_ref().is_none_or(|before| before.it.name != name);
        self.tell_device(shell, index);
        self.tell_link(shell, index);
        if !is_on && before.is_some_and(|before| before.it.is_on()) {
            // The kernel takes the routes over it away, those of the fourth version without a word.
            self.forget_routes(shell, |way| way.hop.index == index);
        }
        if is_named_anew {
            self.tell_what_names(shell, index);
        }
    }

    /// The link of this number is gone, and what was on it.
    pub fn link_gone(&mut self, shell: &mut Shell<'_>, index: u32) {
        self.links.remove(&index);
        self.forget_routes(shell, |way| way.hop.index == index);
        for place in self.places_on(index) {
            self.addresses.remove(&place);
            self.tell_address(shell, &place);
        }
        self.tell_link(shell, index);
        self.tell_device(shell, index);
        self.tell_what_names(shell, index);
    }

    /// There is this address.
    pub fn address(&mut self, shell: &mut Shell<'_>, address: Address) {
        let place = words::place(&address);
        if !self.addresses.contains_key(&place) && self.addresses.len() >= MOST_ADDRESSES {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        self.addresses.insert(place, Seen { it: address, round: self.round });
        self.tell_address(shell, &place);
    }

    /// There is this address no longer.
    pub fn address_gone(&mut self, shell: &mut Shell<'_>, address: &Address) -> Sure {
        let place = words::place(address);
        self.addresses.remove(&place);
        self.tell_address(shell, &place);
        if address.family == Family::Inet6 {
            return Sure::Yes;
        }
        // With the last address of a link the kernel takes the routes over it away, without a word.
        let is_last = self.places_on(address.index).iter().all(|(_, local, ..)| local.is_ipv6());
        if is_last {
            self.forget_routes(shell, |way| way.hop.index == address.index && way.family == Family::Inet);
        }
        // So it does with routes that say it is theirs, if no link has it any more.
        let is_named = self.routes.values().any(|seen| seen.it == Some(address.local));
        if is_named { Sure::No } else { Sure::Yes }
    }

    /// There is this route. If it has taken the place of another, that is gone.
    pub fn route(&mut self, shell: &mut Shell<'_>, route: Route, replaces: bool) -> Sure {
        let Route { family, metric, service, hops, source } = route;
        let way = |hop: Hop| Way { family, metric, service, hop };
        let ways: Vec<Way> = hops.into_iter().map(way).collect();
        let is_other = |other: &&Way| {
            (other.family, other.metric, other.service) == (family, metric, service) && !ways.contains(other)
        };
        let others: Vec<Way> = self.routes.keys().filter(is_other).cloned().collect();
        for way in ways {
            if !self.routes.contains_key(&way) && self.routes.len() >= MOST_ROUTES {
                self.left_out = self.left_out.saturating_add(1);
                continue;
            }
            self.routes.insert(way.clone(), Seen { it: source, round: self.round });
            self.tell_route(shell, &way);
        }
        match others.as_slice() {
            [] => Sure::Yes,
            _ if !replaces => Sure::Yes,
            [other] => {
                self.routes.remove(other);
                self.tell_route(shell, other);
                Sure::Yes
            }
            // Which of them it was is not said.
            [..] => Sure::No,
        }
    }

    /// There is this route no longer.
    pub fn route_gone(&mut self, shell: &mut Shell<'_>, route: &Route) {
        for hop in &route.hops {
            let Route { family, metric, service, .. } = *route;
            let way = Way { family, metric, service, hop: hop.clone() };
            self.routes.remove(&way);
            self.tell_route(shell, &way);
        }
    }

    /// All is looked at from here on.
    pub const fn begin_look(&mut self) {
        self.round = self.round.wrapping_add(1);
    }

    /// All of a kind was looked at: what was not seen is not there.
    pub fn end_look(&mut self, shell: &mut Shell<'_>, dump: Dump) {
        let round = self.round;
        match dump {
            Dump::Links => {
                let gone: Vec<u32> = unseen(&self.links, round);
                gone.into_iter().for_each(|index| self.link_gone(shell, index));
                // What an image before us has told, and what nobody knows of now.
                let there: Vec<Identity> = self.links.keys().map(|index| words::of_link(*index)).collect();
                for before in not_in(&mut self.told.links, shell, there.clone()) {
                    down(shell, &before);
                }
                if let Some(devices) = &mut self.told.devices {
                    for before in not_in(devices, shell, there) {
                        emit(shell, Name::constant("net-device-removed"), words::done(&before, "remove"));
                    }
                }
            }
            Dump::Addresses => {
                for place in unseen(&self.addresses, round) {
                    self.addresses.remove(&place);
                    self.tell_address(shell, &place);
                }
                let there = self.addresses.keys().map(words::of_address).collect();
                for before in not_in(&mut self.told.addresses, shell, there) {
                    emit(shell, ADDRESS_REMOVED, (*before).clone());
                }
            }
            Dump::Routes => {
                for way in unseen(&self.routes, round) {
                    self.routes.remove(&way);
                    self.tell_route(shell, &way);
                }
                let there = self.routes.keys().map(words::of_way).collect();
                for before in not_in(&mut self.told.routes, shell, there) {
                    emit(shell, ROUTE_DOWN, (*before).clone());
                }
            }
        }
    }

    fn places_on(&self, index: u32) -> Vec<Place> {
        self.addresses.keys().filter(|place| place.0 == index).copied().collect()
    }

    fn forget_routes(&mut self, shell: &mut Shell<'_>, is_gone: impl Fn(&Way) -> bool) {
        let gone: Vec<Way> = self.routes.keys().filter(|way| is_gone(way)).cloned().collect();
        for way in gone {
            self.routes.remove(&way);
            self.tell_route(shell, &way);
        }
    }

    /// Tells what bears the name of a link.
    fn tell_what_names(&mut self, shell: &mut Shell<'_>, index: u32) {
        for place in self.places_on(index) {
            self.tell_address(shell, &place);
        }
        let ways: Vec<Way> = self.routes.keys().filter(|way| way.hop.index == index).cloned().collect();
        ways.iter().for_each(|way| self.tell_route(shell, way));
        let ports = self.links.values().filter(|link| link.it.master == Some(index));
        let ports: Vec<u32> = ports.map(|link| link.it.index).collect();
        ports.into_iter().for_each(|port| self.tell_link(shell, port));
    }

    fn name_of(&self, index: u32) -> Option<&Value> {
        self.links.get(&index).map(|link| &link.it.name)
    }

    fn tell_device(&mut self, shell: &mut Shell<'_>, index: u32) {
        let Some(devices) = &mut self.told.devices else { return };
        let identity = words::of_link(index);
        match self.links.get(&index).map(|link| words::device(&link.it)) {
            Some(args) => match devices.holds(shell, &identity, &args) {
                Change::New => emit(shell, Name::constant("net-device-added"), words::done(&args, "add")),
                // It bears another name now.
                Change::Changed(_) => {
                    emit(shell, Name::constant("net-device-move"), words::done(&args, "move"));
                }
                Change::Same => {}
            },
            None => {
                if let Some(before) = devices.is_gone(shell, &identity) {
                    emit(shell, Name::constant("net-device-removed"), words::done(&before, "remove"));
                }
            }
        }
    }

    fn tell_link(&mut self, shell: &mut Shell<'_>, index: u32) {
        let identity = words::of_link(index);
        let link = self.links.get(&index).filter(|link| link.it.is_up());
        let Some(link) = link else {
            if let Some(before) = self.told.links.is_gone(shell, &identity) {
                down(shell, &before);
            }
            return;
        };
        let args = words::link(&link.it, link.it.master.and_then(|master| self.name_of(master)));
        match self.told.links.holds(shell, &identity, &args) {
            Change::New => up(shell, &args),
            Change::Changed(before) if before.get(IFACE) != args.get(IFACE) => {
                down(shell, &before);
                up(shell, &args);
            }
            Change::Changed(_) | Change::Same => {}
        }
    }

    fn tell_address(&mut self, shell: &mut Shell<'_>, place: &Place) {
        let usable = self.addresses.get(place).filter(|address| address.it.is_usable());
        let args = usable.and_then(|address| Some(words::address(&address.it, self.name_of(place.0)?)));
        let identity = words::of_address(place);
        tell(shell, &mut self.told.addresses, &identity, args, ADDRESS_ADDED, ADDRESS_REMOVED);
    }

    fn tell_route(&mut self, shell: &mut Shell<'_>, way: &Way) {
        let there = self.routes.get(way).and_then(|_| self.name_of(way.hop.index));
        let args = there.map(|name| words::route(way, name));
        tell(shell, &mut self.told.routes, &words::of_way(way), args, ROUTE_UP, ROUTE_DOWN);
    }
}

const IFACE: &str = "IFACE";
const ADDRESS_ADDED: Name = Name::constant("net-address-added");
const ADDRESS_REMOVED: Name = Name::constant("net-address-removed");
const ROUTE_UP: Name = Name::constant("net-default-route-up");
const ROUTE_DOWN: Name = Name::constant("net-default-route-down");

/// Tells of a fact, and of its begin and end by these events. One whose link has another name now was one thing, and
/// is another.
fn tell(
    shell: &mut Shell<'_>,
    told: &mut Known,
    identity: &Identity,
    args: Option<Args>,
    came: Name,
    went: Name,
) {
    let Some(args) = args else {
        if let Some(before) = told.is_gone(shell, identity) {
            emit(shell, went, (*before).clone());
        }
        return;
    };
    match told.holds(shell, identity, &args) {
        Change::New => emit(shell, came, args),
        Change::Changed(before) if before.get(IFACE) != args.get(IFACE) => {
            emit(shell, went, (*before).clone());
            emit(shell, came, args);
        }
        Change::Changed(_) | Change::Same => {}
    }
}

fn up(shell: &mut Shell<'_>, link: &Args) {
    emit(shell, Name::constant("link-up"), link.clone());
    emit(shell, Name::constant("net-device-up"), words::net_device(link));
}

fn down(shell: &mut Shell<'_>, link: &Args) {
    emit(shell, Name::constant("link-down"), link.clone());
    emit(shell, Name::constant("net-device-down"), words::net_device(link));
}

/// What was not seen in this look.
fn unseen<K: Clone + Ord, T>(all: &BTreeMap<K, Seen<T>>, round: u32) -> Vec<K> {
    all.iter().filter(|(_, seen)| seen.round != round).map(|(key, _)| key.clone()).collect()
}

/// Tells that whatever else was told holds no longer, and gives it.
fn not_in(told: &mut Known, shell: &mut Shell<'_>, mut there: Vec<Identity>) -> Vec<Arc<Args>> {
    there.sort_unstable();
    let gone = told.iter().map(|(identity, _)| identity);
    let gone: Vec<Identity> =
        gone.filter(|identity| there.binary_search(identity).is_err()).cloned().collect();
    gone.iter().filter_map(|identity| told.is_gone(shell, identity)).collect()
}
