//! rc.conf and its kin, read without a shell.
//!
//! rc.conf is a shell script that hardly ever is more than a list of assignments. These are evaluated here;
//! of anything else it is only noted which variables it may have touched, and they are
//! [`Setting::Unknown`] from then on. Nothing is executed, so an answer is either right or "unknown", and
//! whoever needs to know an unknown one asks the script itself when the time comes.

mod statement;

use alloc::{
    borrow::Cow,
    collections::BTreeMap,
    string::{String, ToString as _},
    sync::Arc,
    vec::Vec,
};
use core::ops::Range;

use super::Source;
pub use super::shell::Setting;
use crate::Report;

/// The variables that rc.conf and its kin set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RcConf {
    /// From the files that every script reads.
    shared: Variables,
    /// From `rc.conf.d/NAME`: read by the script with that `$name` only, after the others.
    own: BTreeMap<String, Variables>,
}

/// Variables of one scope.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Variables {
    values: BTreeMap<String, Entry>,
    /// Whether something ran that may have set any variable that is not in `values`.
    anything: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    value: Option<String>,
    path: Arc<str>,
    span: Range<usize>,
}

/// Which of the files one is, in the order in which rc(8) reads them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Defaults,
    Main,
    Local,
    /// `rc.conf.d/NAME`, or a file in a folder of that name; and whether it is of the folder for packages, which comes
    /// after the system's.
    Own(String, bool),
    /// It lies too deep below `rc.conf.d` to be read by anybody.
    Nobody,
}

/// The files that are read unless `rc_conf_files` says otherwise.
const USUAL: &str = "/etc/rc.conf /etc/rc.conf.local";
/// The variable that says which are read.
const LIST: &str = "rc_conf_files";
/// No more are read.
const MOST_FILES: usize = 64;

impl RcConf {
    /// What `files` set. They may come in any order: `defaults/rc.conf` is read first, then `rc.conf` and
    /// any other, `rc.conf.local`, and `rc.conf.d/NAME`; files of one sort are read in the order given.
    #[must_use]
    pub fn from_files(files: &[Source]) -> (Self, Vec<Report>) {
        let mut ranked: Vec<(Rank, &Source)> = files.iter().map(|file| (rank(&file.path), file)).collect();
        ranked.sort_by(|(a, _), (b, _)| a.cmp(b));
        let (mut conf, mut reports) = (Self::default(), Vec::new());
        for (rank, file) in ranked {
            reports.extend(conf.take(&rank, file));
        }
        (conf, reports)
    }

    /// What `files` set, read one after the other behind the system's `defaults`, whatever their names mean elsewhere.
    #[must_use]
    pub fn in_order(defaults: &[Source], files: &[Source]) -> (Self, Vec<Report>) {
        let (mut conf, mut reports) = (Self::default(), Vec::new());
        for (rank, files) in [(Rank::Defaults, defaults), (Rank::Main, files)] {
            files.iter().for_each(|file| reports.extend(conf.take(&rank, file)));
        }
        (conf, reports)
    }

    /// What a file sets is set behind what is; and what is odd in it.
    fn take(&mut self, rank: &Rank, file: &Source) -> Vec<Report> {
        match rank {
            Rank::Own(name, _) => {
                let own = self.own.entry(name.clone()).or_default();
                statement::run(file, own, Some(&self.shared))
            }
            Rank::Nobody => Vec::new(),
            Rank::Defaults => {
                // The system's own defaults end in functions. Who uses them has not written them.
                let _ = statement::run(file, &mut self.shared, None);
                Vec::new()
            }
            Rank::Main | Rank::Local => statement::run(file, &mut self.shared, None),
        }
    }

    /// What the files of a machine set, where `rc_conf_files` says which of them are read in the place of `rc.conf` and
    /// `rc.conf.local`, and in which order.
    #[must_use]
    pub fn of_machine(files: &[Source]) -> (Self, Vec<Report>) {
        let (conf, reports) = Self::from_files(files);
        match conf.shared.get(LIST) {
            Setting::Plain(list) if !list.split_whitespace().eq(USUAL.split(' ')) => Self::of_list(files),
            Setting::Plain(_) | Setting::Unknown | Setting::Unset => (conf, reports),
        }
    }

    /// The files that `rc_conf_files` names and that are not among these, which set all of this.
    #[must_use]
    pub fn missing<'f>(&self, files: impl Iterator<Item = &'f Source>) -> Vec<String> {
        let Setting::Plain(list) = self.shared.get(LIST) else { return Vec::new() };
        let files: Vec<&Source> = files.collect();
        let is_there = |path: &str| files.iter().any(|file| file.path.ends_with(path));
        let list = list.split_whitespace().take(MOST_FILES).filter(|path| is_absolute(path));
        list.filter(|path| !is_there(path)).map(String::from).collect()
    }

    /// Those that the list names, each once, and then those that they add to it.
    fn of_list(files: &[Source]) -> (Self, Vec<Report>) {
        let of_rank = |is_own: bool| {
            let files = files.iter().filter(move |file| match rank(&file.path) {
                Rank::Defaults => !is_own,
                Rank::Own(..) => is_own,
                Rank::Main | Rank::Local | Rank::Nobody => false,
            });
            files.cloned().collect::<Vec<_>>()
        };
        let (mut conf, mut reports) = Self::from_files(&of_rank(false));
        let mut seen: Vec<String> = Vec::new();
        loop {
            let list = match conf.shared.get(LIST) {
                Setting::Plain(list) if !list.trim().is_empty() => list,
                Setting::Plain(_) | Setting::Unknown | Setting::Unset => USUAL,
            };
            let is_new = |path: &&str| !seen.iter().any(|known| known == path);
            let new: Vec<String> =
                list.split_whitespace().take(MOST_FILES).filter(is_new).map(String::from).collect();
            if new.is_empty() || seen.len() > MOST_FILES {
                break;
            }
            for path in new {
                if let Some(file) = found(files, &path) {
                    reports.extend(conf.take(&Rank::Main, file));
                }
                seen.push(path);
            }
        }
        let mut own: Vec<(Rank, Source)> =
            of_rank(true).into_iter().map(|file| (rank(&file.path), file)).collect();
        own.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (rank, file) in own {
            reports.extend(conf.take(&rank, &file));
        }
        (conf, reports)
    }

    /// What `variable` holds for every script.
    #[must_use]
    pub fn get(&self, variable: &str) -> Setting<'_> {
        self.shared.get(variable)
    }

    /// The names of all variables that the files set for every script, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.shared.values.keys().map(String::as_str)
    }

    /// What `variable` holds for the script with this `$name`, which also reads `rc.conf.d/NAME`.
    #[must_use]
    pub fn get_for(&self, name: &str, variable: &str) -> Setting<'_> {
        match self.own.get(name) {
            Some(own) => layered(own, Some(&self.shared), variable),
            None => self.shared.get(variable),
        }
    }

    /// The file and the bytes that decide what `variable` holds for the script with this `$name`.
    #[must_use]
    pub fn place_for(&self, name: &str, variable: &str) -> Option<(&str, Range<usize>)> {
        let own = self.own.get(name).and_then(|own| own.values.get(variable));
        let entry = own.or_else(|| self.shared.values.get(variable))?;
        Some((&entry.path, entry.span.clone()))
    }
}

fn layered<'c>(own: &'c Variables, shared: Option<&'c Variables>, variable: &str) -> Setting<'c> {
    match (own.get(variable), shared) {
        (Setting::Unset, Some(shared)) => shared.get(variable),
        (setting @ (Setting::Plain(_) | Setting::Unknown | Setting::Unset), _) => setting,
    }
}

impl Variables {
    fn get(&self, variable: &str) -> Setting<'_> {
        match self.values.get(variable) {
            Some(Entry { value: Some(value), .. }) => Setting::Plain(value),
            Some(Entry { value: None, .. }) => Setting::Unknown,
            None if self.anything => Setting::Unknown,
            None => Setting::Unset,
        }
    }
}

/// The file that a machine has at `path`. Roots of machines may lie anywhere.
fn found<'f>(files: &'f [Source], path: &str) -> Option<&'f Source> {
    files.iter().filter(|file| file.path.ends_with(path)).min_by_key(|file| file.path.len())
}

/// Whether a path can be a file's of the machine.
fn is_absolute(path: &str) -> bool {
    path.starts_with('/') && !path.split('/').any(|part| part == "..")
}

/// The name of a shell's variable for a name that may have other characters: `my-svc_enable` is `my_svc_enable`, as
/// rc.subr has it.
#[must_use]
pub fn variable_of(name: &str) -> Cow<'_, str> {
    let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let begins_with_a_digit = name.as_bytes().first().is_some_and(u8::is_ascii_digit);
    if !begins_with_a_digit && name.bytes().all(may_stand) {
        return name.into();
    }
    let plain = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
    begins_with_a_digit.then_some('_').into_iter().chain(plain).collect()
}

fn rank(path: &str) -> Rank {
    if let Some((before, below)) = path.rsplit_once("/rc.conf.d/") {
        let is_local = before.ends_with("/usr/local/etc");
        return match below.split_once('/') {
            Some((_, deeper)) if deeper.contains('/') => Rank::Nobody,
            Some((name, _)) => Rank::Own(name.to_string(), is_local),
            None => Rank::Own(below.to_string(), is_local),
        };
    }
    let mut parts = path.rsplit('/');
    let (last, folder) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    match (folder, last) {
        ("defaults", _) => Rank::Defaults,
        (_, "rc.conf.local") => Rank::Local,
        _ => Rank::Main,
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source { path: path.into(), text: text.into(), executable: false }
    }

    /// What `x` holds after `text`, with `?` for unknown and `-` for unset, and the codes of the reports.
    fn run(text: &str) -> (String, Vec<&'static str>) {
        let (conf, reports) = RcConf::from_files(&[source("/etc/rc.conf", text)]);
        let value = match conf.get("x") {
            Setting::Plain(value) => format!("={value}"),
            Setting::Unknown => "?".into(),
            Setting::Unset => "-".into(),
        };
        (value, reports.iter().map(|report| report.code).collect())
    }

    fn check(text: &str, value: &str) {
        assert_eq!(run(text), (value.into(), Vec::new()), "{text:?}");
    }

    fn check_reported(text: &str, value: &str, codes: &[&str]) {
        assert_eq!(run(text), (value.into(), codes.to_vec()), "{text:?}");
    }

    #[test]
    fn plain_assignments_are_evaluated() {
        check("x=YES", "=YES");
        check("x=\"YES\"\t# sshd\n", "=YES");
        check("# x=NO\nx='a b'; y=c\n", "=a b");
        check("x=a\nx=b", "=b");
        check("x=\"a\nb\"", "=a\nb");
        check("x=a\\\nb", "=ab");
        check("y=1 x=2", "=2");
        check("export x=1", "=1");
        check("  x=1\r\n\r\n", "=1\r");
        check("\u{feff}x=1", "=1");
        check("y=1", "-");
        check("x=1\nunset x", "-");
        check("x=", "=");
    }

    #[test]
    fn earlier_variables_are_replaced() {
        check("y=a\nx=\"${y} -b $y\"", "=a -b a");
        check("x=\"$x -a\"", "= -a");
        check("x=1\nx=${x:-2}", "=1");
        check("x=${x:-2}", "=2");
    }

    #[test]
    fn a_default_fills_what_is_not_set() {
        check(": ${x:=1}", "=1");
        check("x=\n: ${x:=1}", "=1");
        check("x=\n: ${x=1}", "=");
        check("x=2\n: \"${x:=1}\"", "=2");
        check("echo hello > /dev/null 2>&1\nx=1", "=1");
    }

    #[test]
    fn what_depends_on_a_condition_is_unknown() {
        for text in [
            "if [ -f /x ]; then\n\tx=1\nfi",
            "if [ -f /x ]; then y=1; elif true; then x=2; else x=3; fi",
            "[ -f /x ] && x=1",
            "[ -f /x ] ||\n x=1",
            "case $y in\na|b) y=1 ;;\n(c) x=2\nesac",
            "case a in a) x=1;; esac",
            "while true; do x=1; done",
            "{ x=1; }",
            "( x=1 )",
            "x=1 | true",
        ] {
            let (value, codes) = run(text);
            assert_eq!(value, "?", "{text}");
            assert!(codes.contains(&"rc-conf-condition"), "{text}: {codes:?}");
        }
        check_reported("for x in a b; do :; done\n", "?", &[]);
    }

    #[test]
    fn a_condition_ends_where_it_ends() {
        for text in ["if [ a ]; then y=1; fi\nx=1", "case a in\nb) y=1;;\nesac\nx=1", "[ a ] && y=1\nx=1"] {
            check_reported(text, "=1", &["rc-conf-condition"]);
        }
    }

    #[test]
    fn a_value_from_a_command_is_unknown() {
        check_reported("x=$(hostname)", "?", &["rc-conf-value"]);
        check_reported("x=\"a `hostname`\"", "?", &["rc-conf-value"]);
        check_reported("y=$(hostname)\nx=$y", "?", &["rc-conf-value", "rc-conf-value"]);
    }

    #[test]
    fn behind_a_command_nothing_is_known_but_what_is_set_anew() {
        for command in [
            ". /etc/other",
            "eval y=1",
            "helper",
            "z=1 helper",
            "if :; then . /x; fi",
            "return",
            "cat <<E\nE",
        ] {
            check_reported(&format!("x=1\n{command}\n"), "?", &["rc-conf-command"]);
            check_reported(&format!("{command}\n"), "?", &["rc-conf-command"]);
        }
        check_reported(". /etc/other\nx=1", "=1", &["rc-conf-command"]);
    }

    #[test]
    fn a_quote_that_is_not_closed_makes_all_unknown() {
        check_reported("x=1\ny=\"a\n", "?", &["rc-conf-quote"]);
    }

    #[test]
    fn a_function_does_nothing_until_it_is_called() {
        check("x=1\nf() {\n local i\n x=2\n if [ a ]; then . $i; fi\n}\n", "=1");
        check("x=1\nf ()\n{\n x=2\n}\n", "=1");
        check_reported("x=1\nf() { x=2; }\nf\n", "?", &["rc-conf-command"]);
        check_reported("x=1\necho() { x=2; }\necho\n", "?", &["rc-conf-command"]);
    }

    #[test]
    fn later_files_win_in_whatever_order_they_are_given() {
        let files = [
            source("/etc/rc.conf.local", "b=local"),
            source("/etc/rc.conf", "a=main b=main c=$d"),
            source("/etc/rc.conf.d/sshd", "a=own"),
            source("/usr/local/etc/rc.conf.d/cron/extra", "a=\"$a own\""),
            source("/etc/defaults/rc.conf", "a=default\nd=default\nif :; then\n f() { . x; }\n y=1\nfi\n"),
        ];
        let (conf, reports) = RcConf::from_files(&files);
        assert_eq!(reports, []);
        for (name, variable, value) in [
            ("", "a", "main"),
            ("", "b", "local"),
            ("", "c", "default"),
            ("sshd", "a", "own"),
            ("sshd", "b", "local"),
            ("cron", "a", "main own"),
        ] {
            assert_eq!(conf.get_for(name, variable), Setting::Plain(value), "{name} {variable}");
        }
        assert_eq!(conf.get("a"), Setting::Plain("main"));
        assert_eq!(conf.place_for("sshd", "a"), Some(("/etc/rc.conf.d/sshd", 0..5)));
    }

    #[test]
    fn a_service_reads_its_own_file_or_folder_the_systems_first() {
        let files = [
            source("/usr/local/etc/rc.conf.d/toy", "a=local b=local"),
            source("/etc/rc.conf.d/toy/z", "a=z b=z c=z"),
            source("/etc/rc.conf.d/toy/b", "a=b c=b d=b"),
            source("/etc/rc.conf.d/toy/deeper/a", "a=deeper e=deeper"),
            source("/etc/rc.conf", "a=main f=main"),
        ];
        let (conf, reports) = RcConf::of_machine(&files);
        assert_eq!(reports, []);
        for (variable, value) in [("a", "local"), ("b", "local"), ("c", "b"), ("d", "b"), ("f", "main")] {
            assert_eq!(conf.get_for("toy", variable), Setting::Plain(value), "{variable}");
        }
        assert_eq!(conf.get_for("toy", "e"), Setting::Unset);
        assert_eq!(conf.get("a"), Setting::Plain("main"));
        assert_eq!(conf.get("e"), Setting::Unset);
    }

    #[test]
    fn rc_conf_files_says_which_files_are_read() {
        let all = |list: &str, main: &str| {
            let files = [
                source("/etc/rc.conf", main),
                source("/etc/rc.conf.local", "x=local"),
                source("/etc/rc.conf.site", "x=site rc_conf_files=\"$rc_conf_files /etc/rc.more\""),
                source("/etc/rc.more", "x=more"),
                source("/etc/rc.conf.d/toy", "y=own"),
                source("/etc/defaults/rc.conf", list),
            ];
            let (conf, reports) = RcConf::of_machine(&files);
            assert_eq!(reports, []);
            assert_eq!(conf.get_for("toy", "y"), Setting::Plain("own"));
            match conf.get("x") {
                Setting::Plain(value) => String::from(value),
                Setting::Unknown | Setting::Unset => "-".into(),
            }
        };
        assert_eq!(all("", ""), "local");
        assert_eq!(all("rc_conf_files=\"/etc/rc.conf  /etc/rc.conf.local\"", "x=main"), "local");
        assert_eq!(all("rc_conf_files=/etc/rc.conf", "x=main"), "main");
        assert_eq!(all("rc_conf_files=\"/etc/rc.conf.local /etc/rc.conf\"", "x=main"), "main");
        assert_eq!(all("rc_conf_files=/etc/nothing", "x=main"), "-");
        // A file may add others, also rc.conf itself; what was in line is read first.
        assert_eq!(all("rc_conf_files=/etc/rc.conf.site", ""), "more");
        assert_eq!(all("", "rc_conf_files=/etc/rc.more"), "more");
        let files = |list: &str| [source("/m/etc/rc.conf", list)];
        let missing_of = |files: &[Source]| RcConf::of_machine(files).0.missing(files.iter());
        let missing = |list: &str| missing_of(&files(&format!("rc_conf_files=\"{list}\"")));
        assert_eq!(missing("/etc/rc.conf /etc/a /b"), ["/etc/a", "/b"]);
        assert_eq!(missing("/etc/../a b $(c)"), Vec::<String>::new());
        assert_eq!(missing_of(&files("x=1")), Vec::<String>::new());
    }

    #[test]
    fn a_name_becomes_a_variables() {
        for (name, variable) in
            [("toy", "toy"), ("my-svc_enable", "my_svc_enable"), ("a.b", "a_b"), ("9p", "_9p")]
        {
            assert_eq!(variable_of(name), variable);
        }
    }

    #[test]
    fn values_do_not_grow_without_end() {
        let text = format!("x=aaaaaaaaaaaaaaaa\n{}", "x=$x$x\n".repeat(60));
        assert_eq!(run(&text).0, "?");
    }
}
