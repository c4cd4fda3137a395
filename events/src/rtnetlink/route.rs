//! A default route: where packets go that have no nearer way.

use alloc::vec::Vec;
use core::net::IpAddr;

use super::{
    Attributes, Family,
    attributes::{address, number},
};

/// How long the fixed part of a message about a route is.
const HEAD: usize = 12;
/// How long the fixed part of one of several ways is.
const WAY: usize = 8;

const LINK: u16 = 4;
const GATEWAY: u16 = 5;
const PRIORITY: u16 = 6;
const SOURCE: u16 = 7;
const WAYS: u16 = 9;
const TABLE: u16 = 15;
const VIA: u16 = 18;

/// The table that is looked into for everybody.
const MAIN: u32 = 254;
/// A route to somewhere, and not one that refuses.
const UNICAST: u8 = 1;
/// A copy that the kernel has made for one destination.
const CLONED: u32 = 0x200;
/// The most ways that are read of one route.
const MOST: usize = 256;

/// A way that a default route goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hop {
    /// The number of the link.
    pub index: u32,
    /// Who is asked to pass packets on, if not everybody is on that link.
    pub gateway: Option<IpAddr>,
}

/// A default route of the main table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Its family.
    pub family: Family,
    /// Of several, that with the least is used.
    pub metric: u32,
    /// For which kind of traffic; 0 for all.
    pub service: u8,
    /// The ways that it goes.
    pub hops: Vec<Hop>,
    /// The address that packets have as theirs, if it is said.
    pub source: Option<IpAddr>,
}

impl Route {
    /// A default route from the body of a message; `None` if it is another route.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let [family, to, from, service, table, _, _, kind, a, b, c, d] = *body.first_chunk::<HEAD>()?;
        let flags = u32::from_ne_bytes([a, b, c, d]);
        if to != 0 || from != 0 || kind != UNICAST || flags & CLONED != 0 {
            return None;
        }
        let family = Family::of(family)?;
        let mut route = Self { family, metric: 0, service, hops: Vec::new(), source: None };
        let mut hop = Hop { index: 0, gateway: None };
        let mut table = u32::from(table);
        for (kind, value) in Attributes(body.get(HEAD..)?) {
            match kind {
                LINK => hop.index = number(value)?,
                PRIORITY => route.metric = number(value)?,
                SOURCE => route.source = address(value),
                TABLE => table = number(value)?,
                WAYS => route.hops = ways(value),
                kind => hop.gateway = gateway(kind, value).or(hop.gateway),
            }
        }
        if hop.index != 0 {
            route.hops.push(hop);
        }
        route.hops.retain(|hop| hop.index != 0);
        Some(route).filter(|route| table == MAIN && !route.hops.is_empty())
    }
}

/// Who passes packets on, if that is what an attribute says.
fn gateway(kind: u16, value: &[u8]) -> Option<IpAddr> {
    match kind {
        GATEWAY => address(value),
        // Of another family than the route: that stands before it.
        VIA => address(value.get(2..)?),
        _ => None,
    }
    .filter(|gateway| !gateway.is_unspecified())
}

/// The ways of a route that has several.
fn ways(mut bytes: &[u8]) -> Vec<Hop> {
    let mut hops = Vec::new();
    while let Some([a, b, _, _, c, d, e, f]) = bytes.first_chunk::<WAY>() {
        let length = usize::from(u16::from_ne_bytes([*a, *b]));
        let Some(attributes) = bytes.get(WAY..length).filter(|_| hops.len() < MOST) else { break };
        let gateway = Attributes(attributes).find_map(|(kind, value)| gateway(kind, value));
        hops.push(Hop { index: u32::from_ne_bytes([*c, *d, *e, *f]), gateway });
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    hops
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::{super::samples::attribute, *};

    fn body(to: u8, table: u8, kind: u8, flags: u32, attributes: &[Vec<u8>]) -> Vec<u8> {
        let mut body = Vec::from([2, to, 0, 0, table, 3, 0, kind]);
        body.extend(flags.to_ne_bytes());
        body.extend(attributes.concat());
        body
    }

    fn usual() -> Vec<Vec<u8>> {
        Vec::from([
            attribute(TABLE, &254_u32.to_ne_bytes()),
            attribute(GATEWAY, &[10, 0, 2, 2]),
            attribute(LINK, &2_u32.to_ne_bytes()),
            attribute(PRIORITY, &100_u32.to_ne_bytes()),
        ])
    }

    #[test]
    fn a_default_route_is_read() {
        let read = Route::read(&body(0, 254, UNICAST, 0, &usual())).unwrap();
        assert_eq!((read.family, read.metric, read.service, read.source), (Family::Inet, 100, 0, None));
        assert_eq!((read.hops[0].index, read.hops[0].gateway.unwrap().to_string()), (2, "10.0.2.2".into()));
    }

    #[test]
    fn other_routes_are_not() {
        let other_table = [&usual()[1..], &[attribute(TABLE, &1000_u32.to_ne_bytes())]].concat();
        for body in [
            body(24, 254, UNICAST, 0, &usual()),
            body(0, 254, 7, 0, &usual()),
            body(0, 254, UNICAST, CLONED, &usual()),
            body(0, 254, UNICAST, 0, &other_table),
            body(0, 254, UNICAST, 0, &usual()[..2]),
        ] {
            assert_eq!(Route::read(&body), None);
        }
    }

    #[test]
    fn a_route_may_go_several_ways() {
        let way = |index: u8, attributes: &[u8]| {
            let length = u8::try_from(WAY + attributes.len()).unwrap();
            [&[length, 0, 0, 0, index, 0, 0, 0], attributes].concat()
        };
        let via = attribute(VIA, &[&[10, 0][..], &[0xfe; 16]].concat());
        let ways = [way(2, &attribute(GATEWAY, &[10, 0, 0, 1])), way(3, &via), way(4, &[])].concat();
        let read = Route::read(&body(0, 254, UNICAST, 0, &[attribute(WAYS, &ways)])).unwrap();
        let hops: Vec<_> =
            read.hops.iter().map(|hop| (hop.index, hop.gateway.map(|it| it.is_ipv4()))).collect();
        assert_eq!(hops, [(2, Some(true)), (3, Some(false)), (4, None)]);
    }
}
