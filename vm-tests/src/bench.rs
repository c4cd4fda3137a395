//! What the bench boots, and what of it is compared with what others reach.
//!
//! Time in these machines is instructions executed (two nanoseconds each), so what is read is the same on
//! every host and under every load, within about one in a hundred.

pub mod rc;

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    process::ExitCode,
};

use crate::{
    failure::{Failure, Result},
    folder::Folder,
    guest,
    image::Tree,
    kernel::Kernel,
    limit::Limit,
    programs,
    qemu::{Clock, Machine, Plan},
};

/// Seconds that one machine may take here, where it runs much slower than its own clock.
const PATIENCE: u64 = 900;

/// Until nobody looks any more whether the log keeper is awake that has kept the boot's messages.
const REST: &str = "rest 6000";

/// How often a card is plugged in.
const PLUGS: usize = 200;
/// How many events of the kernel's come at once.
const STORM: usize = 20_000;
/// How many events are emitted over the control socket.
const EMITS: usize = 20_000;
/// How many of them come over how many connections at once.
const CROWD: (usize, usize) = (100_000, 100);

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
    /// What is PID 1, with its words, in lines.
    init: String,
    /// Programs of `vm-tests/guest`, and drivers of the kernel, that it needs.
    programs: &'static [&'static str],
    drivers: &'static [&'static str],
    /// What else is in it.
    more: Tree,
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
    /// What is made of it.
    pub unit: Unit,
    /// What was read of the floor and of the peers, in the order of [`PEERS`].
    pub peers: [&'static str; 8],
    /// What it must not be above.
    pub must: f64,
    /// What is aimed at.
    pub aim: f64,
}

/// What is made of a reading.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Unit {
    /// How many times this it is.
    Times(f64),
    /// By how many hundredths it is more than on another machine.
    MoreThan(&'static str),
}

/// Whom Onset is compared with. The floor is a program that only makes processes, waits for them and answers.
pub const PEERS: [&str; 8] =
    ["floor", "busybox init", "runit", "dinit static", "dinit dynamic", "s6-rc", "Upstart", "systemd 252"];

/// What is PID 1 where nothing else is measured.
const ONSET: &str = "/sbin/init\n";
/// Nobody was measured.
const NOBODY: [&str; 8] = ["–"; 8];
const AS_IT_IS: Unit = Unit::Times(1.0);
const MILLISECONDS: Unit = Unit::Times(1000.0);

/// All figures. The peers' were read once, with the same jobs and the same clock.
pub const FIGURES: &[Figure] = &[
    Figure {
        what: "100 one-shots at once, last ran, ms",
        workload: "fan100",
        key: "marks.last-ms",
        unit: AS_IT_IS,
        peers: ["53", "72", "125", "178", "239", "638", "768", "1,423"],
        must: 175.0,
        aim: 100.0,
    },
    Figure {
        what: "1,000 one-shots at once, last ran, ms",
        workload: "fan1000",
        key: "marks.last-ms",
        unit: AS_IT_IS,
        peers: ["530", "679", "1,192", "2,266", "2,691", "13,320", "22,873 or never", "29,941"],
        must: 2200.0,
        aim: 1000.0,
    },
    Figure {
        what: "chain of 100, ms",
        workload: "chain100",
        key: "marks.last-ms",
        unit: AS_IT_IS,
        peers: ["53", "74", "124", "175", "221", "648", "587", "1,396"],
        must: 170.0,
        aim: 100.0,
    },
    Figure {
        what: "chain of 300, ms",
        workload: "chain300",
        key: "marks.last-ms",
        unit: AS_IT_IS,
        peers: ["157", "218", "362", "539", "711", "2,383", "2,587", "4,747"],
        must: 530.0,
        aim: 300.0,
    },
    Figure {
        what: "100 daemons up, ms",
        workload: "daemons100",
        key: "marks.last-ms",
        unit: AS_IT_IS,
        peers: ["50", "64", "798", "176", "227", "897", "850", "1,406"],
        must: 170.0,
        aim: 100.0,
    },
    Figure {
        what: "control tool to the job's first instruction, median, ms",
        workload: "load0",
        key: "ping.latency-median-us",
        unit: MILLISECONDS,
        peers: ["1.2", "–", "6.7", "3.5", "11.3", "2.3 (17 through s6-rc)", "11.7 to 16.4", "15 to 64"],
        must: 3.5,
        aim: 2.2,
    },
    Figure {
        what: "the same with 1,000 other jobs loaded, ms",
        workload: "load1000",
        key: "ping.latency-median-us",
        unit: MILLISECONDS,
        peers: NOBODY,
        must: 3.5,
        aim: 2.2,
    },
    Figure {
        what: "growth of it with 1,000 other jobs, %",
        workload: "load1000",
        key: "ping.latency-median-us",
        unit: Unit::MoreThan("load0"),
        peers: ["–", "–", "–", "–", "–", "–", "about 100", "–"],
        must: 10.0,
        aim: 10.0,
    },
    Figure {
        what: "first job, with 1,000 other job files, ms",
        workload: "load1000",
        key: "marks.last-ms",
        unit: AS_IT_IS,
        peers: ["4", "–", "7", "–", "208", "74", "332", "1,420"],
        must: 178.0,
        aim: 70.0,
    },
    Figure {
        what: "PID 1 PSS with 1,000 loaded jobs, kB",
        workload: "load1000",
        key: "memory.pss-kb",
        unit: AS_IT_IS,
        peers: ["–", "–", "–", "–", "5,106", "–", "7,822", "15,974"],
        must: 5000.0,
        aim: 3000.0,
    },
    Figure {
        what: "heap of PID 1 with 1,000 loaded jobs, kB",
        workload: "load1000",
        key: "memory.heap-kb",
        unit: AS_IT_IS,
        peers: NOBODY,
        must: 1753.0,
        aim: 1753.0,
    },
    Figure {
        what: "heap of PID 1 with 2 loaded jobs, kB",
        workload: "load0",
        key: "memory.heap-kb",
        unit: AS_IT_IS,
        peers: NOBODY,
        must: 253.0,
        aim: 253.0,
    },
    Figure {
        what: "shutdown with 100 daemons, ms",
        workload: "daemons100",
        key: "end.ms",
        unit: AS_IT_IS,
        peers: ["11", "2,026", "1,202", "1,018", "1,036", "3,594", "310", "645"],
        must: 310.0,
        aim: 30.0,
    },
    Figure {
        what: "PID 1 PSS idle with 100 daemons, kB",
        workload: "daemons100",
        key: "memory.pss-kb",
        unit: AS_IT_IS,
        peers: [
            "60",
            "1,470",
            "123, and 10.8 MB in others",
            "1,818",
            "3,590",
            "140, and 2.5 MB in others",
            "4,066",
            "11,146",
        ],
        must: 1818.0,
        aim: 1400.0,
    },
    Figure {
        what: "re-exec with 100 daemons, ms",
        workload: "daemons100",
        key: "reexec.ms",
        unit: AS_IT_IS,
        peers: ["–", "–", "–", "cannot", "cannot", "by design not", "324", "–"],
        must: 324.0,
        aim: 20.0,
    },
    Figure {
        what: "wake-ups of PID 1 in 5 s idle",
        workload: "daemons100",
        key: "idle.switches",
        unit: AS_IT_IS,
        peers: NOBODY,
        must: 0.0,
        aim: 0.0,
    },
];

impl Figure {
    /// What it is, given what was read on each machine.
    pub fn value(&self, read: impl Fn(&str, &str) -> Option<f64>) -> Option<f64> {
        let value = read(self.workload, self.key)?;
        match self.unit {
            Unit::Times(one) => Some(value / one),
            Unit::MoreThan(other) => Some((value / read(other, self.key)? - 1.0) * 100.0),
        }
    }

    /// What is to be said of a value: what was reached, and by how much it misses the rest.
    #[must_use]
    pub fn verdict(&self, value: f64) -> String {
        let missed = |bound: f64| match bound {
            0.0 => format!("missed by {value:.0}"),
            _ => format!("missed by {:.1} %", (value / bound - 1.0) * 100.0),
        };
        if value > self.must {
            format!("**must {}**", missed(self.must))
        } else if value > self.aim {
            format!("must reached, aim {}", missed(self.aim))
        } else {
            "reached".into()
        }
    }
}

/// All workloads.
#[must_use]
pub fn workloads() -> Vec<Workload> {
    let boot = |name, jobs: Vec<(String, String)>| {
        let marks = format!("marks {}", jobs.len());
        Workload::of_onset(name, jobs, vec![marks])
    };
    let mut all = vec![
        boot("fan100", fan(100, "task: true, ", "")),
        boot("fan1000", fan(1000, "task: true, ", "")),
        boot("chain100", chain(100)),
        boot("chain300", chain(300)),
        boot("daemons100", fan(100, "", " stay")),
    ];
    if let Some(daemons) = all.last_mut() {
        let more =
            ["rest 2000", "memory", REST, "idle 5000", "time reexec /sbin/onsetctl reexec", "rest 500"];
        daemons.steps.extend(more.map(String::from));
        daemons.steps.push("end /sbin/onsetctl reboot".into());
    }
    for (name, count) in [("load0", 0), ("load100", 100), ("load1000", 1000)] {
        let ping = format!("{PING} /sbin/onsetctl start ping");
        let steps = [
            "marks 1".into(),
            "rest 2000".into(),
            "memory".into(),
            REST.into(),
            "idle 5000".into(),
            format!("ping 205 15 {ping}"),
        ];
        all.push(Workload::of_onset(name, load(count), steps.into()));
    }
    all
}

/// The machines on which events are measured: Onset's, and that of the floor.
#[must_use]
pub fn events() -> [Workload; 2] {
    let steps = |more: &[&str]| {
        let first = ["run /bench/plug load /bench/dummy.ko", "marks 1", REST];
        let plugs = format!("plugs {PLUGS} {PING}");
        let storm = format!("storm {STORM} {PING}");
        let all = first.into_iter().chain([plugs.as_str(), storm.as_str()]).chain(more.iter().copied());
        all.map(String::from).collect::<Vec<_>>()
    };
    let start = format!(
        "(task: true, start_on: \"net-device-added INTERFACE=plug*\", exec: \"/bench/mark {PING}\")\n"
    );
    let mut onset = Workload::of_onset(
        "onset",
        load(0),
        steps(&[
            &format!("storm-and-ask {STORM} {PING}"),
            &format!("emits {EMITS}"),
            &format!("emits-and-ask {} {}", CROWD.0, CROWD.1),
        ]),
    );
    onset.jobs.push(("plugged".into(), start));
    let mut floor = Workload::of_onset("floor", Vec::new(), steps(&[]));
    floor.init = format!("/bench/floor\n/bench/mark\n{PING}\n");
    [onset, floor].map(|machine| Workload { programs: &["floor", "plug"], drivers: &["dummy"], ..machine })
}

/// Prints the page of a bench, or why there is none.
pub fn print(bench: &str, page: Result<String>) -> ExitCode {
    // Where nobody listens, the status tells it.
    match page {
        Ok(page) => {
            let _ = io::stdout().write_all(page.as_bytes());
            ExitCode::SUCCESS
        }
        Err(Failure(why)) => {
            let _ = writeln!(io::stderr(), "{bench}: {why}");
            ExitCode::FAILURE
        }
    }
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
    fn of_onset(name: &'static str, jobs: Vec<(String, String)>, steps: Vec<String>) -> Self {
        Self { name, jobs, steps, init: ONSET.into(), programs: &[], drivers: &[], more: Tree::default() }
    }

    /// Boots it, and gives what was read. `append` goes to the kernel, and so to Onset.
    pub fn measure(&self, kernel: &Kernel, append: &str) -> Result<Readings> {
        let folder = Folder::new("bench")?;
        self.tree(kernel, &folder)?.write_cpio(&folder.join("initrd"))?;
        let mut machine = Machine::start(&Plan {
            kernel: kernel.image.clone(),
            initrd: folder.join("initrd"),
            disk: None,
            is_kept: false,
            port: false,
            append: format!("quiet printk.time=1 rdinit=/bench/begin {append}"),
            memory: 1024,
            processors: 1,
            clock: Clock::Counted,
        })?;
        machine.until_end(Limit::seconds(PATIENCE))?;
        let mut readings = readings(machine.console());
        match readings.remove("error") {
            Some(error) => Err(Failure(format!("{}: {error}\n{}", self.name, machine.console()))),
            None => Ok(readings),
        }
    }

    fn tree(&self, kernel: &Kernel, folder: &Folder) -> Result<Tree> {
        let mut tree = Tree::default();
        for name in ["dev", "proc", "sys", "run", "tmp", "root", "var/log", "etc/onset/jobs"] {
            tree.folder(name);
        }
        tree.text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n");
        tree.text("etc/group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n");
        tree.device("dev/console", 0o600, 5, 1);
        tree.device("dev/null", 0o666, 1, 3);
        // Of busybox's names some are Onset's.
        tree.add_tree("", &self.more);
        guest::onset(&mut tree)?;
        tree.copy("bench/vm-guest", &programs::program("vm-guest")?)?;
        tree.link("bench/begin", "vm-guest");
        tree.copy("bench/mark", &programs::from_c("mark", folder)?)?;
        for program in self.programs {
            tree.copy(&format!("bench/{program}"), &programs::from_c(program, folder)?)?;
        }
        for path in kernel.in_order(self.drivers)? {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            tree.copy(&format!("bench/{name}"), &path)?;
        }
        tree.text("bench/init", &self.init);
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
            if let Unit::MoreThan(other) = figure.unit {
                assert!(names.contains(&other), "{}", figure.what);
            }
        }
    }

    #[test]
    fn what_is_missed_is_said() {
        let growth = FIGURES.iter().find(|figure| figure.unit == Unit::MoreThan("load0")).unwrap();
        let value = growth.value(|machine, _| Some(if machine == "load0" { 2000.0 } else { 2300.0 }));
        assert_eq!(growth.verdict(value.unwrap()), "**must missed by 50.0 %**");
        let idle = FIGURES.iter().find(|figure| figure.key == "idle.switches").unwrap();
        assert_eq!([0.0, 2.0].map(|value| idle.verdict(value)), ["reached", "**must missed by 2**"]);
        assert_eq!(FIGURES[0].verdict(150.0), "must reached, aim missed by 50.0 %");
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
