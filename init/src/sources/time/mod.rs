//! Times on the wall: the event `calendar`.
//!
//! What is due when is arithmetic, and that is in [`Timetable`]. Here is what it needs of the machine: two clocks, a
//! timer on the one that people set, which also tells that it was set, and the files of zones. Timers by the clock that
//! nobody sets are the engine's own.
//!
//! Without a calendar there is no descriptor, and with calendars there is no wake-up but for what is due.

pub mod zones;

use std::{collections::BTreeMap, io, os::fd::AsFd as _, sync::Arc};

use events::{
    Event, Key, Name, Pattern, Text, Time, Value,
    calendar::{Appointment, Clock, Lived, Place, Timetable, rfc3339},
};
use jobs::{Input, Origin, answer};
use nix::{
    errno::Errno,
    sys::{
        time::TimeSpec,
        timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
    },
    unistd::read,
};
use serde::{Deserialize, Serialize};

use self::zones::Zones;
use super::{Part, Past};
use crate::{
    pid1::{clock::wall, shell::Shell, token::Token},
    sys::poll::{Interest, Registration},
};

/// What tells when a calendar that catches up had come last, before this boot.
const LAST: &str = "calendar-last";
/// Events after which zones may be there whose files were not.
const MORE_FILES: [&str; 3] = ["local-filesystems", "filesystem", "settled"];
/// What asks whoever knows it for [`LAST`].
const ASK: &str = "calendar-ask";
/// A timer that never goes off by itself, only when the clock is set: in the year 10889.
const NEVER: i64 = 1 << 48;

/// What an image before this one knew.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Records {
    lived: Lived,
    /// Since when each is asked for, and which came last.
    rows: Vec<(Text, Time, Option<i64>)>,
    has_files: bool,
}

/// A calendar, as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The words that ask for it.
    pub pattern: Text,
    /// When it is due next; none if it never comes again, or its zone is not known.
    pub next: Option<i64>,
    /// How far ahead of UTC the zone is then.
    pub ahead: i64,
    /// For when it came last, also before this boot.
    pub last: Option<i64>,
    /// Whether what was missed comes once.
    pub catch_up: bool,
    /// Why it cannot come.
    pub fault: Option<String>,
}

/// The calendars of all jobs.
#[derive(Debug)]
pub struct Times {
    table: Timetable,
    /// Those whose zone is not known, and why.
    lost: BTreeMap<Text, (Pattern, Appointment, String)>,
    zones: Zones,
    alarm: Option<Alarm>,
    /// Whether all is known that an image before this one knew.
    goes_on: bool,
    /// Whether it is to be asked when calendars came last.
    asks: bool,
    /// Whether all file systems are there, so that a file that is missing is missing.
    has_files: bool,
    warnings: Vec<String>,
}

/// A timer on the wall.
#[derive(Debug)]
struct Alarm {
    timer: TimerFd,
    at: Registration,
    due: Option<i64>,
}

/// What both clocks show.
fn clock(now: Time) -> Clock {
    Clock { boot: now, wall: wall().div_euclid(1_000) }
}

impl Times {
    /// None are asked for yet.
    #[must_use]
    pub fn new(shell: &Shell<'_>, past: &Past<'_>) -> Self {
        let lived = past.records.time.lived.clone();
        Self {
            table: Timetable::new(lived),
            lost: BTreeMap::new(),
            zones: Zones::new(shell.options.root.as_ref()),
            alarm: None,
            goes_on: false,
            asks: false,
            has_files: past.records.time.has_files,
            warnings: Vec::new(),
        }
    }

    /// What was asked for under an image before this one goes on: to be called when all is watched again.
    pub fn go_on(&mut self, shell: &mut Shell<'_>, past: &Past<'_>) {
        let clock = clock(shell.now);
        for (key, since, last) in &past.records.time.rows {
            self.table.restore(key, Some(*since), *last, clock);
        }
        // What came since that was written down is in the engine, or on the way there.
        let told = past.engine.asked().into_iter().filter_map(|asked| {
            let moment = asked.moment.and_then(moment_of)?;
            Some((asked.pattern.to_string(), moment))
        });
        let waiting = past.waiting.iter().filter_map(|input| {
            let Input::Event { event, origin: Origin::World, .. } = input else { return None };
            let moment = event.args.get("TIME").filter(|_| event.name == Appointment::EVENT);
            Some((jobs::asked_for(event).to_string(), moment_of(moment?)?))
        });
        for (key, moment) in told.chain(waiting) {
            self.table.has_come(&key, moment, clock);
        }
        self.goes_on = true;
        // An image before this one has asked already, if it could.
        self.asks &= !self.has_files;
        self.look(shell, clock);
        self.arm(shell);
    }

    /// A condition asks for a time.
    pub fn watch(&mut self, shell: &mut Shell<'_>, pattern: &Pattern) {
        // What asks for no time hears of those that others ask for.
        let Ok(appointment) = Appointment::of(pattern) else { return };
        let clock = clock(shell.now);
        if !self.goes_on {
            // What came meanwhile is told when it is known what came before.
            return self.put(pattern, appointment, clock);
        }
        self.look(shell, clock);
        self.put(pattern, appointment, clock);
        self.ask(shell);
        self.arm(shell);
    }

    fn put(&mut self, pattern: &Pattern, appointment: Appointment, clock: Clock) {
        let zone = match &appointment.place {
            Place::Zone(zone) => Ok(Arc::new(zone.clone())),
            Place::Here => Ok(self.zones.here()),
            Place::Named(name) => self.zones.named(name),
        };
        match zone {
            Ok(zone) => {
                self.asks |= appointment.catch_up;
                self.table.watch(pattern, appointment, zone, self.zones.seed(), clock);
            }
            Err(why) => {
                let key = Text::from(pattern.to_string());
                if self.has_files {
                    self.warnings.push(format!("`{pattern}` never comes: {why}"));
                }
                self.lost.insert(key, (pattern.clone(), appointment, why));
            }
        }
    }

    /// No condition asks for it any longer.
    pub fn unwatch(&mut self, shell: &mut Shell<'_>, pattern: &Pattern) {
        self.lost.remove(pattern.to_string().as_str());
        self.table.unwatch(pattern);
        self.arm(shell);
    }

    /// The clock has come to what is due, or it was set.
    pub fn ready(&mut self, shell: &mut Shell<'_>) {
        if let Some(alarm) = &mut self.alarm {
            alarm.due = None;
            let mut count = [0; 8];
            match read(alarm.timer.as_fd(), &mut count) {
                // It was set: the table sees that by the clocks themselves.
                Ok(_) | Err(Errno::ECANCELED | Errno::EAGAIN | Errno::EINTR) => {}
                Err(error) => {
                    self.warnings.push(format!("the clock on the wall cannot be waited for: {error}"))
                }
            }
        }
        self.look(shell, clock(shell.now));
        self.arm(shell);
    }

    /// The files of zones have changed.
    pub fn zone_changed(&mut self, shell: &mut Shell<'_>) {
        if self.zones.has_changed() {
            self.set_zone(shell);
        }
    }

    fn set_zone(&mut self, shell: &mut Shell<'_>) {
        let clock = clock(shell.now);
        self.look(shell, clock);
        if self.table.is_empty() {
            return;
        }
        let zone = self.zones.here();
        let here = |place: &Place| matches!(place, Place::Here);
        let keys = self.table.rows().filter(|(_, row)| here(&row.appointment.place) && *row.zone != *zone);
        let keys: Vec<Text> = keys.map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.table.set_zone(&key, zone.clone(), clock);
        }
        self.arm(shell);
    }

    /// An event is being worked off.
    pub fn told(&mut self, shell: &mut Shell<'_>, event: &Event) {
        if event.name == LAST {
            let moment = event.args.get("TIME").and_then(moment_of);
            let pattern = Pattern { name: Name::constant(Appointment::EVENT), ..jobs::asked_for(event) };
            self.table.restore(&pattern.to_string(), None, moment, clock(shell.now));
            self.arm(shell);
        } else if MORE_FILES.contains(&event.name.as_str()) {
            self.has_files = true;
            self.zones.forget();
            self.set_zone(shell);
            let clock = clock(shell.now);
            for (pattern, appointment, _) in std::mem::take(&mut self.lost).into_values() {
                self.put(&pattern, appointment, clock);
            }
            self.ask(shell);
            self.arm(shell);
        }
    }

    /// What people should know.
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// Tells what is due.
    fn look(&mut self, shell: &mut Shell<'_>, clock: Clock) {
        for occurrence in self.table.advance(clock) {
            let mut event = answer(&occurrence.pattern);
            if let Ok(moment) = Value::new(&rfc3339(occurrence.moment, occurrence.ahead)) {
                event.args.push(Key::constant("TIME"), moment);
            }
            shell.report(Input::Event { event, origin: Origin::World, reply: None });
        }
    }

    /// Asks when calendars that catch up came last, if that is not known.
    fn ask(&mut self, shell: &mut Shell<'_>) {
        if self.has_files && std::mem::take(&mut self.asks) {
            let event = Event::new(Name::constant(ASK));
            shell.report(Input::Event { event, origin: Origin::World, reply: None });
        }
    }

    /// Has the kernel call when something is due, or the clock is set.
    fn arm(&mut self, shell: &mut Shell<'_>) {
        if self.table.is_empty() {
            if let Some(alarm) = self.alarm.take() {
                shell.poll.remove(&alarm.timer, alarm.at);
            }
            self.zones.unwatch(shell);
            return;
        }
        self.zones.watch(shell);
        let due = self.table.due().unwrap_or(NEVER).max(1);
        if let Err(error) = self.set_alarm(shell, due) {
            self.warnings.push(format!("the clock on the wall cannot be waited for: {error}"));
        }
    }

    fn set_alarm(&mut self, shell: &mut Shell<'_>, due: i64) -> io::Result<()> {
        let alarm = match &mut self.alarm {
            Some(alarm) => alarm,
            none => {
                let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
                let timer = TimerFd::new(ClockId::CLOCK_REALTIME, flags)?;
                let at = shell.poll.add(&timer, Interest::Read, Token::Source(Part::Wall))?;
                none.insert(Alarm { timer, at, due: None })
            }
        };
        if alarm.due == Some(due) {
            return Ok(());
        }
        let flags = TimerSetTimeFlags::TFD_TIMER_ABSTIME | TimerSetTimeFlags::TFD_TIMER_CANCEL_ON_SET;
        let at = TimeSpec::new(due, 0);
        // That it was set since it was armed last is told once, here or by a read: then the table looks again.
        match alarm.timer.set(Expiration::OneShot(at), flags) {
            Ok(()) => {}
            Err(Errno::ECANCELED) => alarm.timer.set(Expiration::OneShot(at), flags)?,
            Err(error) => return Err(error.into()),
        }
        alarm.due = Some(due);
        Ok(())
    }

    /// What the image after this one needs.
    #[must_use]
    pub fn records(&self) -> Records {
        let rows = self.table.rows().map(|(key, row)| (key.clone(), row.since, row.last));
        let (lived, has_files) = (self.table.lived().clone(), self.has_files);
        Records { lived, rows: rows.collect(), has_files }
    }

    /// Every calendar.
    #[must_use]
    pub fn due(&self) -> Vec<Due> {
        let known = self.table.rows().map(|(key, row)| Due {
            pattern: key.clone(),
            next: row.due,
            ahead: row.zone.ahead(row.due.or(row.last).unwrap_or(0)),
            last: row.last,
            catch_up: row.appointment.catch_up,
            fault: None,
        });
        let lost = self.lost.iter().map(|(key, (_, appointment, why))| Due {
            pattern: key.clone(),
            next: None,
            ahead: 0,
            last: None,
            catch_up: appointment.catch_up,
            fault: Some(why.clone()),
        });
        known.chain(lost).collect()
    }

    /// How many calendars there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len().saturating_add(self.lost.len())
    }
}

/// The moment that an event's `TIME` says.
fn moment_of(text: &Value) -> Option<i64> {
    events::calendar::moment(text.as_str())
}
