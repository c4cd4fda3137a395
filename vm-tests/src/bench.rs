//! What the bench boots, and what of it is compared with what others reach.
//!
//! Time in these machines is instructions executed (two nanoseconds each), so what is read is the same on
//! every host and under every load, within about one in a hundred.

use std::collections::BTreeMap;

use crate::{
    failure::{Failure, Result},
    folder::Folder,
    guest,
    image::Tree,
    kernel::Kernel,
    limit::Limit,
    programs,
    qemu::{Machine, Plan},
};

/// Seconds that one machine may take here, where it runs much slower than its own clock.
const PATIENCE: u64 = 900;

/// The mark of the job that is started by hand.
const PING: u32 = 900_000;

/// What is read off one machine, by name.
pub type Readings = BTreeMap<String, String>;

/// What a machine has to do.
#[derive(Debug, Clone)]
pub struct Workload {
    /// Its name.
    pub name: &'static str,
    jobs: Vec<(String, String)>,
    steps: Vec<String>,
}

/// A figure that is to be reached.
#[derive(Debug, Clone, Copy)]
pub struct Figure {
    /// What it is, in words.
    pub what: &'static str,
    /// On which machine.
    pub workload: &'static str,
    /// What is read there.
    pub key: &'static str,
    /// What one unit of it is, of what is read.
    pub per: f64,
    /// What it must not be above.
    pub must: f64,
    /// What is aimed at.
    pub aim: f64,
}

/// All figures.
pub const FIGURES: &[Figure] = &[
    figure("100 one-shots at once, last ran, ms", "fan100", "marks.last-ms", 1.0, 175.0, 100.0),
    figure("1,000 at once, ms", "fan1000", "marks.last-ms", 1.0, 2200.0, 1000.0),
    figure("chain of 100, ms", "chain100", "marks.last-ms", 1.0, 170.0, 100.0),
    figure("chain of 300, ms", "chain300", "marks.last-ms", 1.0, 530.0, 300.0),
    figure("100 daemons up, ms", "daemons100", "marks.last-ms", 1.0, 170.0, 100.0),
    figure("control tool to first instruction, ms", "load0", "ping.latency-median-us", 1000.0, 3.5, 2.2),
    figure("the same with 1,000 other jobs, ms", "load1000", "ping.latency-median-us", 1000.0, 3.5, 2.2),
    figure("first job, with 1,000 other job files, ms", "load1000", "marks.last-ms", 1.0, 178.0, 70.0),
    figure("PID 1 PSS with 1,000 loaded jobs, kB", "load1000", "memory.pss-kb", 1.0, 5000.0, 3000.0),
    figure("shutdown with 100 daemons, ms", "daemons100", "end.ms", 1.0, 310.0, 30.0),
    figure("PID 1 PSS idle with 100 daemons, kB", "daemons100", "memory.pss-kb", 1.0, 1818.0, 1400.0),
    figure("re-exec with 100 daemons, ms", "daemons100", "reexec.ms", 1.0, 324.0, 20.0),
    figure("wake-ups in 5 s idle", "daemons100", "idle.switches", 1.0, 0.0, 0.0),
];

const fn figure(
    what: &'static str,
    workload: &'static str,
    key: &'static str,
    per: f64,
    must: f64,
    aim: f64,
) -> Figure {
    Figure { what, workload, key, per, must, aim }
}

/// All workloads.
#[must_use]
pub fn workloads() -> Vec<Workload> {
    let boot = |name, jobs: Vec<(String, String)>| {
        let marks = format!("marks {}", jobs.len());
        Workload { name, jobs, steps: vec![marks] }
    };
    let mut all = vec![
        boot("fan100", fan(100, "task: true, ", "")),
        boot("fan1000", fan(1000, "task: true, ", "")),
        boot("chain100", chain(100)),
        boot("chain300", chain(300)),
        boot("daemons100", fan(100, "", " stay")),
    ];
    if let Some(daemons) = all.last_mut() {
        let more = ["rest 2000", "memory", "idle 5000", "time reexec /sbin/onsetctl reexec", "rest 500"];
        daemons.steps.extend(more.map(String::from));
        daemons.steps.push("end /sbin/onsetctl reboot".into());
    }
    for (name, count) in [("load0", 0), ("load100", 100), ("load1000", 1000)] {
        let ping = format!("{PING} /sbin/onsetctl start ping");
        let steps = [
            "marks 1".into(),
            "rest 2000".into(),
            "memory".into(),
            "idle 5000".into(),
            format!("ping 205 15 {ping}"),
        ];
        all.push(Workload { name, jobs: load(count), steps: steps.into() });
    }
    all
}

/// Jobs that all start at once.
fn fan(count: u32, fields: &str, words: &str) -> Vec<(String, String)> {
    let job = |number| format!("({fields}start_on: \"startup\", exec: \"/bench/mark {number}{words}\")\n");
    (0..count).map(|number| (format!("j{number:04}"), job(number))).collect()
}

/// Jobs of which each starts when the one before it has ended well.
fn chain(count: u32) -> Vec<(String, String)> {
    let on = |number: u32| match number.checked_sub(1) {
        Some(before) => format!("stopped c{before:04} RESULT=ok"),
        None => "startup".into(),
    };
    let job =
        |number| format!("(task: true, start_on: \"{}\", exec: \"/bench/mark {number}\")\n", on(number));
    (0..count).map(|number| (format!("c{number:04}"), job(number))).collect()
}

/// One job at boot, one by hand, and others that never start.
fn load(count: u32) -> Vec<(String, String)> {
    let other = |number| {
        let text = format!("(task: true, start_on: \"other{number:04}\", exec: \"/bench/mark {number}\")\n");
        (format!("l{number:04}"), text)
    };
    let mut jobs: Vec<(String, String)> = (0..count).map(other).collect();
    jobs.push(("anchor".into(), "(task: true, start_on: \"startup\", exec: \"/bench/mark 0\")\n".into()));
    jobs.push(("ping".into(), format!("(task: true, start_on: \"ping\", exec: \"/bench/mark {PING}\")\n")));
    jobs
}

impl Workload {
    /// Boots it, and gives what was read. `append` goes to the kernel, and so to Onset.
    pub fn measure(&self, kernel: &Kernel, append: &str) -> Result<Readings> {
        let folder = Folder::new("bench")?;
        self.tree(&folder)?.write_cpio(&folder.join("initrd"))?;
        let mut machine = Machine::start(&Plan {
            kernel: kernel.image.clone(),
            initrd: folder.join("initrd"),
            disk: None,
            is_kept: false,
            port: false,
            append: format!("quiet printk.time=1 rdinit=/bench/begin {append}"),
            memory: 1024,
            processors: 1,
            counted: true,
        })?;
        machine.until_end(Limit::seconds(PATIENCE))?;
        let mut readings = readings(machine.console());
        match readings.remove("error") {
            Some(error) => Err(Failure(format!("{}: {error}\n{}", self.name, machine.console()))),
            None => Ok(readings),
        }
    }

    fn tree(&self, folder: &Folder) -> Result<Tree> {
        let mut tree = Tree::default();
        for name in ["dev", "proc", "sys", "run", "tmp", "root", "var/log", "etc/onset/jobs"] {
            tree.folder(name);
        }
        tree.text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n");
        tree.text("etc/group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n");
        tree.device("dev/console", 0o600, 5, 1);
        tree.device("dev/null", 0o666, 1, 3);
        guest::onset(&mut tree)?;
        tree.copy("bench/vm-guest", &programs::program("vm-guest")?)?;
        tree.link("bench/begin", "vm-guest");
        tree.copy("bench/mark", &programs::from_c("mark", folder)?)?;
        tree.text("bench/init", "/sbin/init\n");
        tree.text("bench/plan", &self.steps.iter().map(|step| format!("{step}\n")).collect::<String>());
        for (name, text) in &self.jobs {
            tree.text(&format!("etc/onset/jobs/{name}.ron"), text);
        }
        Ok(tree)
    }
}

/// What the observer has printed, and how long the end took by the kernel's own clock.
fn readings(console: &str) -> Readings {
    let mut readings = Readings::new();
    let (mut asked, mut ended) = (None, None);
    for line in console.lines() {
        if let Some((key, value)) = line.trim().strip_prefix("bench ").and_then(|rest| rest.split_once('=')) {
            readings.insert(key.to_lowercase(), value.to_owned());
        }
        // "[    4.205133] reboot: Restarting system"
        let stamp = || line.split_once('[')?.1.split_once(']')?.0.trim().parse::<f64>().ok();
        if line.contains("bench end-asked") {
            asked = stamp();
        } else if line.contains("] reboot: ") {
            ended = stamp();
        }
    }
    if let (Some(asked), Some(ended)) = (asked, ended)
        && readings.contains_key("asked")
    {
        readings.insert("end.ms".into(), format!("{:.1}", (ended - asked) * 1000.0));
    }
    readings
}

#[cfg(test)]
mod tests {
    use events::Name;
    use jobs::formats::{Source, native};

    use super::*;

    #[test]
    fn readings_are_read_off_the_console() {
        let console = "noise\r\nbench marks.last-ms=12.5\r\nbench asked=1\r\n[    4.200000] bench end-asked\r\n\
                       [    4.250000] reboot: Restarting system\r\n";
        let readings = readings(console);
        assert_eq!(readings["marks.last-ms"], "12.5");
        assert_eq!(readings["end.ms"], "50.0");
    }

    #[test]
    fn every_figure_has_its_workload() {
        let names: Vec<&str> = workloads().iter().map(|workload| workload.name).collect();
        for figure in FIGURES {
            assert!(names.contains(&figure.workload), "{}", figure.what);
        }
    }

    #[test]
    fn the_jobs_of_every_workload_load() {
        for workload in workloads() {
            for (name, text) in workload.jobs.iter().take(3) {
                let source = Source { path: format!("{name}.ron"), text: text.clone(), executable: false };
                let read = native::read(&Name::new(name).unwrap(), &source, &[], 0);
                assert_eq!(read.reports, [], "{name}: {text}");
            }
        }
    }
}
