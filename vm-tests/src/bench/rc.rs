//! What rc.d scripts cost: those that are off, those that run, and FreeBSD's tree, at once and one after the other.

use super::{ONSET, Workload};
use crate::{
    failure::Result,
    guest,
    image::Tree,
    programs,
    rc_tree::{self, Fate, Script},
};

/// How many scripts are started at once to see what one costs.
pub const COUNT: usize = 100;

/// Runs scripts as rc(8) does: one shell reads rc.subr and rc.conf, and each script runs in a copy of it.
const RC: &str = "#!/bin/sh
. /etc/rc.subr
autoboot=yes _boot=faststart rc_fast=yes RC_PID=$$
load_rc_config
for script in $(rcorder -s nostart -s firstboot /bench/rc.d/*); do
    run_rc_script \"$script\" faststart
done
";

/// Runs scripts one after the other, each in a shell of its own, and does nothing besides.
const LOOP: &str = "#!/bin/sh
for script in /bench/rc.d/*; do
    /bin/sh \"$script\" faststart
done
";

/// The tree without faults.
#[must_use]
pub fn tree() -> Vec<Script> {
    let mut scripts = rc_tree::scripts();
    for script in scripts.iter_mut().filter(|script| script.fate != Fate::Place) {
        script.fate = Fate::Well;
    }
    scripts
}

/// All of these scripts, off.
fn off(mut scripts: Vec<Script>) -> Vec<Script> {
    for script in scripts.iter_mut().filter(|script| script.fate != Fate::Place) {
        script.fate = Fate::Off;
    }
    scripts
}

/// Scripts that nothing puts in order, and that only leave a mark.
fn fan(count: usize) -> Vec<Script> {
    let one = |number| Script {
        file: format!("s{number:03}"),
        words: [vec![format!("s{number:03}")], Vec::new(), Vec::new(), Vec::new()],
        sleeps: 0,
        fate: Fate::Well,
    };
    (0..count).map(one).collect()
}

/// The machines.
pub fn workloads() -> Result<Vec<Workload>> {
    let tree = tree();
    let fan = fan(COUNT);
    let marked = |scripts: &[Script]| {
        let runs = |script: &&Script| script.fate == Fate::Well && script.starts_at_boot();
        scripts.iter().filter(runs).count()
    };
    let at_boot = |exec: &str| vec![job("rc", exec)];
    let each = |exec: &dyn Fn(usize) -> String| {
        (0..COUNT).map(|number| job(&format!("s{number:03}"), &exec(number))).collect::<Vec<_>>()
    };
    Ok(vec![
        machine("none", &[], "", Vec::new(), 0)?,
        machine("off", &off(tree.clone()), "etc", Vec::new(), 0)?,
        machine("unread", &[], "", at_boot("/bench/vm-guest read /etc/onset/jobs"), 0)?,
        machine("read", &off(tree.clone()), "bench", at_boot("/bench/vm-guest read /bench/rc.d"), 0)?,
        machine("scripts", &fan, "etc", Vec::new(), COUNT)?,
        machine(
            "shells",
            &fan,
            "bench",
            each(&|number| format!("/bin/sh /bench/rc.d/s{number:03} faststart")),
            COUNT,
        )?,
        machine("plain", &[], "", each(&|number| format!("/bin/sh -c '/bench/mark {number}; exit'")), COUNT)?,
        machine("loop", &fan, "bench", at_boot("/bin/sh /bench/loop"), COUNT)?,
        machine("parallel", &tree, "etc", Vec::new(), marked(&tree))?,
        machine("serial", &tree, "etc", vec![(String::new(), "rc_serial=\"YES\"\n".into())], marked(&tree))?,
        machine("rc", &tree, "bench", at_boot("/bin/sh /bench/rc"), marked(&tree))?,
    ])
}

fn job(name: &str, exec: &str) -> (String, String) {
    (name.into(), format!("(start_on: \"startup\", task: true, exec: \"{exec}\")\n"))
}

/// A machine with a shell, rc.subr, and scripts in the folder `rc.d` of `place`. A job without a name is a line of rc.conf.
fn machine(
    name: &'static str,
    scripts: &[Script],
    place: &str,
    jobs: Vec<(String, String)>,
    marks: usize,
) -> Result<Workload> {
    let mut tree = Tree::default();
    guest::busybox(&mut tree)?;
    tree.copy("etc/rc.subr", &programs::workspace().join("init/stock/rc/rc.subr"))?;
    tree.script("bench/rc", RC);
    tree.script("bench/loop", LOOP);
    let (jobs, lines): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|(name, _)| !name.is_empty());
    let mut conf: String = lines.into_iter().map(|(_, line)| line).collect();
    conf.push_str(&rc_tree::conf(scripts));
    tree.text("etc/rc.conf", &conf);
    for (number, script) in scripts.iter().enumerate() {
        let text = script.text(&[":".into(), format!("/bench/mark {number}")]);
        tree.script(&format!("{place}/rc.d/{}", script.file), &text);
    }
    let mut workload = Workload {
        name,
        jobs,
        steps: vec![format!("marks {}", marks.saturating_add(1)), "processes".into()],
        init: ONSET.into(),
        programs: &[],
        drivers: &[],
        more: tree,
    };
    // Once all has started.
    let last = "(task: true, start_on: \"settled\", exec: \"/bench/mark 900000\")\n";
    workload.jobs.push(("last".into(), last.into()));
    Ok(workload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_tree_has_an_order() {
        assert_eq!(rc_tree::sleeps(&fan(3)), (0, 0));
        let (sum, path) = rc_tree::sleeps(&tree());
        assert!(path > 0 && sum > path, "{sum} and {path}");
        assert_eq!(rc_tree::sleeps(&off(tree())), (0, 0));
    }
}
