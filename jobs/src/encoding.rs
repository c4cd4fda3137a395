//! Jobs as bytes: only what differs from a job that says nothing is written.
//!
//! A file says five things of the fifty that it could. A thousand jobs are handed over before the first one starts,
//! and are in each state that is saved, so it counts what is not written and not read. A job, and how it makes its
//! processes, is a number that tells which fields follow, and these. That is for [`postcard`]; where people can read it, the
//! same fields stand with their names.
//!
//! What many jobs are handed over with is here, and not where that is done, because this crate is compiled for speed.

use alloc::{string::String, vec::Vec};

use postcard::{Error, ser_flavors::Flavor};
use serde::{
    Deserialize, Serialize,
    de::{Error as _, MapAccess, SeqAccess},
};

use crate::{Engine, Job, Work, WorkId};

/// The next element of a row that must have one.
pub(crate) fn next<'d, T: Deserialize<'d>, A: SeqAccess<'d>>(row: &mut A) -> Result<T, A::Error> {
    row.next_element()?.ok_or_else(|| A::Error::custom("cut off"))
}

/// The next entry of a map, which must be of this name.
pub(crate) fn entry<'d, T: Deserialize<'d>, A: MapAccess<'d>>(
    map: &mut A,
    name: &str,
) -> Result<T, A::Error> {
    match map.next_key::<String>()? {
        Some(key) if key == name => map.next_value(),
        Some(_) | None => Err(A::Error::custom(alloc::format!("expected `{name}`"))),
    }
}

/// Has a type written as its `$always` fields, which fields follow, and these. `$usual` makes the value whose fields
/// need not be written, from those that always are. A field that is not listed does not compile.
macro_rules! differences {
    ($type:ident, always($($always:ident),*), usual($usual:expr), fields($($field:ident),* $(,)?)) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::{SerializeMap as _, SerializeTuple as _};
                const { assert!([$(stringify!($field)),*].len() <= 64, "one bit for each field") };
                let Self { $($always,)* $($field,)* } = self;
                let usual: Self = $usual($($always.clone()),*);
                if serializer.is_human_readable() {
                    let mut map = serializer.serialize_map(None)?;
                    $(map.serialize_entry(stringify!($always), $always)?;)*
                    $(
                        if *$field != usual.$field {
                            map.serialize_entry(stringify!($field), $field)?;
                        }
                    )*
                    return map.end();
                }
                let (mut told, mut bit, mut count) = (0_u64, 1_u64, 1_usize);
                $(
                    if *$field != usual.$field {
                        told |= bit;
                        count = count.saturating_add(1);
                    }
                    bit <<= 1;
                )*
                $(
                    let _: &_ = $always;
                    count = count.saturating_add(1);
                )*
                let mut row = serializer.serialize_tuple(count)?;
                $(row.serialize_element($always)?;)*
                row.serialize_element(&told)?;
                bit = 1;
                $(
                    if told & bit != 0 {
                        row.serialize_element($field)?;
                    }
                    bit <<= 1;
                )*
                let _ = bit;
                row.end()
            }
        }

        impl<'d> serde::Deserialize<'d> for $type {
            fn deserialize<D: serde::Deserializer<'d>>(deserializer: D) -> Result<Self, D::Error> {
                struct Row;
                impl<'d> serde::de::Visitor<'d> for Row {
                    type Value = $type;

                    fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                        f.write_str(stringify!($type))
                    }

                    fn visit_seq<A: serde::de::SeqAccess<'d>>(self, mut row: A) -> Result<$type, A::Error> {
                        $(let $always = $crate::encoding::next(&mut row)?;)*
                        let mut value: $type = $usual($($always),*);
                        let told: u64 = $crate::encoding::next(&mut row)?;
                        let mut bit = 1_u64;
                        $(
                            if told & bit != 0 {
                                value.$field = $crate::encoding::next(&mut row)?;
                            }
                            bit <<= 1;
                        )*
                        if told & !bit.wrapping_sub(1) != 0 {
                            return Err(serde::de::Error::custom("no such field"));
                        }
                        Ok(value)
                    }

                    fn visit_map<A: serde::de::MapAccess<'d>>(self, mut map: A) -> Result<$type, A::Error> {
                        $(let $always = $crate::encoding::entry(&mut map, stringify!($always))?;)*
                        let mut value: $type = $usual($($always),*);
                        while let Some(key) = map.next_key::<alloc::string::String>()? {
                            match key.as_str() {
                                $(stringify!($field) => value.$field = map.next_value()?,)*
                                _ => return Err(serde::de::Error::custom("no such field")),
                            }
                        }
                        Ok(value)
                    }
                }
                if deserializer.is_human_readable() {
                    return deserializer.deserialize_map(Row);
                }
                const MOST: usize = [$(stringify!($always),)* "told", $(stringify!($field),)*].len();
                deserializer.deserialize_tuple(MOST, Row)
            }
        }
    };
}

pub(crate) use differences;

differences! {
    Job,
    always(name, format),
    usual(Job::new),
    fields(
        kind, layer, provides, requires, before, stop_order, needs, keywords, modes, start_on, stop_on, holds_while,
        start, instance, again, env, export, processes, task, ready, respawn, normal_exit, kill, reload_signal,
        reload_on, restart_on, settle, start_timeout, is_purpose, turn, announces, work,
    )
}

differences! {
    Work,
    always(),
    usual(Work::default),
    fields(
        processes, commands, description, author, version, usage, emits, console, umask, nice, ionice, oom_score, limits,
        chroot, chdir, user, group, groups, capabilities, no_new_privileges, cgroup, sockets, watchdog, apparmor, imports,
        tmpfiles, on_connection, arguments, parallel,
    )
}

/// Adds a job at the end of `bytes`.
pub fn put_job(job: &Job, bytes: &mut Vec<u8>) -> Result<(), Error> {
    put(job, bytes)
}

/// Adds how a job makes its processes, and the file that says so, at the end of `bytes`; gives the number of it.
pub fn put_work(work: &Work, path: &str, bytes: &mut Vec<u8>) -> Result<WorkId, Error> {
    let start = bytes.len();
    put(&(work, path), bytes)?;
    Ok(WorkId::of(bytes.get(start..).unwrap_or_default()))
}

/// The job with which these bytes begin, and what comes behind it.
pub fn take_job(bytes: &[u8]) -> Result<(Job, &[u8]), Error> {
    postcard::take_from_bytes(bytes)
}

/// Gives an engine's state away piece by piece. If somebody will not take a piece, that is the end of it.
pub fn put_engine(engine: &Engine, take: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), Error> {
    postcard::serialize_with_flavor(engine, Pieces { piece: Vec::with_capacity(PIECE), take })
}

/// How large a piece is.
const PIECE: usize = 4096;

struct Pieces<'t> {
    piece: Vec<u8>,
    take: &'t mut dyn FnMut(&[u8]) -> bool,
}

impl Pieces<'_> {
    fn give(&mut self, last: &[u8]) -> postcard::Result<()> {
        let is_taken = (self.take)(&self.piece) && (last.is_empty() || (self.take)(last));
        self.piece.clear();
        if is_taken { Ok(()) } else { Err(Error::SerializeBufferFull) }
    }
}

impl Flavor for Pieces<'_> {
    type Output = ();

    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        if self.piece.len().saturating_add(data.len()) > PIECE {
            return self.give(data);
        }
        self.piece.extend_from_slice(data);
        Ok(())
    }

    fn try_push(&mut self, data: u8) -> postcard::Result<()> {
        if self.piece.len() >= PIECE {
            self.give(&[])?;
        }
        self.piece.push(data);
        Ok(())
    }

    fn finalize(mut self) -> postcard::Result<()> {
        self.give(&[])
    }
}

/// Adds a value at the end of `bytes`.
pub fn put(value: &impl Serialize, bytes: &mut Vec<u8>) -> Result<(), Error> {
    postcard::serialize_with_flavor(value, AtEnd(bytes))
}

struct AtEnd<'b>(&'b mut Vec<u8>);

impl Flavor for AtEnd<'_> {
    type Output = ();

    fn try_extend(&mut self, data: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(data);
        Ok(())
    }

    fn try_push(&mut self, data: u8) -> postcard::Result<()> {
        self.0.push(data);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use events::Name;

    use super::*;
    use crate::{Format, formats::Source, formats::native};

    fn described(text: &str) -> crate::formats::Described {
        let source = Source { path: "a.ron".into(), text: text.into(), executable: false };
        native::read(&Name::new("a").unwrap(), &source, &[], 4).described.unwrap()
    }

    #[test]
    fn a_job_comes_back_with_whatever_it_says() {
        for text in [
            "()",
            "(exec: \"a\")",
            "(task: true, start_on: \"b\", exec: \"/bin/a b\")",
            include_str!("../tests/data/full.ron"),
        ] {
            let described = described(text);
            let shown = serde_json::to_string(&described.job).unwrap();
            assert_eq!(serde_json::from_str::<Job>(&shown).unwrap(), described.job, "{shown}");
            let shown = serde_json::to_string(&described.work).unwrap();
            assert_eq!(serde_json::from_str::<Work>(&shown).unwrap(), described.work, "{shown}");
            let (mut job, mut work) = (Vec::new(), Vec::new());
            put_job(&described.job, &mut job).unwrap();
            job.push(7);
            assert_eq!(take_job(&job), Ok((described.job, &[7][..])), "{text}");
            let id = put_work(&described.work, "a.ron", &mut work).unwrap();
            assert_eq!(id, WorkId::of(&work));
            assert_eq!(postcard::from_bytes(&work), Ok((described.work, "a.ron")), "{text}");
        }
    }

    #[test]
    fn an_engine_in_pieces_is_the_same_engine() {
        let jobs = (0..200).map(|number| {
            let name = Name::new(&alloc::format!("{}{number}", "x".repeat(number))).unwrap();
            alloc::sync::Arc::new(Job::new(name, Format::Native))
        });
        let mut engine = Engine::new();
        let reload = crate::Input::Reload { jobs: jobs.collect(), refused: Vec::new() };
        let _ = engine.step([reload], events::Time(0));
        let (mut bytes, mut room) = (Vec::new(), 1_usize);
        let mut take = |piece: &[u8]| {
            bytes.extend_from_slice(piece);
            true
        };
        put_engine(&engine, &mut take).unwrap();
        assert_eq!(bytes, postcard::to_allocvec(&engine).unwrap());
        let mut refuse = |_: &[u8]| {
            room = room.saturating_sub(1);
            room > 0
        };
        assert!(put_engine(&engine, &mut refuse).is_err());
    }

    #[test]
    fn what_nothing_is_said_of_takes_no_room() {
        let mut bytes = Vec::new();
        put_job(&Job::new(Name::new("a").unwrap(), Format::Rcd), &mut bytes).unwrap();
        assert_eq!(bytes, [1, b'a', 2, 0]);
        bytes.clear();
        put_work(&Work::default(), "p", &mut bytes).unwrap();
        assert_eq!(bytes, [0, 1, b'p']);
    }

    #[test]
    fn what_is_cut_off_or_unknown_is_refused() {
        let mut bytes = Vec::new();
        put_job(&described("(exec: \"a\", needs: [\"b\"])").job, &mut bytes).unwrap();
        for end in 0..bytes.len() {
            assert!(take_job(&bytes[..end]).is_err(), "{end}");
        }
        let unknown = postcard::to_allocvec(&("a", Format::Native, 1_u32 << 28)).unwrap();
        assert!(take_job(&unknown).is_err());
        let all: Vec<u8> = vec![0xFF; 64];
        assert!(take_job(&all).is_err());
    }
}
