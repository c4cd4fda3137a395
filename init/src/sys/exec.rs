//! PID 1 executes itself: which file it runs from, and how it takes that file's, or another's, place.
//!
//! An image is held as a descriptor, because its path may be gone by then, or /proc not yet there. What the next
//! image needs stands behind one descriptor, whose number is its first argument.

use std::{
    ffi::{CStr, CString, OsStr, OsString, c_char},
    fs::File,
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd, RawFd},
        unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    },
    path::Path,
    ptr,
    sync::OnceLock,
};

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, OFlag, SealFlag, fcntl, open},
    sys::{
        memfd::{MFdFlags, memfd_create},
        stat::Mode,
    },
};

/// How the argument begins that names the descriptor to go on from.
const RESUME: &[u8] = b"--resume=";
/// How many words are handed from image to image.
const MAX_WORDS: usize = 62;

/// An executable file, held open.
#[derive(Debug)]
pub struct Image(OwnedFd);

impl Image {
    /// The file that this process runs from.
    pub fn own() -> io::Result<Self> {
        Self::at(c"/proc/self/exe").or_else(|error| Self::at(executed_as().ok_or(error)?))
    }

    /// The file at this path.
    pub fn at(path: &CStr) -> io::Result<Self> {
        Ok(Self(open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?))
    }

    /// A file that an earlier image of this process held.
    #[must_use]
    pub const fn held(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// A copy in memory that nobody can change. Whoever runs from it keeps no file system busy.
    pub fn copy(&self) -> io::Result<Self> {
        let mut from = self.readable()?;
        let fd = executable_memfd()?;
        let mut to = File::from(fd);
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            to.write_all(buffer.get(..count).unwrap_or_default())?;
        }
        let seals =
            SealFlag::F_SEAL_SEAL | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE;
        fcntl(&to, FcntlArg::F_ADD_SEALS(seals))?;
        // Held by another descriptor, because one that can be written to makes an exec fail with ETXTBSY.
        let path = CString::new(format!("/proc/self/fd/{}", to.as_raw_fd())).map_err(io::Error::other)?;
        Self::at(&path)
    }

    /// The same file, open for reading. Without /proc it is looked for where it was executed from.
    pub fn readable(&self) -> io::Result<File> {
        let ours = File::from(self.0.try_clone()?).metadata()?;
        let file = File::open(format!("/proc/self/fd/{}", self.0.as_raw_fd())).or_else(|error| {
            let path = executed_as().ok_or(error)?;
            File::open(Path::new(OsStr::from_bytes(path.to_bytes())))
        })?;
        let theirs = file.metadata()?;
        let is_same = (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino());
        is_same.then_some(file).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    /// Whether both are one file, unchanged.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let mark = |image: &Self| {
            let file = File::from(image.0.try_clone()?).metadata()?;
            io::Result::Ok((file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec()))
        };
        matches!((mark(self), mark(other)), (Ok(one), Ok(other)) if one == other)
    }

    /// Whether its file has no name any more: then it must not be kept when file systems are to be left. A copy in
    /// memory never had one, and holds no file system.
    pub fn is_deleted(&self) -> io::Result<bool> {
        let file = File::from(self.0.try_clone()?);
        let is_copy = self.readable().is_ok_and(|file| fcntl(&file, FcntlArg::F_GET_SEALS).is_ok());
        Ok(file.metadata()?.nlink() == 0 && !is_copy)
    }
}

impl AsFd for Image {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<Image> for OwnedFd {
    fn from(image: Image) -> Self {
        image.0
    }
}

fn executable_memfd() -> io::Result<OwnedFd> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    // Asked for by name since Linux 6.3, and unknown before.
    let executable = MFdFlags::from_bits_retain(0x10);
    match memfd_create(c"onset", flags | executable) {
        Err(Errno::EINVAL) => Ok(memfd_create(c"onset", flags)?),
        made => Ok(made?),
    }
}

/// The path that the kernel executed, as it was given.
pub fn executed_as() -> Option<&'static CStr> {
    // SAFETY: it reads a value that the kernel put on our stack before we began.
    let path = unsafe { libc::getauxval(libc::AT_EXECFN) };
    let path = ptr::with_exposed_provenance::<c_char>(usize::try_from(path).ok()?);
    if path.is_null() {
        return None;
    }
    // SAFETY: the kernel put a string there that ends with a zero, and it stays there for good.
    Some(unsafe { CStr::from_ptr(path) })
}

/// The descriptor that this image was told to go on from, in its first argument.
#[must_use]
pub fn resume_descriptor() -> Option<RawFd> {
    let first = std::env::args_os().nth(1)?;
    let number = first.as_bytes().strip_prefix(RESUME)?;
    str::from_utf8(number).ok()?.parse().ok().filter(|fd| *fd > 2)
}

/// The words that PID 1 was first started with, its name before them: every image that follows gets them, too.
pub fn words() -> &'static [CString] {
    static WORDS: OnceLock<Vec<CString>> = OnceLock::new();
    WORDS.get_or_init(|| {
        let is_ours = |(place, word): &(usize, OsString)| *place == 1 && word.as_bytes().starts_with(RESUME);
        let words = std::env::args_os().enumerate().filter(|word| !is_ours(word));
        let mut words: Vec<CString> =
            words.filter_map(|(_, word)| CString::new(word.as_bytes()).ok()).take(MAX_WORDS).collect();
        if words.is_empty() {
            words.push(c"onset".into());
        }
        words
    })
}

/// Makes what an exec needs, so that a signal handler finds it there; and gives this process its name back, which
/// an exec by descriptor has made a number.
pub fn prepare() {
    let path = words().first().map_or(&[][..], |name| name.as_bytes());
    let name = Path::new(OsStr::from_bytes(path)).file_name();
    let name = name.and_then(|name| CString::new(name.as_bytes()).ok()).unwrap_or_default();
    // It cannot fail with a string that ends; and a wrong name would only be ugly.
    // SAFETY: the name is a string that ends with a zero; the kernel copies at most 16 bytes of it.
    let _ = unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}

/// Executes `image` in place of this process and tells it to go on from `root`. It comes back only if that fails,
/// with the number of the error. It may be called in a signal handler once [`prepare`] has been.
pub fn execute(image: RawFd, root: RawFd) -> i32 {
    let mut argument = [0_u8; 24];
    write_argument(&mut argument, root);
    let arguments = arguments(&argument);
    // SAFETY: `environ` is set before any of our code runs, and nobody in this program changes it.
    let environment = unsafe { environ };
    // SAFETY: both lists end with a null, all strings with a zero, and they live until the call is over.
    unsafe {
        libc::syscall(
            libc::SYS_execveat,
            image,
            c"".as_ptr(),
            arguments.as_ptr(),
            environment,
            libc::AT_EMPTY_PATH,
        )
    };
    errno()
}

/// As [`execute`], for the file at the path that we were executed by.
pub fn execute_path(root: RawFd) -> i32 {
    let Some(path) = executed_as() else { return libc::ENOENT };
    let mut argument = [0_u8; 24];
    write_argument(&mut argument, root);
    let arguments = arguments(&argument);
    // SAFETY: `environ` is set before any of our code runs, and nobody in this program changes it.
    let environment = unsafe { environ };
    // SAFETY: both lists end with a null, all strings with a zero, and they live until the call is over.
    unsafe { libc::execve(path.as_ptr(), arguments.as_ptr(), environment) };
    errno()
}

unsafe extern "C" {
    static environ: *const *const c_char;
}

fn errno() -> i32 {
    // SAFETY: it gives the address of this thread's own errno.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: the address is valid for as long as the thread lives.
    unsafe { *place }
}

/// The words that PID 1 was started with, and `argument` as the first after the name.
fn arguments(argument: &[u8; 24]) -> [*const c_char; MAX_WORDS + 2] {
    let mut arguments = [ptr::null(); MAX_WORDS + 2];
    let (name, rest) = words().split_at(1);
    let pointers = name.iter().map(|word| word.as_ptr()).chain([argument.as_ptr().cast()]);
    let pointers = pointers.chain(rest.iter().map(|word| word.as_ptr()));
    // The last place stays null: there is one word more than MAX_WORDS at most.
    arguments.iter_mut().zip(pointers).for_each(|(to, from)| *to = from);
    arguments
}

/// `--resume=N` and a zero, without allocating.
fn write_argument(to: &mut [u8; 24], number: RawFd) {
    let mut digits = [0_u8; 10];
    let mut left = number.unsigned_abs();
    let mut length = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0'.wrapping_add((left % 10) as u8);
        left /= 10;
        length = usize::wrapping_add(length, 1);
        if left == 0 {
            break;
        }
    }
    let digits = digits.iter().skip(digits.len().saturating_sub(length));
    // The last byte stays zero: what is written is at most 19 bytes long.
    let places = to.iter_mut().take(23);
    for (place, byte) in places.zip(RESUME.iter().chain(digits)) {
        *place = *byte;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    #[track_caller]
    fn check(number: RawFd, expected: &CStr) {
        let mut bytes = [0; 24];
        write_argument(&mut bytes, number);
        assert_eq!(CStr::from_bytes_until_nul(&bytes).unwrap(), expected);
    }

    #[test]
    fn a_number_becomes_an_argument() {
        check(0, c"--resume=0");
        check(7, c"--resume=7");
        check(1_000, c"--resume=1000");
        check(RawFd::MAX, c"--resume=2147483647");
    }

    #[test]
    fn a_copy_is_the_same_and_cannot_be_changed() {
        let own = Image::own().unwrap();
        let copy = own.copy().unwrap();
        let (mut one, mut other) = (Vec::new(), Vec::new());
        own.readable().unwrap().read_to_end(&mut one).unwrap();
        let mut file = copy.readable().unwrap();
        file.read_to_end(&mut other).unwrap();
        assert!(one == other);
        assert!(file.write_all_at(b"x", 0).is_err());
        assert!(!own.is_deleted().unwrap());
        assert!(!copy.is_deleted().unwrap());
    }
}
