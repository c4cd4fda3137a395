//! What each request does.

use events::{
    Args, Key, Time, Value as Word,
    control::{
        Answers, Call, DESCRIPTION, Fault, Going, INTERFACE, Method, Request, Rights, SERVICE,
        SERVICE_DESCRIPTION, Target, Wish,
    },
};
use jobs::{Input, Origin, ReplyId, Shutdown, Verb};
use serde_json::{Value, json};

use super::{
    Asked, Control, Order, Pending, Question, TURNS, Views, caller::Caller, client::Doing, clients::DEAR,
    hooks, limits, outcome, pages::Listed, show, watch,
};
use crate::pid1::shell::Shell;

/// How many modes that job files name are told.
const MODES: usize = 256;

/// What comes of a request.
enum Step {
    /// The answer is there.
    Answer(Result<Value, Value>),
    /// It comes later, under this number.
    Later(ReplyId),
    /// It comes later, and the loop has something to do for it.
    Ordered(ReplyId, Order),
    /// The answer is there, and the loop has something to do.
    AnswerAndOrder(Value, Order),
    /// The answer may be long.
    List(Listed),
    /// Everything that happens is told from now on.
    Watch,
}

impl From<Result<Value, Value>> for Step {
    fn from(answer: Result<Value, Value>) -> Self {
        Self::Answer(answer)
    }
}

impl Control {
    /// Does what a message says.
    pub(super) fn message(
        &mut self,
        shell: &mut Shell<'_>,
        views: &Views<'_>,
        number: u32,
        message: &[u8],
    ) -> Option<Order> {
        let client = self.clients.get_mut(number)?;
        client.asked = shell.now;
        let (uid, trusted) = (client.peer.uid, client.peer.trusted);
        (views.decoding)(Some(uid));
        let read = read(message, trusted);
        (views.decoding)(None);
        let (request, more, oneway) = match read {
            Ok(read) => read,
            Err(error) => {
                self.charge(number, uid, 1, shell.now);
                let client = self.clients.get_mut(number)?;
                client.answer(Err(error.value));
                if error.is_last {
                    client.leave();
                }
                return None;
            }
        };
        let dear = matches!(
            request,
            Request::List
                | Request::Tree
                | Request::Facts(_)
                | Request::Timers
                | Request::Hooks(_)
                | Request::Limits
                | Request::Settled { .. }
        );
        self.charge(number, uid, if dear { DEAR } else { 1 }, shell.now);
        let acts = matches!(
            request,
            Request::Act { .. }
                | Request::Emit { .. }
                | Request::SetFact { .. }
                | Request::SetMode(_)
                | Request::Shutdown { .. }
        );
        // Without a name it is the caller's own job that is asked about.
        let nameless = matches!(
            &request,
            Request::Status(target) | Request::Why(target) | Request::Show(target) if target.job.is_none()
        );
        let client = self.clients.get_mut(number)?;
        let origin = (acts || nameless).then(|| client.peer.origin(views.life_of_pid));
        let mut step =
            self.serve(shell, &Caller { number, origin, trusted, more: more && !oneway, views }, request);
        if let Step::Answer(answer) = step {
            step = Step::Answer(self.explained(answer));
        }
        let client = self.clients.get_mut(number)?;
        if oneway {
            // An answer that is there already is dropped by what it is answered to.
            client.doing = Doing::Waiting { reply: ReplyId(0), oneway };
        }
        match step {
            Step::Answer(answer) => client.answer(answer),
            Step::Later(reply) => client.doing = Doing::Waiting { reply, oneway },
            Step::Ordered(reply, order) => {
                client.doing = Doing::Waiting { reply, oneway };
                return Some(order);
            }
            Step::AnswerAndOrder(answer, order) => {
                client.answer(Ok(answer));
                return Some(order);
            }
            Step::List(listed) if more && !oneway => client.doing = Doing::Paging(listed.begin()),
            Step::List(listed) => client.answer(listed.whole(views)),
            Step::Watch if oneway => client.doing = Doing::Nothing,
            Step::Watch => watch::begin(client, shell.now),
        }
        None
    }

    /// A client has asked for something of this cost: it counts for his user, and for this turn of the loop.
    fn charge(&mut self, number: u32, uid: u32, cost: u32, now: Time) {
        self.clients.spend(uid, cost, now);
        let heard = self.turns.spend(cost);
        if let Some(client) = self.clients.get_mut(number) {
            client.heard = heard;
        }
    }

    fn serve(&mut self, shell: &mut Shell<'_>, caller: &Caller<'_>, request: Request) -> Step {
        if let Some(why) = self.refusal(&request) {
            return Step::Answer(Err(outcome::refused(None, why)));
        }
        let views = caller.views;
        match request {
            Request::Act { wish, target, force, wait } => self.act(shell, caller, wish, &target, force, wait),
            Request::Status(target) => caller.status(&target, &self.records.faults).into(),
            Request::Why(target) => caller.why(&target).into(),
            Request::Show(target) => caller.show(&target).into(),
            Request::List => Step::List(Listed::Jobs),
            Request::Tree => Step::List(Listed::Tree),
            Request::Facts(name) => {
                let is_known =
                    self.knows_devices || name.as_ref().is_some_and(|name| name.as_str() != "device");
                if is_known {
                    return Step::List(Listed::Facts(name));
                }
                self.wants_devices = true;
                let reply = self.number();
                self.later(caller, reply, Asked::Facts { name, more: caller.more })
            }
            Request::Timers => Step::List(Listed::Timers),
            Request::Hooks(event) => Step::List(Listed::Hooks(event, hooks::refused(&self.records.faults))),
            Request::Events => {
                self.wants_devices = true;
                Step::Watch
            }
            Request::Emit { event, wait } => {
                let text = event.to_string();
                let reply = wait.then(|| self.number());
                let input = Input::Event { event, origin: caller.origin(), reply };
                match (shell.hear(input), reply) {
                    (Err(_), _) => Step::Answer(Err(busy())),
                    (Ok(()), None) => Step::Answer(Ok(json!({}))),
                    (Ok(()), Some(reply)) => self.later(caller, reply, Asked::Emit(text)),
                }
            }
            Request::Await(question) => self.go_on_waiting(caller, ReplyId(question)),
            Request::SetFact { fact, keep } => {
                let origin = match caller.origin() {
                    Origin::Job(_) if keep => Origin::Person(0),
                    origin @ (Origin::Job(_) | Origin::Person(_) | Origin::World) => origin,
                };
                pushed(shell, Input::Began { fact, origin })
            }
            Request::UnsetFact(fact) => {
                pushed(shell, Input::Ended { name: fact.name, identity: fact.identity })
            }
            Request::SetMode(mode) => pushed(shell, Input::Mode { mode, origin: caller.origin() }),
            Request::EnumerateDevices(devices) => Step::AnswerAndOrder(json!({}), Order::Devices(devices)),
            Request::GetMode => {
                let mode = views.engine.mode().map(|mode| mode.as_str());
                let modes: Vec<&str> = views.engine.modes().into_iter().take(MODES).collect();
                Step::Answer(Ok(json!({ "mode": mode, "modes": modes })))
            }
            Request::Limits => Step::Answer(Ok(limits::all(&self.clients, views, shell.bus))),
            Request::ReloadConfiguration => {
                self.ordered(caller, |reply| Order::ReloadConfiguration { reply })
            }
            Request::Reexec => self.ordered(caller, |reply| Order::Reexec { reply }),
            Request::Shutdown { kind, fast } => match (views.obstacle)(shutdown(kind)) {
                Some(why) => Step::Answer(Err(outcome::refused(None, why))),
                None => Step::AnswerAndOrder(
                    json!({}),
                    Order::Shutdown { kind: shutdown(kind), fast, origin: caller.origin() },
                ),
            },
            Request::SwitchRoot { root, init } => {
                self.ordered(caller, |reply| Order::SwitchRoot { root, init, reply })
            }
            Request::Version => Step::Answer(Ok(json!({
                "version": env!("CARGO_PKG_VERSION"),
                "pid": std::process::id(),
                "started": self.records.started.0,
            }))),
            Request::GetLogLevel => Step::Answer(Ok(json!({ "level": self.records.level }))),
            Request::SetLogLevel(level) => {
                self.records.level = level.name().into();
                Step::AnswerAndOrder(json!({ "level": level.name() }), Order::LogLevel(level))
            }
            Request::GetRunLevel => {
                let (previous, level) = &self.records.levels;
                Step::Answer(Ok(json!({ "previous": show::some(previous), "level": show::some(level) })))
            }
            Request::Settled { wait } => {
                let settled = self.records.settled;
                if settled || !wait {
                    return Step::Answer(Ok(show::settled(settled, views)));
                }
                let reply = self.number();
                self.later(caller, reply, Asked::Settled)
            }
            Request::SetEnv { key, value, retain } => changed(self.set_env(key, value, retain)),
            Request::UnsetEnv(key) => changed(self.unset_env(&key)),
            Request::GetEnv(key) => self.get_env(&key).into(),
            Request::ListEnv => {
                let variable =
                    |(key, value): (&Key, &Word)| json!({ "key": key.as_str(), "value": value.as_str() });
                let variables: Vec<Value> = self.records.environment.iter().map(variable).collect();
                Step::Answer(Ok(json!({ "variables": variables })))
            }
            Request::ResetEnv => {
                self.records.environment = Args::new();
                changed(Ok(json!({})))
            }
            Request::GetInfo => Step::Answer(Ok(json!({
                "vendor": "Onset",
                "product": "onset",
                "version": env!("CARGO_PKG_VERSION"),
                "url": env!("CARGO_PKG_REPOSITORY"),
                "interfaces": [SERVICE, INTERFACE],
            }))),
            Request::GetInterfaceDescription(interface) => match interface.as_str() {
                INTERFACE => Step::Answer(Ok(json!({ "description": DESCRIPTION }))),
                SERVICE => Step::Answer(Ok(json!({ "description": SERVICE_DESCRIPTION }))),
                _ => Step::Answer(Err(outcome::fault(&Fault::Interface(interface)))),
            },
        }
    }

    fn act(
        &mut self,
        shell: &mut Shell<'_>,
        caller: &Caller<'_>,
        wish: Wish,
        target: &Target,
        force: bool,
        wait: bool,
    ) -> Step {
        let (job, args) = match caller.named(target) {
            Ok(named) => named,
            Err(error) => return Step::Answer(Err(error)),
        };
        let reply = self.number();
        let instance = match &target.instance {
            Some(instance) => instance.clone(),
            None => caller.views.engine.instance_name(&job, &args).unwrap_or_default(),
        };
        let turns = (!wait).then_some(TURNS);
        let asked = Asked::Act { job: job.as_str().into(), instance, turns };
        let (verb, origin) = (verb(wish), caller.origin());
        match shell.hear(Input::Command { verb, job, args, force, origin, reply: Some(reply) }) {
            Ok(()) => self.later(caller, reply, asked),
            Err(_) => Step::Answer(Err(busy())),
        }
    }

    /// A number that no other question has.
    const fn number(&mut self) -> ReplyId {
        self.records.asked = self.records.asked.saturating_add(1);
        ReplyId(self.records.asked)
    }

    fn later(&mut self, caller: &Caller<'_>, reply: ReplyId, asked: Asked) -> Step {
        self.pending.insert(reply, Pending { client: caller.number, asked });
        Step::Later(reply)
    }

    /// Somebody comes back for an answer.
    fn go_on_waiting(&mut self, caller: &Caller<'_>, reply: ReplyId) -> Step {
        let uid = self.clients.uid(caller.number);
        let questions = &mut self.records.questions;
        let is_meant =
            |question: &Question| question.reply == reply && (Some(question.uid) == uid || uid == Some(0));
        let Some(place) = questions.iter().position(is_meant) else {
            return Step::Answer(Err(outcome::error("Restarted", json!({}))));
        };
        let Question { asked, outcome, .. } = questions.swap_remove(place);
        match outcome {
            Some(outcome) => Step::Answer(asked.answer(&outcome, caller.views)),
            None if asked == Asked::Settled && self.records.settled => {
                Step::Answer(Ok(show::settled(true, caller.views)))
            }
            None => self.later(caller, reply, asked),
        }
    }

    fn ordered(&mut self, caller: &Caller<'_>, order: impl FnOnce(ReplyId) -> Order) -> Step {
        let reply = self.number();
        self.pending.insert(reply, Pending { client: caller.number, asked: Asked::Order });
        Step::Ordered(reply, order(reply))
    }

    fn set_env(&mut self, key: Key, value: Word, retain: bool) -> Result<Value, Value> {
        if retain && self.records.environment.get(&key).is_some() {
            return Ok(json!({}));
        }
        match self.records.environment.set(key, value) {
            true => Ok(json!({})),
            false => Err(outcome::refused(None, "there are as many variables as there may be")),
        }
    }

    fn unset_env(&mut self, key: &Key) -> Result<Value, Value> {
        let known = self.records.environment.iter();
        let others = known.filter(|(known, _)| *known != key);
        let others: Args = others.map(|(key, value)| (key.clone(), value.clone())).collect();
        if others.len() == self.records.environment.len() {
            return Err(outcome::error("NoSuchVariable", json!({ "key": key.as_str() })));
        }
        self.records.environment = others;
        Ok(json!({}))
    }

    fn get_env(&self, key: &Key) -> Result<Value, Value> {
        match self.records.environment.get(key) {
            Some(value) => Ok(json!({ "value": value.as_str() })),
            None => Err(outcome::error("NoSuchVariable", json!({ "key": key.as_str() }))),
        }
    }
}

/// A call that is not carried out.
struct Unread {
    value: Value,
    /// Whether the connection cannot go on: nobody knows what the next byte belongs to.
    is_last: bool,
}

/// The request in a message, whether more answers than one are welcome, and whether none is.
fn read(message: &[u8], trusted: bool) -> Result<(Request, bool, bool), Unread> {
    let unread =
        |fault: Fault| Unread { is_last: matches!(fault, Fault::NoJson(_)), value: outcome::fault(&fault) };
    let call = Call::read(message).map_err(unread)?;
    let method = Method::find(&call.method).map_err(unread)?;
    // Before any parameter is looked at.
    if method.rights == Rights::Root && !trusted {
        let value = outcome::service_error("PermissionDenied", json!({}));
        return Err(Unread { value, is_last: false });
    }
    let (more, oneway) = (call.more && method.answers != Answers::Once, call.oneway);
    method.request(call).map(|request| (request, more, oneway)).map_err(unread)
}

fn pushed(shell: &mut Shell<'_>, input: Input) -> Step {
    Step::Answer(shell.hear(input).map(|()| json!({})).map_err(|_| busy()))
}

/// What came of a change of the variables that all processes get.
fn changed(answer: Result<Value, Value>) -> Step {
    match answer {
        Ok(answer) => Step::AnswerAndOrder(answer, Order::Environment),
        Err(error) => Step::Answer(Err(error)),
    }
}

fn busy() -> Value {
    outcome::error("Busy", json!({ "reason": "too much waits to be worked off: try again" }))
}

const fn verb(wish: Wish) -> Verb {
    match wish {
        Wish::Start => Verb::Start,
        Wish::Stop => Verb::Stop,
        Wish::Restart => Verb::Restart,
        Wish::Reload => Verb::Reload,
    }
}

const fn shutdown(kind: Going) -> Shutdown {
    match kind {
        Going::Poweroff => Shutdown::Poweroff,
        Going::Reboot => Shutdown::Reboot,
        Going::Halt => Shutdown::Halt,
        Going::Kexec => Shutdown::Kexec,
    }
}
