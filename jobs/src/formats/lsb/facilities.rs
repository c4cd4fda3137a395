//! Facilities: names such as `$network` that stand for several scripts.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::String,
    vec::Vec,
};

/// What Debian's insserv.conf says, in its own language.
const USUAL: &str = "
$local_fs mountall mountall-bootclean mountoverflowtmp umountfs
$network networking ifupdown
$named named dnsmasq lwresd bind9 unbound pdns-recursor $network
$remote_fs $local_fs mountnfs mountnfs-bootclean umountnfs sendsigs
$syslog rsyslog sysklogd syslog-ng dsyslog inetutils-syslogd
$time hwclock
";

/// Facilities that packages define, so that one without members is no mistake, and `$all` and `$null`.
const WITHOUT_MEMBERS: [&str; 4] = ["$portmap", "$x-display-manager", super::ALL, super::NULL];

/// Which scripts a facility stands for, and which scripts must have the console to themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facilities {
    members: BTreeMap<String, Vec<String>>,
    interactive: BTreeSet<String>,
}

impl Default for Facilities {
    fn default() -> Self {
        let mut usual = Self { members: BTreeMap::new(), interactive: BTreeSet::new() };
        usual.extend(USUAL);
        usual
    }
}

impl Facilities {
    /// Adds what the text of an insserv.conf, or of a file in insserv.conf.d, says. A line for a facility
    /// that is known already adds to it.
    pub fn extend(&mut self, text: &str) {
        for line in text.lines() {
            let Some(end) = line.find([' ', '\t', '=', ':']) else { continue };
            let (name, rest) = line.split_at(end);
            // Every member is optional here, so the `+` that says so is not needed.
            let words =
                rest.split([' ', '\t', '\r', ',', ';', '=', ':']).map(|word| word.trim_start_matches('+'));
            let words = words.filter(|word| !word.is_empty()).map(String::from);
            if name == "<interactive>" {
                self.interactive.extend(words);
            } else if name.starts_with('$') {
                self.members.entry(name.into()).or_default().extend(words);
            }
        }
    }

    /// Whether somebody has said what `facility` is.
    #[must_use]
    pub fn knows(&self, facility: &str) -> bool {
        self.members.contains_key(facility) || WITHOUT_MEMBERS.contains(&facility)
    }

    /// All that are known by name.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str).chain(WITHOUT_MEMBERS)
    }

    /// All names that `facility` stands for, with those that its members stand for, each once.
    #[must_use]
    pub fn members_of(&self, facility: &str) -> Vec<&str> {
        let mut found: Vec<&str> = Vec::new();
        let mut seen = BTreeSet::from([facility]);
        let mut open = Vec::from([facility]);
        while let Some(next) = open.pop() {
            for member in self.members.get(next).into_iter().flatten() {
                if seen.insert(member) {
                    found.push(member);
                    open.push(member);
                }
            }
        }
        found
    }

    /// Whether the script of this name must have the console to itself.
    #[must_use]
    pub fn is_interactive(&self, script: &str) -> bool {
        self.interactive.contains(script)
    }
}
