//! Answers that are long: all at once if they fit, and in parts for who welcomes more than one.

use events::{Name, Time};
use serde_json::{Value, json};

use super::{
    client::{Client, Doing, MAX_ANSWER},
    hooks,
    order::Views,
    outcome, show, times,
};

/// The most things in one part.
const PART: usize = 64;

/// A long answer that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    what: Listed,
    /// The last thing that was told: its two names.
    after: Option<(String, String)>,
}

/// What is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// How all jobs are.
    Jobs,
    /// Who needs whom.
    Tree,
    /// What holds; of this name, if one is given.
    Facts(Option<Name>),
    /// All times that jobs ask for.
    Timers,
    /// What is attached to events that have hooks, or to this one; and files of hooks that are refused, with why.
    Hooks(Option<Name>, Vec<(String, String)>),
}

impl Listed {
    /// What the list is called in the answer.
    const fn name(&self) -> &'static str {
        match self {
            Self::Jobs | Self::Tree => "jobs",
            Self::Facts(_) => "facts",
            Self::Timers => "timers",
            Self::Hooks(..) => "hooks",
        }
    }

    /// All things behind `after`, by name.
    fn things(&self, views: &Views<'_>, after: Option<&(String, String)>) -> Vec<((String, String), Value)> {
        let mut things: Vec<((String, String), Value)> = match self {
            Self::Jobs => {
                let keyed = |status: jobs::Status| {
                    let key = (status.job.to_string(), status.instance.to_string());
                    is_behind(&key, after).then(|| (key, show::status(&status)))
                };
                views.engine.list().into_iter().filter_map(keyed).collect()
            }
            Self::Tree => {
                let keyed = |job: &std::sync::Arc<jobs::Job>| {
                    let key = (job.name.to_string(), String::new());
                    is_behind(&key, after).then(|| (key, show::node(job, views)))
                };
                views.engine.jobs().filter_map(keyed).collect()
            }
            Self::Facts(name) => {
                let keyed = |known: &jobs::Known| {
                    let key = (known.fact.name.to_string(), known.fact.identity.0.to_string());
                    is_behind(&key, after).then(|| (key, show::fact(known, views.engine)))
                };
                let facts = views.engine.facts().iter();
                let facts = facts.filter(|it| name.as_ref().is_none_or(|name| it.fact.name == *name));
                facts.filter_map(keyed).collect()
            }
            Self::Timers => {
                let keyed = |(pattern, timer): (String, Value)| {
                    let key = (pattern, String::new());
                    is_behind(&key, after).then_some((key, timer))
                };
                times::all(views).into_iter().filter_map(keyed).collect()
            }
            Self::Hooks(event, refused) => {
                let mut all = hooks::all(views, event.as_ref(), refused);
                all.retain(|(key, _)| is_behind(key, after));
                all
            }
        };
        things.sort_by(|(a, _), (b, _)| a.cmp(b));
        things
    }

    /// The whole list as one answer, if it fits.
    pub fn whole(&self, views: &Views<'_>) -> Result<Value, Value> {
        let things: Vec<Value> = self.things(views, None).into_iter().map(|(_, thing)| thing).collect();
        let size = serde_json::to_vec(&things).map_or(usize::MAX, |text| text.len());
        match size > MAX_ANSWER {
            true => Err(outcome::error("TooLarge", json!({}))),
            false => Ok(json!({ self.name(): things })),
        }
    }

    /// The beginning of an answer in parts.
    pub const fn begin(self) -> Cursor {
        Cursor { what: self, after: None }
    }
}

fn is_behind(key: &(String, String), after: Option<&(String, String)>) -> bool {
    after.is_none_or(|after| key > after)
}

/// Tells a client as many parts as it takes now.
pub fn turn(client: &mut Client, views: &Views<'_>, now: Time) {
    let Doing::Paging(mut cursor) = std::mem::replace(&mut client.doing, Doing::Nothing) else { return };
    let things = cursor.what.things(views, cursor.after.as_ref());
    let name = cursor.what.name();
    let mut rest = things.as_slice();
    while rest.len() > PART && client.has_room() {
        let (part, others) = rest.split_at(PART);
        let values: Vec<&Value> = part.iter().map(|(_, thing)| thing).collect();
        client.say(&outcome::part(&json!({ name: values })), now);
        cursor.after = part.last().map(|(key, _)| key.clone());
        rest = others;
    }
    if rest.len() > PART {
        client.doing = Doing::Paging(cursor);
        return;
    }
    let values: Vec<&Value> = rest.iter().map(|(_, thing)| thing).collect();
    client.say(&outcome::message(Ok(json!({ name: values }))), now);
}
