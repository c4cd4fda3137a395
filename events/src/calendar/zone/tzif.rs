//! Files of zones, as the machine has them in `/usr/share/zoneinfo`: TZif (RFC 9636).
//!
//! The bytes are not trusted. Everything that is counted in them is bounded by how many they are.

use alloc::vec::Vec;

use super::{FARTHEST, Rule, Zone, ZoneError};

/// How long the head of a block is.
const HEAD: usize = 44;

/// How many there are of each thing in a block.
struct Counts {
    utc: usize,
    standard: usize,
    leaps: usize,
    changes: usize,
    kinds: usize,
    letters: usize,
}

pub fn read(bytes: &[u8]) -> Result<Zone, ZoneError> {
    let (version, counts, rest) = head(bytes)?;
    if version == 0 {
        return block::<4>(&counts, rest).map(|(zone, _)| zone);
    }
    // The first block is for those who know no better.
    let skip = counts.length(4).ok_or(ZoneError::Short)?;
    let (_, counts, rest) = head(rest.get(skip..).ok_or(ZoneError::Short)?)?;
    let (mut zone, rest) = block::<8>(&counts, rest)?;
    let footer = rest.strip_prefix(b"\n").ok_or(ZoneError::Short)?;
    let end = footer.iter().position(|byte| *byte == b'\n').ok_or(ZoneError::Short)?;
    let text = footer.get(..end).and_then(|text| core::str::from_utf8(text).ok());
    let text = text.ok_or(ZoneError::Damaged("its rule is no text"))?;
    if !text.is_empty() {
        zone.rule = Some(Rule::read(text).ok_or(ZoneError::Damaged("its rule cannot be read"))?);
    }
    Ok(zone)
}

fn head(bytes: &[u8]) -> Result<(u8, Counts, &[u8]), ZoneError> {
    let (head, rest) = bytes.split_at_checked(HEAD).ok_or(ZoneError::NotTzif)?;
    let [b'T', b'Z', b'i', b'f', version, rest_of_head @ ..] = head else { return Err(ZoneError::NotTzif) };
    let (words, _) = rest_of_head.get(15..).unwrap_or_default().as_chunks::<4>();
    let [utc, standard, leaps, changes, kinds, letters] = words else { return Err(ZoneError::NotTzif) };
    let count = |word: &[u8; 4]| usize::try_from(u32::from_be_bytes(*word)).unwrap_or(usize::MAX);
    let counts = Counts {
        utc: count(utc),
        standard: count(standard),
        leaps: count(leaps),
        changes: count(changes),
        kinds: count(kinds),
        letters: count(letters),
    };
    Ok((*version, counts, rest))
}

impl Counts {
    /// How many bytes a block has whose moments have so many.
    fn length(&self, moment: usize) -> Option<usize> {
        let changes = self.changes.checked_mul(moment.checked_add(1)?)?;
        let leaps = self.leaps.checked_mul(moment.checked_add(4)?)?;
        let parts = [changes, self.kinds.checked_mul(6)?, self.letters, leaps, self.standard, self.utc];
        parts.into_iter().try_fold(0_usize, usize::checked_add)
    }
}

/// A block whose moments have so many bytes, and what follows it.
fn block<'b, const MOMENT: usize>(counts: &Counts, bytes: &'b [u8]) -> Result<(Zone, &'b [u8]), ZoneError> {
    let length = counts.length(MOMENT).ok_or(ZoneError::Short)?;
    let (block, rest) = bytes.split_at_checked(length).ok_or(ZoneError::Short)?;
    if counts.leaps > 0 {
        return Err(ZoneError::Leap);
    }
    let (moments, block) =
        block.split_at_checked(counts.changes.saturating_mul(MOMENT)).ok_or(ZoneError::Short)?;
    let (which, block) = block.split_at_checked(counts.changes).ok_or(ZoneError::Short)?;
    let (kinds, _) = block.split_at_checked(counts.kinds.saturating_mul(6)).ok_or(ZoneError::Short)?;
    let (kinds, _) = kinds.as_chunks::<6>();
    let ahead = |kind: usize| {
        let [a, b, c, d, _, _] = kinds.get(kind)?;
        Some(i64::from(i32::from_be_bytes([*a, *b, *c, *d]))).filter(|ahead| ahead.abs() <= FARTHEST)
    };
    let first = ahead(0).ok_or(ZoneError::Damaged("its first kind of time cannot be"))?;
    let (mut changes, mut before, mut last): (Vec<(i64, i64)>, i64, Option<i64>) = (Vec::new(), first, None);
    let (moments, _) = moments.as_chunks::<MOMENT>();
    for (moment, kind) in moments.iter().zip(which) {
        // The sign is in the first byte.
        let start = if moment.first().is_some_and(|byte| *byte >= 0x80) { -1 } else { 0 };
        let at = moment.iter().fold(start, |sum: i64, byte| sum.wrapping_shl(8) | i64::from(*byte));
        let ahead = ahead(usize::from(*kind)).ok_or(ZoneError::Damaged("a kind of time cannot be"))?;
        if last.is_some_and(|last| last >= at) {
            return Err(ZoneError::Damaged("its changes are not in order"));
        }
        last = Some(at);
        // Only the name of the time changes, or its being called summer.
        if ahead != before {
            changes.push((at, ahead));
            before = ahead;
        }
    }
    // The rule counts from the last change on, also from one that changed nothing.
    if let Some(last) = last.filter(|last| changes.last().is_none_or(|(at, _)| at < last)) {
        changes.push((last, before));
    }
    Ok((Zone { first, changes: changes.into(), rule: None }, rest))
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    /// A file of version 2 with these changes, kinds of time and rule.
    fn file(changes: &[(i64, u8)], kinds: &[i32], leaps: u32, rule: &str) -> Vec<u8> {
        let head = |counts: [u32; 6]| {
            let mut head = b"TZif2".to_vec();
            head.extend([0; 15]);
            counts.iter().for_each(|count| head.extend(count.to_be_bytes()));
            head
        };
        let mut bytes = head([0, 0, 0, 0, 1, 1]);
        bytes.extend([0; 7]);
        bytes.extend(head([0, 0, leaps, changes.len() as u32, kinds.len() as u32, 4]));
        changes.iter().for_each(|(at, _)| bytes.extend(at.to_be_bytes()));
        changes.iter().for_each(|(_, kind)| bytes.push(*kind));
        for kind in kinds {
            bytes.extend(kind.to_be_bytes());
            bytes.extend([0, 0]);
        }
        bytes.extend(b"LMT\0");
        bytes.extend(vec![0; leaps as usize * 12]);
        bytes.extend(rule.as_bytes());
        bytes
    }

    #[test]
    fn a_file_is_its_changes_and_then_its_rule() {
        let bytes = file(&[(-1_000, 1), (0, 2), (1_000, 2)], &[-5, 3_600, 7_200], 0, "\nEST5\n");
        let zone = read(&bytes).unwrap();
        for (moment, ahead) in
            [(i64::MIN, -5), (-1_001, -5), (-1_000, 3_600), (0, 7_200), (999, 7_200), (1_000, -18_000)]
        {
            assert_eq!(zone.ahead(moment), ahead, "{moment}");
        }
        // What changes nothing is left out, but for the last: from there on the rule counts.
        let bytes = file(&[(-1_000, 0), (0, 1), (1_000, 1), (2_000, 1)], &[-5, 3_600], 0, "\n\n");
        assert_eq!(*read(&bytes).unwrap().changes, [(0, 3_600), (2_000, 3_600)]);
        assert_eq!(zone.period(-1_000).begin, Some((-1_000, -5)));
        assert_eq!(zone.period(-1_000).end, 0);
    }

    #[test]
    fn damaged_files_are_refused() {
        let good = file(&[(0, 0)], &[3_600], 0, "\nCET-1\n");
        assert!(read(&good).is_ok());
        for length in 0..good.len() {
            assert!(read(&good[..length]).is_err(), "{length}");
        }
        for (bytes, error) in [
            (file(&[(5, 0), (5, 0)], &[0], 0, "\n\n"), ZoneError::Damaged("its changes are not in order")),
            (file(&[(5, 7)], &[0], 0, "\n\n"), ZoneError::Damaged("a kind of time cannot be")),
            (file(&[], &[999_999], 0, "\n\n"), ZoneError::Damaged("its first kind of time cannot be")),
            (file(&[], &[0], 0, "\nno rule\n"), ZoneError::Damaged("its rule cannot be read")),
            (file(&[], &[0], 1, "\n\n"), ZoneError::Leap),
            (b"TZif".to_vec(), ZoneError::NotTzif),
        ] {
            assert_eq!(read(&bytes), Err(error));
        }
    }
}
