//! Faults made on purpose, for tests: `onset.fault=panic@step:3` dies of a panic at the third input of a step.
//!
//! In builds that people run (release, without the feature `faults`) the points cost nothing and do nothing.

use std::str::FromStr;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A panic.
    Panic,
    /// An address that is not there.
    Segv,
    /// A mapped file that has become too short.
    Bus,
    /// An instruction that does not exist.
    Ill,
    /// A division that has no answer.
    Fpe,
    /// `abort`.
    Abort,
    /// A recursion without end.
    Overflow,
    /// All memory is used up.
    Oom,
    /// A loop without end: only a watchdog helps.
    Busy,
}

/// Where it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Bytes from outside are about to be decoded.
    Decode,
    /// The engine takes an input.
    Step,
    /// An action is about to be performed.
    Perform,
    /// A process is about to be reaped.
    Reap,
    /// A message of a client is about to be looked at.
    Control,
    /// A turn was written down.
    Journal,
    /// A snapshot was written, and does not count yet.
    Snapshot,
}

const KINDS: [(&str, Kind); 9] = [
    ("panic", Kind::Panic),
    ("segv", Kind::Segv),
    ("bus", Kind::Bus),
    ("ill", Kind::Ill),
    ("fpe", Kind::Fpe),
    ("abort", Kind::Abort),
    ("overflow", Kind::Overflow),
    ("oom", Kind::Oom),
    ("busy", Kind::Busy),
];

const POINTS: [(&str, Point); 7] = [
    ("decode", Point::Decode),
    ("step", Point::Step),
    ("perform", Point::Perform),
    ("reap", Point::Reap),
    ("control", Point::Control),
    ("journal", Point::Journal),
    ("snapshot", Point::Snapshot),
];

impl Kind {
    /// All kinds by name, but `busy`, which nobody comes back from.
    pub fn deadly() -> impl Iterator<Item = &'static str> {
        KINDS.iter().filter(|(_, kind)| *kind != Self::Busy).map(|(name, _)| *name)
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        named(&KINDS, text)
    }
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        named(&POINTS, text)
    }
}

fn named<T: Copy>(table: &[(&str, T)], text: &str) -> Result<T, String> {
    let found = table.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let names: Vec<&str> = table.iter().map(|(name, _)| *name).collect();
        format!("`{text}` is none of {}", names.join(", "))
    })
}

/// What to do, where, at which pass, and how often from then on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// What.
    pub kind: Kind,
    /// Where.
    pub point: Point,
    /// How many passes there are until it is done.
    pub pass: u16,
    /// How often it is done, at each pass from then on.
    pub times: u16,
}

impl FromStr for Plan {
    type Err = String;

    /// `KIND@POINT`, `KIND@POINT:PASS` or `KIND@POINT:PASSxTIMES`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, place) =
            text.split_once('@').ok_or("a fault is KIND@POINT, KIND@POINT:PASS or KIND@POINT:PASSxTIMES")?;
        let (point, count) = place.split_once(':').unwrap_or((place, "1"));
        let (pass, times) = count.split_once('x').unwrap_or((count, "1"));
        let number = |text: &str| text.parse::<u16>().map_err(|error| format!("`{text}`: {error}"));
        Ok(Self { kind: kind.parse()?, point: point.parse()?, pass: number(pass)?, times: number(times)? })
    }
}

impl Plan {
    /// As it stands in the page: 0 is none.
    #[must_use]
    pub fn to_word(self) -> u64 {
        let place = |found: Option<usize>| found.map_or(0, |place| place as u64);
        let kind = place(KINDS.iter().position(|(_, kind)| *kind == self.kind));
        let point = place(POINTS.iter().position(|(_, point)| *point == self.point));
        1 << 63 | kind << 40 | point << 32 | u64::from(self.pass) << 16 | u64::from(self.times)
    }

    /// The plan in this word.
    #[must_use]
    pub fn of_word(word: u64) -> Option<Self> {
        if word >> 63 == 0 {
            return None;
        }
        let byte = |shift: u32| usize::from((word >> shift) as u8);
        Some(Self {
            kind: KINDS.get(byte(40))?.1,
            point: POINTS.get(byte(32))?.1,
            pass: (word >> 16) as u16,
            times: word as u16,
        })
    }

    /// What is left of it after a pass of `point`, and whether it is to be done now.
    #[must_use]
    pub const fn after(self, pass: u16) -> (Option<Self>, bool) {
        match (pass, self.times) {
            (_, 0) => (None, false),
            (0 | 1, 1) => (None, true),
            (0 | 1, times) => (Some(Self { pass: 1, times: times.saturating_sub(1), ..self }), true),
            (pass, _) => (Some(Self { pass: pass.saturating_sub(1), ..self }), false),
        }
    }
}

#[cfg(any(debug_assertions, feature = "faults"))]
pub use made::{arm, begin, on_input, point, trigger, use_page};
#[cfg(not(any(debug_assertions, feature = "faults")))]
pub use unmade::{arm, begin, on_input, point, trigger, use_page};

/// A build that is made to fail.
#[cfg(any(debug_assertions, feature = "faults"))]
mod made {
    use std::{alloc::Layout, hint, sync::OnceLock};

    use jobs::Input;

    use super::{
        super::page::{Page, Word},
        Kind, Plan, Point,
    };
    use crate::sys::{alloc, fail};

    static PAGE: OnceLock<Page<'static>> = OnceLock::new();

    /// Where the plan stands.
    pub fn use_page(page: Page<'static>) {
        let _ = PAGE.set(page);
    }

    /// Carries out this plan, unless one was begun before: an image that begins anew after a death does not begin with
    /// the same death.
    pub fn begin(plan: Plan) {
        if let Some(page) = PAGE.get().filter(|page| page.get(Word::ARMED) == 0) {
            page.set(Word::ARMED, 1);
            arm(plan);
        }
    }

    /// Carries out this plan from now on, also when PID 1 has executed itself.
    pub fn arm(plan: Plan) {
        if let Some(page) = PAGE.get() {
            page.set(Word::FAULT, plan.to_word());
        }
    }

    /// Fails here if that is the plan.
    pub fn point(point: Point) {
        let Some(page) = PAGE.get() else { return };
        let Some(plan) = Plan::of_word(page.get(Word::FAULT)).filter(|plan| plan.point == point) else {
            return;
        };
        let (left, now) = plan.after(plan.pass);
        page.set(Word::FAULT, left.map_or(0, Plan::to_word));
        if now {
            trigger(plan.kind);
        }
    }

    /// Fails in this way.
    #[expect(clippy::panic, reason = "it is what was asked for")]
    pub fn trigger(kind: Kind) {
        match kind {
            Kind::Panic => panic!("a fault on purpose"),
            Kind::Segv => fail::read_nowhere(),
            // Without a file to map there is nothing that could fail.
            Kind::Bus => drop(fail::read_behind_end()),
            Kind::Ill => fail::raise(libc::SIGILL),
            Kind::Fpe => fail::raise(libc::SIGFPE),
            Kind::Abort => std::process::abort(),
            Kind::Overflow => drop(deeper(&[0; 64], 0)),
            Kind::Oom => use_up(),
            Kind::Busy => loop {
                hint::spin_loop();
            },
        }
    }

    /// The event `onset-fault KIND=...` is a fault in the engine at this very input, and `onset-fault PLAN=...` a plan
    /// that is carried out from now on.
    pub fn on_input(input: &Input) {
        let Input::Event { event, .. } = input else { return };
        if event.name.as_str() != "onset-fault" {
            return;
        }
        if let Some(plan) = event.args.get("PLAN").and_then(|plan| plan.as_str().parse().ok()) {
            arm(plan);
        }
        if let Some(kind) = event.args.get("KIND").and_then(|kind| kind.as_str().parse().ok()) {
            trigger(kind);
        }
    }

    #[expect(unconditional_recursion, reason = "it is what was asked for")]
    fn deeper(above: &[u64; 64], depth: u64) -> u64 {
        let mut here = *above;
        here.iter_mut().for_each(|word| *word = word.wrapping_add(depth));
        let below = deeper(hint::black_box(&here), depth.wrapping_add(1));
        here.iter().fold(below, |sum, word| sum.wrapping_add(*word))
    }

    /// Takes all of the reserve. A program without one just does what Rust does when there is no memory.
    fn use_up() {
        alloc::deny(true);
        for _ in 0..alloc::RESERVE.wrapping_div(1_024).wrapping_mul(2) {
            hint::black_box(vec![1_u8; 1_024].leak());
        }
        std::alloc::handle_alloc_error(Layout::new::<u8>());
    }
}

/// A build that people run.
#[cfg(not(any(debug_assertions, feature = "faults")))]
mod unmade {
    use jobs::Input;

    use super::{super::page::Page, Kind, Plan, Point};

    /// Does nothing in this build.
    pub const fn use_page(_: Page<'static>) {}
    /// Does nothing in this build.
    pub const fn begin(_: Plan) {}
    /// Does nothing in this build.
    pub const fn arm(_: Plan) {}
    /// Does nothing in this build.
    pub const fn point(_: Point) {}
    /// Does nothing in this build.
    pub const fn trigger(_: Kind) {}
    /// Does nothing in this build.
    pub const fn on_input(_: &Input) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<Plan, &str>) {
        let plan: Result<Plan, String> = text.parse();
        assert_eq!(
            plan.clone().map_err(|error| error.contains(expected.unwrap_err())),
            expected.map_err(|_| true)
        );
        if let Ok(plan) = plan {
            assert_eq!(Plan::of_word(plan.to_word()), Some(plan));
        }
    }

    #[test]
    fn a_plan_is_read() {
        let plan = Plan { kind: Kind::Panic, point: Point::Step, pass: 1, times: 1 };
        check("panic@step", Ok(plan));
        check("panic@step:3", Ok(Plan { pass: 3, ..plan }));
        check("oom@snapshot:2x4", Ok(Plan { kind: Kind::Oom, point: Point::Snapshot, pass: 2, times: 4 }));
        check("panic", Err("KIND@POINT"));
        check("hiccup@step", Err("`hiccup` is none of panic, segv"));
        check("panic@lunch", Err("`lunch` is none of decode"));
        check("panic@step:x", Err("``"));
        assert_eq!(Plan::of_word(0), None);
    }

    #[test]
    fn the_manual_has_all_of_them() {
        let page = include_str!("../../../docs/survival.md");
        let names = KINDS.iter().map(|(name, _)| name).chain(POINTS.iter().map(|(name, _)| name));
        let missing: Vec<_> = names.filter(|name| !page.contains(&format!("`{name}`"))).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn it_is_done_at_its_pass_and_as_often_as_it_says() {
        let mut plan: Option<Plan> = Some("panic@step:3x2".parse().unwrap());
        let mut done = Vec::new();
        while let Some(it) = plan {
            let (left, now) = it.after(it.pass);
            plan = left;
            done.push(now);
        }
        assert_eq!(done, [false, false, true, true]);
    }
}
