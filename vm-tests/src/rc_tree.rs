//! A tree of rc.d scripts with the headers that FreeBSD's 168 have. What they do is made up, the same each time:
//! each sleeps for some milliseconds, and some fail, hang, are off, or require each other.

use std::collections::BTreeMap;

use crate::image::Tree;

/// File, PROVIDE, REQUIRE, BEFORE, KEYWORD.
const TABLE: &str = include_str!("../../jobs/tests/data/freebsd-rcd.tsv");

/// The order in which rc(8) runs them.
const ORDER: &str = include_str!("../../jobs/tests/data/freebsd-boot-order.txt");

/// Two that require each other, in the midst of the others.
const RING: [&str; 2] = ["ring1\tring1\tNETWORKING ring2\tDAEMON\t", "ring2\tring2\tring1\t\t"];

/// The one that hangs. Many require it.
const HANGS: &str = "rpcbind";

/// The longest sleep, in milliseconds.
const LONGEST: u64 = 16;

/// What becomes of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It only stands for a place in the order, and has no code.
    Place,
    /// It ends well.
    Well,
    /// It ends with status 1.
    Fails,
    /// It does not end.
    Hangs,
    /// rc.conf does not want it.
    Off,
}

/// A script: its header, and what becomes of it.
#[derive(Debug, Clone)]
pub struct Script {
    /// Its file in `/etc/rc.d`.
    pub file: String,
    /// The words of PROVIDE, REQUIRE, BEFORE and KEYWORD.
    pub words: [Vec<String>; 4],
    /// How long it sleeps, in milliseconds.
    pub sleeps: u64,
    /// What becomes of it.
    pub fate: Fate,
}

/// What a script writes around its sleep: its number in the tree is for programs that leave numbers.
pub type Around<'a> = &'a dyn Fn(usize, &Script) -> [String; 2];

impl Script {
    fn from_row(row: &str) -> Option<Self> {
        let mut columns = row.split('\t');
        let file = columns.next()?.to_owned();
        let mut words = || columns.next().unwrap_or("").split_whitespace().map(String::from).collect();
        let words = [words(), words(), words(), words()];
        // A mark in the order has its name in capitals.
        let is_place = !file.contains(|c: char| !c.is_ascii_uppercase());
        let chance = chance(&file);
        let fate = match chance.checked_rem(17) {
            _ if is_place => Fate::Place,
            _ if file == HANGS => Fate::Hangs,
            Some(0 | 1) => Fate::Off,
            Some(2 | 3) => Fate::Fails,
            Some(_) | None => Fate::Well,
        };
        let sleeps = chance.checked_rem(LONGEST).unwrap_or(0).saturating_add(1);
        Some(Self { file, words, sleeps, fate })
    }

    /// Its `$name`, which must be one that a shell takes for a variable.
    #[must_use]
    pub fn name(&self) -> String {
        self.file.replace('-', "_")
    }

    /// Whether rc(8) would run it at all at a usual boot.
    #[must_use]
    pub fn starts_at_boot(&self) -> bool {
        let [.., keywords] = &self.words;
        !keywords.iter().any(|word| word == "nostart" || word == "firstboot")
    }

    /// Its text, with two lines of code before and behind its sleep.
    #[must_use]
    pub fn text(&self, [before, behind]: &[String; 2]) -> String {
        let mut text = String::from("#!/bin/sh\n#\n#\n\n");
        for (verb, words) in ["PROVIDE", "REQUIRE", "BEFORE", "KEYWORD"].iter().zip(&self.words) {
            if !words.is_empty() {
                text.push_str(&format!("# {verb}: {}\n", words.join(" ")));
            }
        }
        let sleep = match self.fate {
            Fate::Place => return text,
            Fate::Hangs => "sleep 1000000".into(),
            Fate::Well | Fate::Fails | Fate::Off => format!("sleep 0.{:03}", self.sleeps),
        };
        let status = u8::from(self.fate == Fate::Fails);
        let name = self.name();
        // As long as most are, with a function that has nothing to do.
        let body: String = (0..16).fold(String::new(), |body, number| {
            body + &format!("\tif [ ! -d \"${{{name}_folder}}/{number}\" ]; then mkdir -p \"${{{name}_folder}}/{number}\"; fi\n")
        });
        text + &format!(
            "\n. /etc/rc.subr\n\nname=\"{name}\"\nrcvar=\"{name}_enable\"\nstart_cmd=\"{name}_start\"\nstop_cmd=\":\"\n\n\
             {name}_folders()\n{{\n{body}}}\n\n\
             {name}_start()\n{{\n\t{before}\n\t{sleep}\n\t{behind}\n\treturn {status}\n}}\n\n\
             load_rc_config $name\nrun_rc_command \"$1\"\n"
        )
    }
}

/// A number that a name always has.
fn chance(name: &str) -> u64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash >> 13
}

/// The 168 scripts.
#[must_use]
pub fn scripts() -> Vec<Script> {
    TABLE.lines().skip(1).filter_map(Script::from_row).collect()
}

/// Puts scripts into `/etc/rc.d`, and whether they are wanted into `/etc/rc.conf`.
pub fn add(tree: &mut Tree, scripts: &[Script], around: Around<'_>) {
    for (number, script) in scripts.iter().enumerate() {
        tree.script(&format!("etc/rc.d/{}", script.file), &script.text(&around(number, script)));
    }
    tree.text("etc/rc.conf", &conf(scripts));
}

/// What rc.conf says of them.
#[must_use]
pub fn conf(scripts: &[Script]) -> String {
    let lines = scripts.iter().filter(|script| script.fate != Fate::Place).map(|script| {
        let wanted = if script.fate == Fate::Off { "NO" } else { "YES" };
        format!("{}_enable=\"{wanted}\"\n", script.name())
    });
    lines.collect()
}

/// The tree with all that can go wrong in it, for a scenario: each script leaves `begin FILE` and `end FILE` in
/// `/run/marks`. rc.conf wants one script after the other, and `/etc/rc.conf.local`, for as long as it is there, does not.
/// `/tree` tells which scripts are `off`, which are `failing`, and FreeBSD's `order` of those that are in no ring.
pub fn add_with_faults(tree: &mut Tree) {
    let mut scripts = scripts();
    scripts.extend(RING.iter().filter_map(|row| Script::from_row(row)));
    add(tree, &scripts, &|_, script| {
        let mark = |word: &str| format!("echo {word} {} >>/run/marks", script.file);
        [mark("begin"), mark("end")]
    });
    let names = |fate| {
        let of = scripts.iter().filter(|script| script.fate == fate && script.starts_at_boot());
        of.map(|script| format!("{}\n", script.file)).collect::<String>()
    };
    tree.text("tree/off", &names(Fate::Off));
    tree.text("tree/failing", &names(Fate::Fails));
    tree.text("tree/order", ORDER);
    tree.text("etc/rc.conf", &format!("rc_serial=\"YES\"\n{}", conf(&scripts)));
    tree.text("etc/rc.conf.local", "rc_serial=\"NO\"\n");
}

/// How long all of them sleep, and how long those do that wait for each other, in milliseconds: the sum, and the
/// critical path. There must be no ring.
#[must_use]
pub fn sleeps(scripts: &[Script]) -> (u64, u64) {
    let own = |script: &Script| match script.fate {
        Fate::Well | Fate::Fails if script.starts_at_boot() => script.sleeps,
        Fate::Well | Fate::Fails | Fate::Place | Fate::Hangs | Fate::Off => 0,
    };
    let edges = edges(scripts);
    let mut ends: BTreeMap<&str, u64> =
        scripts.iter().map(|script| (script.file.as_str(), own(script))).collect();
    // A path has at most as many steps as there are scripts.
    for _ in scripts {
        for script in scripts {
            let before = edges.iter().filter(|(_, then)| *then == script.file);
            let begin = before.filter_map(|(first, _)| ends.get(first.as_str())).max();
            let end = begin.map_or(0, |begin| *begin).saturating_add(own(script));
            ends.insert(&script.file, end);
        }
    }
    (scripts.iter().map(own).sum(), ends.into_values().max().unwrap_or(0))
}

/// The pairs of files of which the first must settle before the second starts.
fn edges(scripts: &[Script]) -> Vec<(String, String)> {
    let mut providers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for script in scripts {
        let [provides, ..] = &script.words;
        for word in provides {
            providers.entry(word).or_default().push(&script.file);
        }
    }
    let of = |word: &String| providers.get(word.as_str()).cloned().unwrap_or_default();
    let mut edges = Vec::new();
    for Script { file, words: [_, requires, before, _], .. } in scripts {
        edges.extend(requires.iter().flat_map(of).map(|first| (first.to_owned(), file.clone())));
        edges.extend(before.iter().flat_map(of).map(|then| (file.clone(), then.to_owned())));
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_has_something_of_everything() {
        let scripts = scripts();
        let count = |fate| scripts.iter().filter(|script| script.fate == fate).count();
        assert_eq!(scripts.len(), 168);
        assert_eq!(edges(&scripts).len(), 383);
        assert_eq!((count(Fate::Place), count(Fate::Hangs)), (5, 1));
        assert!(count(Fate::Off) > 10 && count(Fate::Fails) > 10 && count(Fate::Well) > 100);
    }

    #[test]
    fn the_critical_path_is_shorter_than_the_sum() {
        let row = |row: &str| Script { sleeps: 5, fate: Fate::Well, ..Script::from_row(row).unwrap() };
        let scripts = [row("c\tc\tb\t\t"), row("a\ta\t\tb\t"), row("b\tb\t\t\t"), row("d\td\t\t\t")];
        assert_eq!(sleeps(&scripts), (20, 15));
    }
}
