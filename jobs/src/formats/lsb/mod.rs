//! SysV scripts with an LSB header.
//!
//! The header gives the order, at start and at stop; the links in rcN.d, where there are any, give the run
//! levels. The script's verbs are its processes. What Debian's scripts for halt, reboot and the last umount
//! do is PID 1's own work here, and they never run.

mod facilities;
mod header;
mod levels;
mod openrc;

use alloc::{boxed::Box, collections::BTreeMap, format, vec::Vec};
use core::ops::Range;

use events::{Key as Variable, Name, Value};

pub use self::{
    facilities::Facilities,
    header::{Extent, Field, Header, Key, header},
    levels::{Levels, Links},
};
use super::{
    Reading, Role, Source,
    rc_conf::{RcConf, Setting},
    script::{Script, first_line, lint_text},
};
use crate::{
    Console, Format, Job, ProcessKind, Provide, Ready, Report, Require, STOP_VERB_LIMIT, StartMode,
    StopOrder, did_you_mean,
};

/// The facility that means "everything else". A job that requires it ([`Require::name`], always optional)
/// waits for every LSB job that does not require it, directly or through others; in
/// [`StopOrder::before`] it means that every other job stays up until this one is down. Nothing ever
/// provides it, so a graph that does not know it takes it for a name without provider.
pub const ALL: &str = "$all";

/// What every script of level S provides besides: the run level comes after all of them.
pub const OF_BOOT: &str = "$rcS";

/// What every script of levels 2 to 5 provides besides: the stock job `rc`, which stands for them, comes after.
pub const OF_LEVELS: &str = "$rc";

/// What every script that may ask something while the machine comes up provides besides: login prompts come after.
pub const INTERACTIVE: &str = "$interactive";

/// What a job of a script runs.
const VERBS: [(ProcessKind, &str); 4] = [
    (ProcessKind::Main, "start"),
    (ProcessKind::Stop, "stop"),
    (ProcessKind::Reload, "reload"),
    (ProcessKind::Status, "status"),
];

/// The facility that means nothing.
const NULL: &str = "$null";

/// Whether a file of this name is a script: insserv passes over what editors and package tools leave behind,
/// and over what in init.d is no service.
#[must_use]
pub fn is_script_name(name: &str) -> bool {
    const STARTS: [&str; 5] = [".", "README", "Makefile", "skeleton", "powerfail"];
    const WHOLE: [&str; 4] = ["core", "rx", "rc", "rcS"];
    const ENDS: [char; 4] = ['~', '%', '+', '#'];
    const SUFFIX_STARTS: [&str; 4] = ["rpm", "ba", "dpkg", "ucf"];
    const SUFFIXES: [&str; 7] = ["old", "new", "org", "orig", "save", "swp", "core"];
    let suffix = name.rsplit_once('.').map_or("", |(_, suffix)| suffix);
    let left_behind = name.ends_with(ENDS)
        || name.ends_with(",v")
        || SUFFIX_STARTS.iter().any(|start| suffix.starts_with(start))
        || SUFFIXES.contains(&suffix);
    let no_service = WHOLE.contains(&name) || STARTS.iter().any(|start| name.starts_with(start));
    !name.is_empty() && !left_behind && !no_service
}

/// Whether the script of this name does what PID 1 does itself.
fn is_own_work(name: &str) -> bool {
    const OWN_WORK: [&str; 6] = ["halt", "reboot", "sendsigs", "killprocs", "single", "bootlogs"];
    let name = name.strip_suffix(".sh").unwrap_or(name);
    OWN_WORK.contains(&name) || name.starts_with("umount")
}

/// The job that the script in `source` describes: `name` is its file's.
///
/// If `instead` (a file of insserv's `overrides`) has a header, that one counts and the script's own does not.
#[must_use]
pub fn read(
    name: &Name,
    source: &Source,
    instead: Option<&Source>,
    facilities: &Facilities,
    links: &Links,
) -> Reading {
    let own = header(&source.text);
    let other = instead.map(|other| (other, header(&other.text)));
    let (header, path) = match &other {
        Some((other, header)) if header.extent == Extent::Complete => (header, Some(other.path.as_str())),
        Some(_) | None => (&own, None),
    };
    let mut script = Script::new(Job::new(name.clone(), Format::Lsb), source);
    if is_own_work(name) {
        script.disable("PID 1 does this itself");
    }
    let mut reader = Reader { script, header, path, facilities };
    if openrc::is_openrc(&source.text) && header.extent == Extent::Missing {
        reader.take_openrc(links);
    } else {
        reader.take_all(links);
    }
    if is_own_work(name) {
        never(&mut reader.script.job);
    }
    reader.script.finish()
}

/// What the variable is called that says whether scripts shall tell much.
const VERBOSE: Variable = Variable::constant("VERBOSE");

/// What `/etc/default/rcS` says of it, as plain text. What else stands there is for other scripts.
#[must_use]
pub fn verbosity(defaults: &Source) -> Option<Value> {
    match RcConf::in_order(&[], core::slice::from_ref(defaults)).0.get(&VERBOSE) {
        Setting::Plain(value) => Value::new(value).ok(),
        Setting::Unknown | Setting::Unset => None,
    }
}

/// Has the script told that, as rc(8) of SysV does.
pub fn tell_verbosity(reading: &mut Reading, verbose: Option<&Value>) {
    if let (Some(described), Some(value)) = (&mut reading.described, verbose) {
        let env = core::mem::take(&mut described.job.env).into_vec().into_iter();
        described.job.env = env.chain([(VERBOSE, Some(value.clone()))]).collect();
    }
}

/// Takes from a disabled job what would start it: at every boot it would be said that it does not start.
pub(crate) fn never(job: &mut Job) {
    job.start_on = None;
    job.stop_on = None;
}

struct Reader<'s> {
    script: Script<'s>,
    header: &'s Header<'s>,
    /// Where the header stands, if that is not the script.
    path: Option<&'s str>,
    facilities: &'s Facilities,
}

/// Names in the order in which they were found, each once, and whether each may be missing.
#[derive(Default)]
struct Names {
    order: Vec<Name>,
    optional: BTreeMap<Name, bool>,
}

impl Names {
    fn add(&mut self, name: &Name, optional: bool) {
        match self.optional.get_mut(name) {
            Some(old) => *old &= optional,
            None => {
                self.optional.insert(name.clone(), optional);
                self.order.push(name.clone());
            }
        }
    }

    fn requires(self) -> Box<[Require]> {
        let optional = |name: &Name| self.optional.get(name).copied().unwrap_or(true);
        let require = |name: &Name| Require { name: name.clone(), expected: None, optional: optional(name) };
        self.order.iter().map(require).collect()
    }
}

impl Reader<'_> {
    fn take_all(&mut self, links: &Links) {
        lint_text(&self.script.source.path, first_line(&self.script.source.text), &mut self.script.reports);
        self.report_header();
        self.take_provides();
        let mut requires = Names::default();
        self.add_names(Key::RequiredStart, Role::Requires, false, &mut requires);
        self.add_names(Key::ShouldStart, Role::Requires, true, &mut requires);
        self.script.job.requires = requires.requires();
        // Everything is before what requires `$all` as it is.
        let before = self.names_of(&[Key::StartBefore], Role::Before);
        self.script.job.before = before.into_iter().filter(|name| name != ALL).collect();
        if self.header.extent != Extent::Missing {
            let before = self.names_of(&[Key::RequiredStop, Key::ShouldStop], Role::Requires).into();
            let after = self.names_of(&[Key::StopAfter], Role::Before).into();
            self.script.job.stop_order = Some(Box::new(StopOrder { before, after }));
        }
        self.take_levels(links);
        self.take_verbs();
        self.script.require_executable();
    }

    fn path(&self) -> &str {
        self.path.unwrap_or(&self.script.source.path)
    }

    fn report(&mut self, report: Report, span: Range<usize>, label: &str) {
        let report = report.at(self.path(), span, label);
        self.script.reports.push(report);
    }

    fn report_header(&mut self) {
        match self.header.extent {
            Extent::Complete => {}
            Extent::Missing => {
                let report =
                    Report::warning("no-lsb-header", "script has no LSB header, so nothing tells its order")
                        .in_file(self.path())
                        .help("put a header into /etc/insserv/overrides under the script's name");
                self.script.reports.push(report);
            }
            Extent::Open => {
                let report = Report::warning("open-lsb-header", "header is not ended")
                    .in_file(self.path())
                    .help("add the line `### END INIT INFO`; without it any comment may be taken for a part of the header");
                self.script.reports.push(report);
            }
        }
        for (key, span) in self.header.unknown.clone() {
            if let Some(meant) = did_you_mean(&header::plain_key(key), header::known_keys()) {
                let report = Report::warning("unknown-lsb-key", format!("`{key}` is not read"));
                self.report(report.help(format!("did you mean `{meant}`?")), span, "no such key");
            }
        }
    }

    fn take_provides(&mut self) {
        let mut provides = Names::default();
        for (word, span) in self.header.words(Key::Provides) {
            match Name::new(word) {
                Ok(name) if !word.starts_with(['$', '#']) => {
                    self.script.mention(Role::Provides, &name, self.path, span);
                    provides.add(&name, false);
                }
                Ok(_) | Err(_) => {
                    let report = Report::warning("lsb-provides", format!("`{word}` cannot be provided by a script"))
                        .help("write the script's name; which scripts a facility stands for is said in insserv.conf");
                    self.report(report, span, "left out");
                }
            }
        }
        if provides.order.is_empty() {
            provides.add(&self.script.job.name.clone(), false);
        }
        let provide = |name| Provide { name, expected: None };
        self.script.job.provides = provides.order.into_iter().map(provide).collect();
    }

    fn names_of(&mut self, keys: &[Key], role: Role) -> Vec<Name> {
        let mut names = Names::default();
        for key in keys {
            self.add_names(*key, role, true, &mut names);
        }
        names.order
    }

    /// Adds the names in the line of `key`. A facility is added by its own name, so that any job may provide
    /// it, and by the names of all it stands for.
    fn add_names(&mut self, key: Key, role: Role, optional: bool, names: &mut Names) {
        for (word, span) in self.header.words(key) {
            let (word, plus) = word.strip_prefix('+').map_or((word, false), |word| (word, true));
            let Ok(name) = Name::new(word) else { continue };
            if word == NULL {
                continue;
            }
            self.script.mention(role, &name, self.path, span.clone());
            if !word.starts_with('$') {
                names.add(&name, optional || plus);
                continue;
            }
            if !self.facilities.knows(word) && !names.optional.contains_key(&name) {
                self.unknown_facility(word, span);
            }
            self.add_facility(name, names);
        }
    }

    /// Adds a facility, and all that it stands for but this script itself.
    fn add_facility(&self, facility: Name, names: &mut Names) {
        if names.optional.contains_key(&facility) {
            return;
        }
        names.add(&facility, true);
        for member in self.facilities.members_of(&facility) {
            let is_own = self.script.job.provides.iter().any(|own| own.name == member);
            if let Some(member) = Name::new(member).ok().filter(|_| !is_own) {
                names.add(&member, true);
            }
        }
    }

    fn unknown_facility(&mut self, word: &str, span: Range<usize>) {
        let report = Report::warning("unknown-facility", format!("nothing says what `{word}` stands for"));
        let report = match did_you_mean(word, self.facilities.names()) {
            Some(meant) => report.help(format!("did you mean `{meant}`?")),
            None => report
                .help("name its scripts in a file in /etc/insserv.conf.d; until then nothing is waited for"),
        };
        self.report(report, span, "unknown facility");
    }

    fn take_levels(&mut self, links: &Links) {
        let (start, stop) = if links.is_empty() {
            (self.levels_of(Key::DefaultStart), self.levels_of(Key::DefaultStop))
        } else {
            links.levels_of(&self.script.job.name)
        };
        self.script.job.start_on = start.condition();
        let belongs = [(start.has_boot(), OF_BOOT), (start.has_work(), OF_LEVELS)];
        let belongs = belongs.into_iter().filter(|(is_so, _)| *is_so);
        let provides = core::mem::take(&mut self.script.job.provides).into_iter();
        let all =
            provides.chain(belongs.map(|(_, name)| Provide { name: Name::constant(name), expected: None }));
        self.script.job.provides = all.collect();
        self.script.job.stop_on = stop.without(Levels::SHUTDOWN).without(start).condition();
        if start.is_empty() && self.script.job.start == StartMode::Automatic {
            self.script.job.start = StartMode::Manual;
        }
    }

    fn levels_of(&mut self, key: Key) -> Levels {
        let mut levels = Levels::default();
        for (word, span) in self.header.words(key) {
            match Levels::of_word(word) {
                Some(level) => levels = levels.with(level),
                None => {
                    let report = Report::warning("unknown-run-level", format!("`{word}` is no run level"));
                    self.report(report.help("0 to 6 and S are known"), span, "left out");
                }
            }
        }
        levels
    }

    fn take_verbs(&mut self) {
        let script = &mut self.script;
        for (kind, verb) in VERBS {
            script.runs(kind, Some(verb));
        }
        script.job.ready = Ready::Forked;
        script.job.kill.timeout = STOP_VERB_LIMIT;
        let description = self.header.field(Key::ShortDescription).map(|field| field.value);
        script.work.description = description.filter(|text| !text.is_empty()).map(Into::into);
        let is_true = self.header.field(Key::Interactive).is_some_and(|field| field.value == "true");
        let listed = script.job.provides.iter().any(|own| self.facilities.is_interactive(&own.name));
        if is_true || listed {
            script.work.console = Console::Owner;
            script.job.keywords = Name::new("interactive").into_iter().collect();
            let comes =
                script.job.provides.iter().any(|own| [OF_BOOT, OF_LEVELS].contains(&own.name.as_str()));
            let provides = core::mem::take(&mut script.job.provides).into_vec().into_iter();
            let asks = Provide { name: Name::constant(INTERACTIVE), expected: None };
            script.job.provides = provides.chain(comes.then_some(asks)).collect();
        }
    }
}

#[cfg(test)]
mod tests;
