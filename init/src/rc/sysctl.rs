//! `sysctl`: variables of the kernel. FreeBSD's names are those of what Linux has for them; Linux's own work, too.

use std::{ffi::OsStr, fs, io};

use super::call::{Call, reason};

const USAGE: &str = "\
usage: sysctl [-bdeihnNoqTtWx] [-f filename] name[=value] ...
       sysctl -a
";

/// What a variable of FreeBSD is on Linux.
#[derive(Debug, Clone, Copy)]
enum Meaning {
    /// This file below `/proc/sys`.
    File(&'static str),
    /// This file, whose 0 means 1 and whose 1 means 0.
    Inverted(&'static str),
    /// One of several numbers in a file, counted from 0.
    Part(&'static str, usize),
    /// It cannot be another one here.
    Fixed(&'static str),
    /// It is worked out.
    Asked(fn() -> Option<String>),
}

use Meaning::{Asked, File, Fixed, Inverted, Part};

const MEANINGS: &[(&str, Meaning)] = &[
    ("hw.machine", Asked(|| uname().map(|name| name.machine))),
    ("hw.machine_arch", Asked(|| uname().map(|name| name.machine))),
    ("hw.model", Asked(|| field("/proc/cpuinfo", "model name"))),
    ("hw.ncpu", Asked(processors)),
    ("hw.pagesize", Asked(page_size)),
    ("hw.physmem", Asked(memory)),
    ("hw.realmem", Asked(memory)),
    ("hw.usermem", Asked(memory)),
    ("kern.boottime", Asked(boot_time)),
    ("kern.corefile", File("kernel/core_pattern")),
    ("kern.domainname", File("kernel/domainname")),
    ("kern.hostid", Asked(|| Some("0".into()))),
    ("kern.hostname", File("kernel/hostname")),
    ("kern.ipc.maxsockbuf", File("net/core/rmem_max")),
    ("kern.ipc.shm_use_phys", Fixed("0")),
    ("kern.ipc.shmall", File("kernel/shmall")),
    ("kern.ipc.shmmax", File("kernel/shmmax")),
    ("kern.ipc.shmmni", File("kernel/shmmni")),
    ("kern.ipc.soacceptqueue", File("net/core/somaxconn")),
    ("kern.ipc.somaxconn", File("net/core/somaxconn")),
    ("kern.maxfiles", File("fs/file-max")),
    ("kern.maxfilesperproc", File("fs/nr_open")),
    ("kern.maxproc", File("kernel/threads-max")),
    ("kern.openfiles", Part("fs/file-nr", 0)),
    ("kern.osrelease", File("kernel/osrelease")),
    ("kern.ostype", File("kernel/ostype")),
    ("kern.pid_max", File("kernel/pid_max")),
    ("kern.securelevel", Fixed("-1")),
    ("kern.smp.cpus", Asked(processors)),
    ("kern.version", File("kernel/version")),
    ("net.fibs", Fixed("1")),
    ("net.inet.icmp.bmcastecho", Inverted("net/ipv4/icmp_echo_ignore_broadcasts")),
    ("net.inet.icmp.drop_redirect", Inverted("net/ipv4/conf/all/accept_redirects")),
    ("net.inet.icmp.log_redirect", Fixed("0")),
    ("net.inet.ip.accept_sourceroute", File("net/ipv4/conf/all/accept_source_route")),
    ("net.inet.ip.forwarding", File("net/ipv4/ip_forward")),
    ("net.inet.ip.portrange.first", Part("net/ipv4/ip_local_port_range", 0)),
    ("net.inet.ip.portrange.last", Part("net/ipv4/ip_local_port_range", 1)),
    ("net.inet.ip.portrange.reservedhigh", Asked(reserved_high)),
    ("net.inet.ip.redirect", File("net/ipv4/conf/all/send_redirects")),
    ("net.inet.ip.sourceroute", File("net/ipv4/conf/all/accept_source_route")),
    ("net.inet.ip.ttl", File("net/ipv4/ip_default_ttl")),
    ("net.inet.tcp.rfc1323", File("net/ipv4/tcp_window_scaling")),
    ("net.inet.tcp.sack.enable", File("net/ipv4/tcp_sack")),
    ("net.inet.tcp.syncookies", File("net/ipv4/tcp_syncookies")),
    ("net.inet6.ip6.accept_rtadv", File("net/ipv6/conf/all/accept_ra")),
    ("net.inet6.ip6.forwarding", File("net/ipv6/conf/all/forwarding")),
    ("net.my_fibnum", Fixed("0")),
    ("security.jail.jailed", Asked(|| Some(u8::from(is_container()).to_string()))),
    ("security.jail.vnet", Fixed("0")),
    ("vm.overcommit", File("vm/overcommit_memory")),
    ("vm.swap_enabled", Fixed("1")),
];

/// What the options ask for.
#[derive(Debug, Default)]
struct Wish {
    only_values: bool,
    only_names: bool,
    equals: bool,
    ignores_unknown: bool,
    is_quiet: bool,
    no_newline: bool,
    describes: bool,
    all: bool,
}

/// `sysctl` with these words.
pub fn run(call: &Call) -> u8 {
    if call.helps(USAGE) {
        return 0;
    }
    let mut wish = Wish::default();
    let mut names: Vec<String> = Vec::new();
    let (options, rest) = match call.options("AabB:def:hiNnop?qTtWwXx", 1, USAGE) {
        Ok(read) => read,
        Err(status) => return status,
    };
    for option in options {
        match option.letter {
            'a' | 'A' | 'X' => wish.all = true,
            'b' => (wish.only_values, wish.no_newline) = (true, true),
            'd' => wish.describes = true,
            'e' => wish.equals = true,
            'f' => match fs::read_to_string(option.value) {
                Ok(text) => names.extend(lines(&text)),
                Err(error) => {
                    return call.fail(1, &format!("{}: {}", option.value.display(), reason(&error)));
                }
            },
            // As sysctl(8) of Linux has it.
            'p' => {
                let path = if option.has_value { option.value } else { OsStr::new("/etc/sysctl.conf") };
                match fs::read_to_string(path) {
                    Ok(text) => names.extend(lines(&text)),
                    Err(error) => return call.fail(1, &format!("{}: {}", path.display(), reason(&error))),
                }
            }
            'i' => wish.ignores_unknown = true,
            'N' => wish.only_names = true,
            'n' => wish.only_values = true,
            'q' => wish.is_quiet = true,
            _ => {}
        }
    }
    names.extend(rest.iter().map(|word| word.to_string_lossy().into_owned()));
    if wish.all {
        names = MEANINGS.iter().map(|(name, _)| (*name).to_string()).collect();
        wish.ignores_unknown = true;
    }
    if names.is_empty() {
        return call.misuse(1, USAGE);
    }
    names.iter().fold(0, |code, name| act(call, &wish, name).max(code))
}

/// The settings of a file: `name=value`, with comments behind a `#`.
fn lines(text: &str) -> impl Iterator<Item = String> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.filter(|line| !line.is_empty()).map(|line| match line.split_once('=') {
        Some((name, value)) => format!("{}={}", name.trim(), value.trim().trim_matches('"')),
        None => line.into(),
    })
}

fn act(call: &Call, wish: &Wish, word: &str) -> u8 {
    let (name, value) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    let before = match read(name) {
        Ok(Some(before)) => before,
        Ok(None) if wish.ignores_unknown => return 0,
        Ok(None) if wish.is_quiet => return 1,
        Ok(None) => {
            let note = if is_freebsd(name) { ": not on Linux" } else { "" };
            return call.fail(1, &format!("unknown oid '{name}'{note}"));
        }
        // A variable that can only be written.
        Err(_) if value.is_some() => String::new(),
        Err(_) if wish.is_quiet || wish.all => return 1,
        Err(error) => return call.fail(1, &format!("{name}: {}", reason(&error))),
    };
    let separator = if wish.equals { "=" } else { ": " };
    let end = if wish.no_newline { "" } else { "\n" };
    if wish.only_names {
        return call.show(format!("{name}{end}").as_bytes());
    }
    if wish.describes {
        return call.show(format!("{name}{separator}{end}").as_bytes());
    }
    let head = if wish.only_values { String::new() } else { format!("{name}{separator}") };
    let Some(value) = value else { return call.show(format!("{head}{before}{end}").as_bytes()) };
    if let Err(error) = write(name, value) {
        return call.fail(1, &format!("{name}={value}: {}", reason(&error)));
    }
    if wish.is_quiet {
        return 0;
    }
    let after = read(name).ok().flatten().unwrap_or_default();
    let arrow = if wish.only_values { after } else { format!("{before} -> {after}") };
    call.show(format!("{head}{arrow}{end}").as_bytes())
}

/// Whether a name is one that FreeBSD has.
fn is_freebsd(name: &str) -> bool {
    let first = name.split('.').next().unwrap_or_default();
    let has_own = ["hw", "kern", "security", "vfs", "machdep", "dev", "compat", "p1003_1b"];
    has_own.contains(&first) || name.starts_with("net.inet") || name.starts_with("net.link")
}

fn meaning(name: &str) -> Option<Meaning> {
    MEANINGS.iter().find(|(known, _)| *known == name).map(|(_, meaning)| *meaning)
}

/// What a variable holds; nothing if there is no such variable.
fn read(name: &str) -> io::Result<Option<String>> {
    let file = |path: &str| match fs::read_to_string(format!("/proc/sys/{path}")) {
        Ok(text) => Ok(Some(text.trim_end().replace('\t', " "))),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory
            ) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    };
    Ok(match meaning(name) {
        Some(File(path)) => file(path)?,
        Some(Inverted(path)) => file(path)?.map(|text| (if text == "0" { "1" } else { "0" }).into()),
        Some(Part(path, place)) => {
            file(path)?.and_then(|text| text.split_whitespace().nth(place).map(String::from))
        }
        Some(Fixed(value)) => Some(value.into()),
        Some(Asked(ask)) => ask(),
        None => match linux_path(name) {
            Some(path) => file(&path)?,
            None => None,
        },
    })
}

fn write(name: &str, value: &str) -> io::Result<()> {
    let file = |path: &str, value: &str| fs::write(format!("/proc/sys/{path}"), value);
    match meaning(name) {
        Some(File(path)) => file(path, value),
        Some(Inverted(path)) => file(path, if value == "0" { "1" } else { "0" }),
        Some(Part(path, place)) => {
            let text = fs::read_to_string(format!("/proc/sys/{path}"))?;
            let words = text.split_whitespace().enumerate();
            let words: Vec<&str> = words.map(|(at, word)| if at == place { value } else { word }).collect();
            file(path, &words.join(" "))
        }
        // As it is already: nothing is to be done.
        Some(Fixed(held)) if held == value => Ok(()),
        Some(Fixed(_) | Asked(_)) => Err(io::Error::other("it cannot be set on Linux")),
        None => match linux_path(name) {
            Some(path) => file(&path, value),
            None => Err(io::ErrorKind::NotFound.into()),
        },
    }
}

/// The path of a variable of Linux.
fn linux_path(name: &str) -> Option<String> {
    let is_part = |part: &str| !part.is_empty() && part != ".." && part != ".";
    let path = if name.contains('/') { name.to_string() } else { name.replace('.', "/") };
    path.split('/').all(is_part).then_some(path)
}

struct Machine {
    machine: String,
}

fn uname() -> Option<Machine> {
    let name = nix::sys::utsname::uname().ok()?;
    Some(Machine { machine: name.machine().to_string_lossy().into_owned() })
}

/// A line `KEY: VALUE` of a file.
fn field(path: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == key).then(|| value.trim().to_string())
    })
}

fn memory() -> Option<String> {
    let kilobytes: u64 = field("/proc/meminfo", "MemTotal")?.strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes.saturating_mul(1024).to_string())
}

fn processors() -> Option<String> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let is_processor = |line: &&str| {
        line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|digit: char| digit.is_ascii_digit()))
    };
    Some(text.lines().filter(is_processor).count().max(1).to_string())
}

fn page_size() -> Option<String> {
    let size = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten()?;
    Some(size.to_string())
}

fn boot_time() -> Option<String> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let seconds = text.lines().find_map(|line| line.strip_prefix("btime "))?;
    Some(format!("{{ sec = {}, usec = 0 }}", seconds.trim()))
}

fn reserved_high() -> Option<String> {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").ok()?;
    let first: u16 = text.trim().parse().ok()?;
    Some(first.saturating_sub(1).to_string())
}

/// Whether PID 1 was told that it is in a container.
fn is_container() -> bool {
    let environment = fs::read("/proc/1/environ").unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|word| word.starts_with(b"container="))
        || fs::exists("/run/.containerenv").unwrap_or(false)
        || fs::exists("/.dockerenv").unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_both_kernels_are_known() {
        assert_eq!(read("kern.ostype").unwrap().as_deref(), Some("Linux"));
        assert_eq!(read("kernel.ostype").unwrap().as_deref(), Some("Linux"));
        assert_eq!(read("kern.securelevel").unwrap().as_deref(), Some("-1"));
        assert_eq!(read("kern.nothing").unwrap(), None);
        assert!(read("hw.physmem").unwrap().unwrap().parse::<u64>().unwrap() > 0);
        assert!(read("hw.ncpu").unwrap().unwrap().parse::<u32>().unwrap() > 0);
        assert!(MEANINGS.is_sorted_by_key(|(name, _)| *name));
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        for name in ["../../etc/passwd", "kernel/../../x", "", "a..b", "/etc/passwd"] {
            assert_eq!(linux_path(name), None, "{name}");
        }
        assert_eq!(
            linux_path("net.ipv4.conf.eth0.forwarding").as_deref(),
            Some("net/ipv4/conf/eth0/forwarding")
        );
        assert_eq!(
            linux_path("net/ipv4/conf/eth0.5/forwarding").as_deref(),
            Some("net/ipv4/conf/eth0.5/forwarding")
        );
    }

    #[test]
    fn files_of_settings_are_read() {
        let text = "# comment\nkern.hostname=\"a\"  # more\n\n net.fibs = 1\n";
        assert_eq!(lines(text).collect::<Vec<_>>(), ["kern.hostname=a", "net.fibs=1"]);
    }
}
