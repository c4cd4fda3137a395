//! Files that are to be there, or not, after a boot: tmpfiles.d.
//!
//! What is asked for by a boot is done: making, writing, linking, removing, owners and modes. Ages, attributes and access
//! lists are left to who cleans up later.

mod apply;
mod line;
mod names;

use super::{
    accounts::Accounts,
    conf::{self, Line},
    task::Task,
};
use line::{Kind, Rule};
use names::Names;

/// What a root has even if no file says so. Where it cannot be written to, nobody has asked for it.
const BUILT_IN: &str = "\
d- /tmp 1777 root root
d- /var/tmp 1777 root root
d- /run/lock 1777 root root
L- /var/run - - - - ../run
L- /var/lock - - - - ../run/lock
d- /var/log 0755 root root
d- /var/lib 0755 root root
";

/// Does what all files say: first what is to be gone, then what is to be there, then owners and modes; a folder before
/// what is in it.
pub fn run(task: &mut Task, _: &[String]) {
    let names = Names::of(task);
    let accounts = Accounts::read(task);
    let mut rules: Vec<Rule> = Vec::new();
    let lines: Vec<Line> = conf::lines(task, "tmpfiles.d");
    for line in lines.iter().chain(&conf::split("built in", BUILT_IN)) {
        match line::parse(line, &names, &accounts) {
            Ok(Some(rule)) => rules.push(rule),
            Ok(None) => {}
            Err(fault) => task.fault(format!("{}: {fault}", line.place)),
        }
    }
    for rule in in_order(rules) {
        if let Err(fault) = apply::apply(task.root(), &rule)
            && !rule.is_lenient
        {
            task.fault(format!("{}: {}: {fault}", rule.place, rule.path));
        }
    }
}

/// The rules in the order in which they are done. Of two that make one path, the first counts.
fn in_order(mut rules: Vec<Rule>) -> Vec<Rule> {
    let mut made = std::collections::HashSet::new();
    rules.retain(|rule| !rule.kind.makes() || made.insert(rule.path.clone()));
    let depth = |rule: &Rule| rule.path.split('/').filter(|part| !part.is_empty()).count();
    rules.sort_by_key(|rule| (rule.kind.turn(), depth(rule)));
    rules
}

impl Kind {
    /// In which turn it is done.
    const fn turn(self) -> u8 {
        match self {
            Self::Remove | Self::RemoveAll => 0,
            Self::Folder
            | Self::File { .. }
            | Self::Link { .. }
            | Self::Pipe
            | Self::Device { .. }
            | Self::Copy => 1,
            Self::Write { .. } | Self::Adjust | Self::AdjustAll => 2,
        }
    }

    /// Whether it makes what its path names.
    const fn makes(self) -> bool {
        self.turn() == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_gone_goes_first_and_a_folder_comes_before_what_is_in_it() {
        let lines = "f /a/b/c\nw /x - - - - 1\nd /a/b 0700\nd /a\nr /old*\nd /a 0711\n";
        let rules = conf::split("x", lines);
        let rules = rules.iter().map(|line| line::parse(line, &Names::default(), &Accounts::default()));
        let order: Vec<_> = in_order(rules.map(|rule| rule.unwrap().unwrap()).collect());
        let shown: Vec<_> = order.iter().map(|rule| rule.place.as_str()).collect();
        assert_eq!(shown, ["x:5", "x:4", "x:3", "x:1", "x:2"]);
    }
}
