//! Jobs as bytes, for whoever hands many of them to another process: postcard's encoding.
//!
//! It is done here and not there because this crate is compiled for speed: a thousand jobs are handed over before the
//! first one starts.

use alloc::vec::Vec;

use postcard::{Error, ser_flavors::Flavor};
use serde::Serialize;

use crate::{Job, Work, WorkId};

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

fn put(value: &impl Serialize, bytes: &mut Vec<u8>) -> Result<(), Error> {
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
