//! Who may use a device: a table of nodes with their owners, groups, modes and links.

use events::glob_matches;

use super::super::{accounts::Accounts, conf, task::Task};

/// Where people write theirs; it counts before what is customary.
const FILE: &str = "etc/onset/devices";
/// What is customary.
const CUSTOMARY: &str = include_str!("customary");

/// What becomes of the nodes that a pattern means. `None` leaves it as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    glob: String,
    /// Whom it belongs to.
    pub owner: Option<u32>,
    /// Which group.
    pub group: Option<u32>,
    /// Who may do what.
    pub mode: Option<u32>,
    /// Other names of it below `/dev`; `{FILE}` stands for what the device's file of this name says.
    pub links: Vec<String>,
}

/// All rules, the first that fits counts.
#[derive(Debug, Default)]
pub struct Table(Vec<Rule>);

impl Table {
    /// What people have written, with its faults said, and behind it what is customary.
    pub fn read(task: &mut Task) -> Self {
        let accounts = Accounts::read(task);
        let path = task.path(FILE);
        let mut rules = Vec::new();
        let lines = if path.exists() { conf::lines_of(task, &path) } else { Vec::new() };
        for line in lines {
            match rule(&accounts, &line.text) {
                Ok(rule) => rules.push(rule),
                Err(why) => task.fault(format!("{}: {why}", line.place)),
            }
        }
        // What a machine has no group for stays root's.
        let customary = conf::split("", CUSTOMARY);
        rules.extend(customary.iter().filter_map(|line| rule(&accounts, &line.text).ok()));
        Self(rules)
    }

    /// The rule for a node, by its name below `/dev`.
    pub fn find(&self, name: &str) -> Option<&Rule> {
        self.0.iter().find(|rule| glob_matches(&rule.glob, name))
    }
}

fn rule(accounts: &Accounts, line: &str) -> Result<Rule, String> {
    let mut words = line.split_whitespace();
    let (Some(glob), Some(owner), Some(group), Some(mode)) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(format!("`{line}` is not: NODE OWNER GROUP MODE [LINK...]"));
    };
    let glob = glob.trim_start_matches("/dev/");
    let links: Vec<String> = words.map(|link| link.trim_start_matches("/dev/").to_owned()).collect();
    if let Some(link) = links.iter().find(|link| !is_below(link)) {
        return Err(format!("link `{link}` does not stay below /dev"));
    }
    Ok(Rule {
        glob: glob.to_owned(),
        owner: given(owner).map(|owner| accounts.user(owner)).transpose()?,
        group: given(group).map(|group| accounts.group(group)).transpose()?,
        mode: given(mode).map(read_mode).transpose()?,
        links,
    })
}

/// What `-` leaves as it is.
fn given(word: &str) -> Option<&str> {
    Some(word).filter(|word| *word != "-")
}

fn read_mode(word: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(word, 8).ok().filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| format!("`{word}` is no mode such as 0660"))
}

/// Whether a path stays below the folder that it begins in.
pub fn is_below(path: &str) -> bool {
    !path.is_empty() && path.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str, groups: &str) -> (Table, u8) {
        let root = tempfile(text, groups);
        let mut task = Task::new(root.to_str().unwrap());
        let table = Table::read(&mut task);
        std::fs::remove_dir_all(root).unwrap();
        (table, task.code())
    }

    fn tempfile(text: &str, groups: &str) -> std::path::PathBuf {
        use std::sync::atomic::{AtomicU32, Ordering};
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("onset-devices-{}-{number}", std::process::id()));
        std::fs::create_dir_all(root.join("etc/onset")).unwrap();
        std::fs::write(root.join(FILE), text).unwrap();
        std::fs::write(root.join("etc/group"), groups).unwrap();
        root
    }

    #[test]
    fn what_people_write_counts_before_what_is_customary() {
        let (table, code) = table("# mine\n/dev/sd* - disk 0640 my/{serial}\n", "disk:x:6:\nkvm:x:7:\n");
        assert_eq!(code, 0);
        let rule = table.find("sda1").unwrap();
        assert_eq!((rule.owner, rule.group, rule.mode), (None, Some(6), Some(0o640)));
        assert_eq!(rule.links, ["my/{serial}"]);
        assert_eq!(table.find("vda").and_then(|rule| rule.group), Some(6));
        assert_eq!(table.find("kvm").and_then(|rule| rule.mode), Some(0o660));
        assert_eq!(table.find("snd/timer"), None, "there is no group for it");
        assert_eq!(table.find("no-such-thing"), None);
    }

    #[test]
    fn a_line_that_is_wrong_is_refused_and_the_others_count() {
        for (text, good) in [
            ("kvm root nobody-knows 0660\nfoo root root 0600\n", 1),
            ("kvm root root 1777\n", 0),
            ("kvm root root 888\n", 0),
            ("kvm root root\n", 0),
            ("kvm root root 0600 ../etc/passwd\n", 0),
            ("kvm root root 0600 /dev//x\n", 0),
            ("a 1 2 0600\nb - - -\n", 2),
        ] {
            let (table, code) = table(text, "");
            let (without, _) = self::table("", "");
            assert_eq!(table.0.len() - without.0.len(), good, "{text}");
            assert_eq!(code == 0, good == 2, "{text}");
        }
    }

    #[test]
    fn every_customary_line_is_right() {
        let lines = conf::split("", CUSTOMARY);
        let groups: String = lines
            .iter()
            .filter_map(|line| line.text.split_whitespace().nth(2))
            .map(|group| format!("{group}:x:5:\n"))
            .collect();
        let (table, _) = table("", &groups);
        assert_eq!(table.0.len(), lines.len());
    }
}
