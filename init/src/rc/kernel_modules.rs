//! `kldload`, `kldstat`, `kldunload`: FreeBSD's kernel modules, by what Linux has for them.
//!
//! modprobe(8) does the work, since it knows options and what else is needed. Of what is always there (`tmpfs`, `nullfs`)
//! nothing is said; for what Linux has no counterpart of (`pf`, `accf_http`) one line is, and it is a failure, as it
//! would be where the module is missing.

use std::{fs, process::Command};

use super::call::{Call, reason};
use crate::stock::program;

/// What Linux has for a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counterpart {
    /// The module of this name.
    Module(&'static str),
    /// It is always there, or needs no module.
    Always,
    /// Nothing.
    Nothing,
}

use Counterpart::{Always, Module, Nothing};

/// FreeBSD's modules that have another name here, are always there, or do not exist.
const COUNTERPARTS: &[(&str, Counterpart)] = &[
    ("accf_data", Nothing),
    ("accf_dns", Nothing),
    ("accf_http", Nothing),
    ("aesni", Module("aesni_intel")),
    ("aio", Always),
    ("amdtemp", Module("k10temp")),
    ("carp", Nothing),
    ("cc_cubic", Module("tcp_cubic")),
    ("cc_htcp", Module("tcp_htcp")),
    ("cd9660", Module("isofs")),
    ("cpuctl", Module("msr")),
    ("cuse", Module("cuse")),
    ("dummynet", Nothing),
    ("ext2fs", Module("ext4")),
    ("fdescfs", Always),
    ("filemon", Nothing),
    ("fuse", Module("fuse")),
    ("fusefs", Module("fuse")),
    ("geom_eli", Module("dm_crypt")),
    ("geom_mirror", Module("dm_mirror")),
    ("geom_stripe", Module("dm_mod")),
    ("i915kms", Module("i915")),
    ("if_bridge", Module("bridge")),
    ("if_epair", Module("veth")),
    ("if_gif", Module("ipip")),
    ("if_gre", Module("ip_gre")),
    ("if_lagg", Module("bonding")),
    ("if_pppoe", Module("pppoe")),
    ("if_tap", Module("tun")),
    ("if_tun", Module("tun")),
    ("if_tuntap", Module("tun")),
    ("if_vlan", Module("8021q")),
    ("if_vxlan", Module("vxlan")),
    ("if_wg", Module("wireguard")),
    ("ipdivert", Nothing),
    ("ipfw", Nothing),
    ("ipfw_nat", Nothing),
    ("ipl", Nothing),
    ("ipmi", Module("ipmi_si")),
    ("ipsec", Always),
    ("linprocfs", Always),
    ("linsysfs", Always),
    ("linux", Always),
    ("linux64", Always),
    ("mac_portacl", Nothing),
    ("mqueuefs", Always),
    ("msdosfs", Module("vfat")),
    ("netgraph", Nothing),
    ("nfscl", Module("nfs")),
    ("nfsd", Module("nfsd")),
    ("nfslockd", Module("lockd")),
    ("nfssvc", Module("nfsd")),
    ("nmdm", Nothing),
    ("ntfs", Module("ntfs3")),
    ("nullfs", Always),
    ("pf", Nothing),
    ("pflog", Nothing),
    ("pfsync", Nothing),
    ("procfs", Always),
    ("pseudofs", Always),
    ("sem", Always),
    ("smbfs", Module("cifs")),
    ("sysvmsg", Always),
    ("sysvsem", Always),
    ("sysvshm", Always),
    ("tmpfs", Always),
    ("udf", Module("udf")),
    ("unionfs", Module("overlay")),
    ("vboxdrv", Module("vboxdrv")),
    ("vmm", Module("kvm")),
    ("zfs", Module("zfs")),
];

/// What Linux has for this module. A name may be a path, and end in `.ko`.
fn counterpart(name: &str) -> (String, Counterpart) {
    let name = name.rsplit('/').next().unwrap_or_default();
    let name = name.strip_suffix(".ko").unwrap_or(name).to_string();
    let known = COUNTERPARTS.iter().find(|(known, _)| *known == name).map(|(_, counterpart)| *counterpart);
    (name, known.unwrap_or(Always))
}

/// The name that the kernel of Linux has for it, and `None` if it has nothing.
fn linux_name(name: &str) -> Option<(String, bool)> {
    let is_known = |name: &str| COUNTERPARTS.iter().any(|(known, _)| *known == name);
    match counterpart(name) {
        (_, Nothing) => None,
        (name, Always) if is_known(&name) => Some((name, true)),
        (_, Module(module)) => Some((module.into(), false)),
        (name, Always) => Some((name, false)),
    }
}

/// Whether the kernel has a module, or what it does, now.
fn is_there(name: &str) -> bool {
    let Some((module, always)) = linux_name(name) else { return false };
    let module = module.replace('-', "_");
    let is_file_system = || {
        let text = fs::read_to_string("/proc/filesystems").unwrap_or_default();
        text.lines().any(|line| line.split_whitespace().last() == Some(&module))
    };
    always || fs::exists(format!("/sys/module/{module}")).unwrap_or(false) || is_file_system()
}

/// Reads options; the rest are names.
fn read<'c>(
    call: &'c Call,
    letters: &'static str,
    usage: &str,
    take: impl FnMut(char, &'c std::ffi::OsStr),
) -> Result<Vec<String>, u8> {
    let mut take = take;
    if call.helps(usage) {
        return Err(0);
    }
    let (options, rest) = call.options(letters, 1, usage)?;
    for option in options {
        take(option.letter, option.value);
    }
    Ok(rest.iter().map(|word| word.to_string_lossy().into_owned()).collect())
}

/// `kldload` with these words.
pub fn load(call: &Call) -> u8 {
    const USAGE: &str = "usage: kldload [-nqv] file ...\n";
    let (mut only_missing, mut is_quiet, mut verbose) = (false, false, false);
    let names = read(call, "nqv", USAGE, |letter, _| match letter {
        'n' => only_missing = true,
        'q' => (is_quiet, verbose) = (true, false),
        _ => (verbose, is_quiet) = (true, false),
    });
    let names = match names {
        Ok(names) if names.is_empty() => return call.misuse(1, USAGE),
        Ok(names) => names,
        Err(code) => return code,
    };
    let mut code = 0;
    for name in names {
        let result = match linux_name(&name) {
            Some((_, true)) if only_missing || is_quiet => Ok(()),
            Some(_) if is_there(&name) && only_missing => Ok(()),
            Some(_) if is_there(&name) => Err("module already loaded or in kernel".into()),
            Some((module, _)) => modprobe(&[&module]),
            None => Err("there is nothing like it on Linux".into()),
        };
        match result {
            Ok(()) if verbose => {
                code = call.show(format!("Loaded {name}\n").as_bytes()).max(code);
            }
            Ok(()) => {}
            Err(_) if is_quiet => code = 1,
            Err(why) => code = call.fail(1, &format!("can't load {name}: {why}")),
        }
    }
    code
}

fn modprobe(words: &[&str]) -> Result<(), String> {
    let Some(program) = program::find("modprobe") else { return Err("there is no modprobe".into()) };
    let output = Command::new(program).args(words).output();
    let output = output.map_err(|error| format!("modprobe: {}", reason(&error)))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().last().unwrap_or_default().trim();
    let said = said.strip_prefix("modprobe: ").unwrap_or(said);
    Err(if said.contains("not found") || said.is_empty() {
        "No such file or directory".into()
    } else {
        said.into()
    })
}

/// `kldunload` with these words.
pub fn unload(call: &Call) -> u8 {
    const USAGE: &str = "usage: kldunload [-fv] [-n] name ...\n       kldunload [-fv] -i id ...\n";
    let (mut by_id, mut verbose) = (false, false);
    let names = read(call, "fi:nv", USAGE, |letter, _| match letter {
        'i' => by_id = true,
        'v' => verbose = true,
        _ => {}
    });
    let names = match names {
        Ok(_) if by_id => return call.fail(1, &"modules have no numbers on Linux"),
        Ok(names) if names.is_empty() => return call.misuse(1, USAGE),
        Ok(names) => names,
        Err(code) => return code,
    };
    let mut code = 0;
    for name in names {
        let result = match linux_name(&name) {
            Some((module, false)) if is_there(&name) => modprobe(&["-r", &module]),
            Some((_, true)) => Err("it is part of the kernel".into()),
            Some(_) | None => Err("No such file or directory".into()),
        };
        match result {
            Ok(()) if verbose => code = call.show(format!("Unloading {name}\n").as_bytes()).max(code),
            Ok(()) => {}
            Err(why) => code = call.fail(1, &format!("can't unload {name}: {why}")),
        }
    }
    code
}

/// `kldstat` with these words.
pub fn show(call: &Call) -> u8 {
    const USAGE: &str = "usage: kldstat [-hqv] [-i id] [-n filename]\n       kldstat [-q] [-m modname]\n";
    let (mut is_quiet, mut name, mut by_id) = (false, None, false);
    let rest = read(call, "dhi:m:n:qv", USAGE, |letter, value| match letter {
        'q' => is_quiet = true,
        'm' | 'n' => name = Some(value.to_string_lossy().into_owned()),
        'i' => by_id = true,
        _ => {}
    });
    match rest {
        Ok(_) if by_id => return call.fail(1, &"modules have no numbers on Linux"),
        Ok(rest) if !rest.is_empty() => return call.misuse(1, USAGE),
        Ok(_) => {}
        Err(code) => return code,
    }
    if let Some(name) = &name {
        let found = is_there(name);
        return match (found, is_quiet) {
            (true, true) => 0,
            (false, true) => 1,
            (true, false) => call.show(format!("{HEAD}{}", line(1, name, "0", "0", "0")).as_bytes()),
            (false, false) => call.fail(1, &format!("can't find file {name}: No such file or directory")),
        };
    }
    let text = fs::read_to_string("/proc/modules").unwrap_or_default();
    let mut shown = HEAD.to_string();
    for (place, row) in text.lines().enumerate() {
        let mut fields = row.split(' ');
        let (Some(name), Some(size), Some(uses)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let address = fields.nth(2).unwrap_or("0x0").trim_start_matches("0x");
        shown.push_str(&line(place.saturating_add(1), name, size, uses, address));
    }
    call.show(shown.as_bytes())
}

const HEAD: &str = "Id Refs Address                Size Name\n";

fn line(place: usize, name: &str, size: &str, uses: &str, address: &str) -> String {
    let size: u64 = size.parse().unwrap_or(0);
    format!("{place:2} {uses:>4} 0x{address:<16} {size:8x} {name}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, expected: Option<(&str, bool)>) {
        assert_eq!(linux_name(name), expected.map(|(name, always)| (name.to_string(), always)), "{name}");
    }

    #[test]
    fn names_have_counterparts() {
        check("if_tun", Some(("tun", false)));
        check("/boot/modules/if_tap.ko", Some(("tun", false)));
        check("tmpfs", Some(("tmpfs", true)));
        check("pf", None);
        check("e1000", Some(("e1000", false)));
        assert!(COUNTERPARTS.is_sorted_by_key(|(name, _)| *name));
    }

    #[test]
    fn what_is_always_there_is_there() {
        assert!(is_there("procfs") && is_there("nullfs"));
        assert!(!is_there("pf") && !is_there("no-such-module"));
    }
}
