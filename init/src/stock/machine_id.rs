//! The number that tells one machine from another: `/etc/machine-id`.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use nix::mount::{MsFlags, mount};

use super::{
    kernel_line,
    task::{Task, reason},
};
use crate::sys::entropy::random;

/// Where it lies, and where it lies until the next boot if that cannot be written to.
const PATH: &str = "etc/machine-id";
const FOR_NOW: &str = "run/machine-id";
const OF_DBUS: &str = "var/lib/dbus/machine-id";

/// Makes one if there is none.
pub fn run(task: &mut Task, _: &[String]) {
    let there = task.read(PATH);
    if there.as_deref().and_then(parse).is_some() {
        return;
    }
    let words = kernel_line::words();
    let told = kernel_line::value(&words, &["systemd.machine_id"]).and_then(parse);
    let of_dbus = task.read(OF_DBUS).as_deref().and_then(parse);
    // Who starts a container may say which machine it shall be.
    let of_container = std::env::var("container_uuid").ok().as_deref().and_then(parse);
    let id = match told.or(of_container).or(of_dbus) {
        Some(id) => id,
        None => match make() {
            Ok(id) => id,
            Err(error) => {
                return task.fault(format!("there is no randomness for {PATH}: {}", reason(&error)));
            }
        },
    };
    let path = task.path(PATH);
    if let Err(error) = write(&path, &id) {
        let for_now = task.path(FOR_NOW);
        match keep_for_now(&for_now, &path, &id) {
            Ok(()) => {}
            Err(_) => task.fault(format!("cannot write {}: {}", path.display(), reason(&error))),
        }
    }
}

/// Whole or not at all, also when the power goes.
fn write(path: &Path, id: &str) -> io::Result<()> {
    let new: PathBuf = path.with_extension("new");
    let written = File::create(&new).and_then(|mut file| {
        file.write_all(format!("{id}\n").as_bytes())?;
        file.sync_all()
    });
    let result = written.and_then(|()| fs::rename(&new, path));
    if result.is_err() {
        // It is of no use any more.
        let _ = fs::remove_file(&new);
    }
    result
}

/// `/etc` cannot be written to: the file is laid over the one that is there, until the next boot.
fn keep_for_now(for_now: &Path, path: &Path, id: &str) -> io::Result<()> {
    write(for_now, id)?;
    let none: Option<&str> = None;
    mount(Some(for_now), path, none, MsFlags::MS_BIND, none)?;
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    Ok(mount(none, path, none, flags, none)?)
}

/// 32 hexadecimal digits, also with the lines of a UUID between them; never all zero.
fn parse(text: &str) -> Option<String> {
    let id: String =
        text.trim().chars().filter(|letter| *letter != '-').collect::<String>().to_ascii_lowercase();
    let is_id = id.len() == 32
        && id.bytes().all(|byte| byte.is_ascii_hexdigit())
        && id.bytes().any(|byte| byte != b'0');
    is_id.then_some(id)
}

fn make() -> io::Result<String> {
    let mut bytes = [0; 16];
    random(&mut bytes)?;
    let [.., version, _, variant, _, _, _, _, _, _, _] = &mut bytes;
    // A UUID that says of itself that it is random.
    *version = *version & 0x0f | 0x40;
    *variant = *variant & 0x3f | 0x80;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_32_digits() {
        assert_eq!(parse("0123456789ABCDEF0123456789abcdef\n").unwrap(), "0123456789abcdef0123456789abcdef");
        assert!(parse("01234567-89ab-cdef-0123-456789abcdef").is_some());
        for text in ["", "uninitialized", "0123", &"0".repeat(32), &"g".repeat(32)] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_new_id_is_a_random_uuid() {
        let id = make().unwrap();
        assert_eq!(parse(&id).as_deref(), Some(id.as_str()));
        assert_eq!(&id[12..13], "4");
        assert!("89ab".contains(&id[16..17]));
    }
}
