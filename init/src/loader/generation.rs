//! What the loader hands over: all jobs that could be read, as compact bytes with a checksum.

use std::{fs::File, io, os::unix::fs::FileExt as _, sync::Arc};

use events::Name;
use jobs::{Job, Report, Severity, WorkId, encoding, formats::Described};
use serde::{Deserialize, Serialize};

use crate::pid1::works::{Piece, Works};

/// The first bytes; the number at the end is that of the format.
const MAGIC: [u8; 8] = *b"onsetg04";
const HEAD: usize = 32;
/// The longest generation that is taken.
const MAX: u64 = 256 << 20;

/// What is to be said of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    /// Whether the file is refused for it.
    pub is_error: bool,
    /// What `docs/errors.md` explains.
    pub code: String,
    /// The file.
    pub path: String,
    /// What is wrong, in one line.
    pub message: String,
    /// Line and column, from 1.
    pub place: Option<(usize, usize)>,
    /// What to do.
    pub help: Option<String>,
}

/// What stands at the beginning of a generation. The jobs come behind it, and then their pieces in the same order.
#[derive(Debug, Serialize, Deserialize)]
struct Body {
    refused: Vec<Name>,
    remarks: Vec<Remark>,
    mode: Option<Name>,
    /// How many bytes each job's piece has.
    pieces: Vec<u32>,
}

/// A generation as PID 1 takes it.
#[derive(Debug)]
pub struct Generation {
    /// The jobs, by name.
    pub jobs: Vec<Arc<Job>>,
    /// Jobs whose files were refused: whoever has one of this name keeps it.
    pub refused: Vec<Name>,
    /// What is to be said.
    pub remarks: Vec<Remark>,
    /// The mode that a machine with these files boots into.
    pub mode: Option<Name>,
    /// How the jobs make their processes.
    pub works: Works,
}

impl Remark {
    /// What a report says; `place` is the line and column that it is about.
    #[must_use]
    pub fn new(report: &Report, place: Option<(usize, usize)>) -> Self {
        Self {
            is_error: report.severity == Severity::Error,
            code: report.code.into(),
            path: report.places.first().map(|place| place.path.clone()).unwrap_or_default(),
            message: report.message.clone(),
            place,
            help: report.help.clone(),
        }
    }
}

/// About how many bytes a job and its piece have each.
const USUAL: usize = 96;

/// A generation that is being put together.
#[derive(Debug)]
pub struct Writer {
    jobs: Vec<u8>,
    pieces: Vec<u8>,
    lengths: Vec<u32>,
    failure: Option<io::Error>,
}

impl Writer {
    /// One of about so many jobs.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let room = count.saturating_mul(USUAL);
        Self {
            jobs: Vec::with_capacity(room),
            pieces: Vec::with_capacity(room),
            lengths: Vec::with_capacity(count),
            failure: None,
        }
    }

    /// Adds a job. It is given the number of its piece.
    pub fn add(&mut self, mut described: Described) {
        if let Err(error) = self.put(&mut described) {
            self.failure = Some(error);
        }
    }

    fn put(&mut self, described: &mut Described) -> io::Result<()> {
        let Described { job, work, path, .. } = described;
        let start = self.pieces.len();
        job.work = encoding::put_work(work, path, &mut self.pieces).map_err(io::Error::other)?;
        self.lengths.push(to_u32(self.pieces.len().saturating_sub(start))?);
        encoding::put_job(job, &mut self.jobs).map_err(io::Error::other)
    }

    /// The jobs that were added, as whoever takes them will find them: without the places of names.
    pub fn jobs(&self) -> io::Result<Vec<Described>> {
        let (mut jobs, mut pieces) = (self.jobs.as_slice(), self.pieces.as_slice());
        let mut found = Vec::with_capacity(self.lengths.len());
        for _ in &self.lengths {
            let (job, behind) = encoding::take_job(jobs).map_err(io::Error::other)?;
            let (piece, other) = postcard::take_from_bytes::<Piece>(pieces).map_err(io::Error::other)?;
            (jobs, pieces) = (behind, other);
            found.push(Described { job, work: piece.work, mentions: Vec::new(), path: piece.path });
        }
        Ok(found)
    }

    /// Writes all of it to `file`.
    pub fn finish(
        mut self,
        file: &File,
        refused: Vec<Name>,
        remarks: Vec<Remark>,
        mode: Option<Name>,
    ) -> io::Result<()> {
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let body = Body { refused, remarks, mode, pieces: self.lengths };
        let mut body = postcard::to_allocvec(&body).map_err(io::Error::other)?;
        body.append(&mut self.jobs);
        let mut head = Vec::with_capacity(HEAD);
        head.extend(MAGIC);
        head.extend((body.len() as u64).to_le_bytes());
        head.extend((self.pieces.len() as u64).to_le_bytes());
        head.extend(checksum(&[&body, &self.pieces]).to_le_bytes());
        file.write_all_at(&head, 0)?;
        file.write_all_at(&body, HEAD as u64)?;
        file.write_all_at(&self.pieces, (HEAD as u64).saturating_add(body.len() as u64))
    }
}

/// Reads what a [`Writer`] wrote.
pub fn read(file: File) -> io::Result<Generation> {
    let damaged = || io::Error::other("the loader's bytes are damaged");
    let length = file.metadata()?.len();
    if length > MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, 0)?;
    let (head, rest) = bytes.split_at_checked(HEAD).ok_or_else(damaged)?;
    let number = |at: usize| {
        let bytes = head.get(at..at.saturating_add(8))?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    };
    let (Some(body), Some(pieces), Some(sum)) = (number(8), number(16), number(24)) else {
        return Err(damaged());
    };
    let body_length = usize::try_from(body).map_err(io::Error::other)?;
    let (body, tail) = rest.split_at_checked(body_length).ok_or_else(damaged)?;
    if head.get(..8) != Some(&MAGIC[..]) || tail.len() as u64 != pieces || checksum(&[body, tail]) != sum {
        return Err(damaged());
    }
    let base = to_u32(HEAD.saturating_add(body.len()))?;
    let (Body { refused, remarks, mode, pieces }, mut rest) =
        postcard::take_from_bytes(body).map_err(io::Error::other)?;
    let mut jobs = Vec::with_capacity(pieces.len());
    let mut index: Vec<(WorkId, (u32, u32))> = Vec::with_capacity(pieces.len());
    let mut at = base;
    for length in pieces {
        let (job, behind) = encoding::take_job(rest).map_err(io::Error::other)?;
        index.push((job.work, (at, length)));
        jobs.push(Arc::new(job));
        at = at.saturating_add(length);
        rest = behind;
    }
    let end = u32::try_from(length).map_err(io::Error::other)?;
    if !rest.is_empty() || at != end {
        return Err(damaged());
    }
    Ok(Generation { jobs, refused, remarks, mode, works: Works::new(file, index.into_iter().collect(), end) })
}

fn to_u32(length: usize) -> io::Result<u32> {
    u32::try_from(length).map_err(io::Error::other)
}

/// Tells damage, not malice: both sides are us. Eight bytes at a time, since there may be megabytes.
fn checksum(parts: &[&[u8]]) -> u64 {
    let mut sum = 0x9E37_79B9_7F4A_7C15_u64;
    for part in parts {
        let (words, rest) = part.as_chunks::<8>();
        for word in words {
            sum = (sum ^ u64::from_le_bytes(*word)).wrapping_mul(0x0100_0000_01B3).rotate_left(23);
        }
        for byte in rest {
            sum = (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3).rotate_left(23);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use jobs::{Format, ProcessKind, Work};

    use super::*;
    use crate::sys::memory::memfd;

    fn written() -> File {
        let file = memfd(c"generation").unwrap();
        let described = |name: &str, line: &str| Described {
            job: Job::new(Name::new(name).unwrap(), Format::Native),
            work: Work {
                processes: vec![(ProcessKind::Main, jobs::Command::Exec(line.into()))],
                ..Work::default()
            },
            mentions: Vec::new(),
            path: format!("/etc/onset/jobs/{name}.ron"),
        };
        let mut writer = Writer::new(2);
        writer.add(described("a", "/bin/a"));
        writer.add(described("b", "/bin/b"));
        let paths: Vec<String> = writer.jobs().unwrap().into_iter().map(|described| described.path).collect();
        assert_eq!(paths, ["/etc/onset/jobs/a.ron", "/etc/onset/jobs/b.ron"]);
        writer
            .finish(&file, vec![Name::new("c").unwrap()], Vec::new(), Some(Name::constant("test")))
            .unwrap();
        file
    }

    #[test]
    fn a_generation_comes_back_with_every_jobs_piece() {
        let back = read(written()).unwrap();
        assert_eq!(back.refused, ["c"]);
        for (job, name) in back.jobs.iter().zip(["a", "b"]) {
            assert_eq!(job.name, name);
            let piece: Piece = back.works.piece(job.work).unwrap();
            assert_eq!(piece.work.processes[0].1, jobs::Command::Exec(format!("/bin/{name}")));
            assert_eq!(piece.path, format!("/etc/onset/jobs/{name}.ron"));
        }
    }

    #[test]
    fn damage_at_any_byte_is_seen() {
        let whole = written();
        let length = whole.metadata().unwrap().len();
        for at in 0..length {
            let file = written();
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ 0x10], at).unwrap();
            assert!(read(file).is_err(), "byte {at}");
            let file = written();
            file.set_len(at).unwrap();
            assert!(read(file).is_err(), "cut at {at}");
        }
    }
}
