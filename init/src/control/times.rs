//! Times that jobs ask for, as JSON.

use std::collections::BTreeMap;

use events::{Time, calendar::rfc3339};
use jobs::Asked;
use serde_json::{Value, json};

use super::order::Views;
use crate::pid1::clock;

/// All of them, by the words that ask for them.
pub fn all(views: &Views<'_>) -> Vec<(String, Value)> {
    shown(views.engine.asked(), views)
}

/// Those that a job asks for.
pub fn of(job: &str, views: &Views<'_>) -> Vec<Value> {
    let asked = views.engine.asked_by(job);
    if asked.is_empty() {
        return Vec::new();
    }
    shown(asked, views).into_iter().map(|(_, timer)| timer).collect()
}

fn shown(asked: Vec<Asked<'_>>, views: &Views<'_>) -> Vec<(String, Value)> {
    let (now, wall) = (clock::now(), clock::wall());
    let calendars = (views.calendars)();
    let calendars: BTreeMap<&str, _> = calendars.iter().map(|due| (due.pattern.as_str(), due)).collect();
    let mut all = Vec::new();
    for asked in asked {
        let pattern = asked.pattern.to_string();
        let ago = asked.last.map(|last| length(last, now));
        let mut timer = json!({
            "pattern": pattern,
            "jobs": asked.jobs.iter().map(|job| job.as_str()).collect::<Vec<_>>(),
            "next": asked.due.map(|due| moment(due, now, wall)),
            "in": asked.due.map(|due| length(now, due)),
            "last": asked.last.map(|last| moment(last, now, wall)),
            "ago": ago,
            "catch_up": false,
            "fault": null,
        });
        if let (Some(due), Some(timer)) = (calendars.get(pattern.as_str()), timer.as_object_mut()) {
            let ahead = due.ahead;
            let left = due.next.map(|next| next.saturating_mul(1_000).saturating_sub(wall).max(0));
            timer.insert("next".into(), json!(due.next.map(|next| rfc3339(next, ahead))));
            timer.insert("in".into(), json!(left));
            timer.insert("last".into(), json!(due.last.map(|last| rfc3339(last, ahead))));
            timer.insert("catch_up".into(), json!(due.catch_up));
            timer.insert("fault".into(), json!(due.fault));
        }
        all.push((pattern, timer));
    }
    all
}

fn length(from: Time, until: Time) -> u64 {
    until.0.saturating_sub(from.0)
}

/// What a clock on the wall shows at a time since boot, if nobody sets it; `wall` is what it shows now, in milliseconds.
fn moment(time: Time, now: Time, wall: i64) -> String {
    let signed = |time: Time| i64::try_from(time.0).unwrap_or(i64::MAX);
    let at = wall.saturating_add(signed(time).saturating_sub(signed(now)));
    rfc3339(at.div_euclid(1_000), 0)
}
