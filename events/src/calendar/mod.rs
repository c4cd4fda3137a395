//! The calendar: times of day, days and dates as people write them, in the zones that people live in.
//!
//! Time on the wall is not like time since boot: it is set, it has hours that come twice or never, and it can be wrong
//! by decades until somebody sets it. What follows from that is here, and all of it is arithmetic:
//!
//! - [`Calendar`]: the expression, such as `Mon..Fri 03:00`, and which moment is its next.
//! - [`Zone`]: from moments to what clocks on the wall show, by TZif files and POSIX rules.
//! - [`Appointment`] and [`Timer`]: what a pattern of the event `calendar` or `timer` asks for.
//! - [`Timetable`]: which occurrences are due when the clock shows this, none of them twice.
//!
//! A moment is a number of seconds since 1970 in UTC. A wall time is what a clock on the wall shows then, as the number
//! of seconds that it would be if the wall were in UTC.

mod appointment;
mod civil;
mod expression;
mod fault;
mod lived;
mod next;
mod timer;
mod timetable;
mod zone;

pub use appointment::{Appointment, Place};
pub use civil::{Civil, moment, rfc3339};
pub use expression::{Calendar, CalendarError};
pub use fault::TimeFault;
pub use lived::{Clock, Lived};
pub use timer::Timer;
pub use timetable::{Occurrence, Row, Timetable};
pub use zone::{Zone, ZoneError};
