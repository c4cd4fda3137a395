//! Steering: PID 1's side of the control socket.
//!
//! Whoever connects is known by the kernel's word ([`Peer`]) before anything of him is read. Of what he sends at
//! most one message is kept, of what he is to be told at most one answer and a bounded stretch of events: nobody
//! can make PID 1 grow, and who does not read, or does not finish what he began to say, is left.
//!
//! What can be told from the engine is told at once. What jobs shall do goes on the bus with a number
//! ([`ReplyId`]), under which the engine's answer comes back. What only the loop can do is given to it as an
//! [`Order`]; its answer comes back under a number, too.
//!
//! | file | holds |
//! | --- | --- |
//! | `listener` | the socket that people connect to |
//! | `client` | one connection: its buffers, and what it waits for |
//! | `clients` | how many may connect, and who has to go |
//! | `turns` | who is heard in a turn of the loop, and how much of him |
//! | `serve` | what each request does |
//! | `caller` | who calls, which job is meant, and what is told of it |
//! | `pages` | answers that come in parts |
//! | `show` | how jobs are, as JSON |
//! | `outcome` | answers of the engine, as JSON |
//! | `limits` | every bound |
//! | `safe` | what is done in safe mode |

mod caller;
mod client;
mod clients;
mod hooks;
mod limits;
mod listener;
mod order;
mod outcome;
mod pages;
mod peer;
mod safe;
mod serve;
mod show;
mod times;
mod turns;
mod watch;

use std::{collections::BTreeMap, mem, path::Path};

use events::{Args, Name, Text, Time, control::LogLevel};
use jobs::{Outcome, ReplyId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    pid1::{shell::Shell, token::Token},
    store::Kept,
    sys::poll::Ready,
};
use client::{Client, Doing};
use clients::Clients;
pub use limits::Limit;
use listener::Listener;
pub use listener::{LISTENER, Place, abstract_name};
pub use order::{Fault, Loaded, Order, Views};
use pages::Listed;
use peer::Peer;
use turns::Turns;

/// How many turns a command that nobody waits for may take until it is answered: it is in line behind others.
const TURNS: u8 = 8;

/// PID 1's side of the control socket.
#[derive(Debug)]
pub struct Control {
    listener: Listener,
    clients: Clients,
    turns: Turns,
    pending: BTreeMap<ReplyId, Pending>,
    records: Records,
    /// In safe mode: why most is refused.
    safe: Option<String>,
    /// Whether somebody has asked for what only a look at all devices tells.
    wants_devices: bool,
    /// Whether the facts of devices are told without waiting.
    knows_devices: bool,
}

/// How many faults of files are kept to be shown.
const FAULTS: usize = 256;

/// How many questions are kept for askers who may come back.
const QUESTIONS: usize = 256;

/// What outlives a re-exec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Records {
    /// The number of the last question.
    asked: u64,
    /// When Onset first listened.
    started: Time,
    /// What is logged, by name.
    level: String,
    /// Variables of all jobs that somebody has set.
    environment: Args,
    /// The run level before this one, and this one; empty if there was none.
    levels: (Text, Text),
    /// Whether the boot has settled.
    settled: bool,
    /// Users who may not connect any more.
    barred: Vec<u32>,
    /// What is wrong in the job files.
    faults: Vec<Fault>,
    /// Questions that were open when PID 1 was last about to execute itself.
    questions: Vec<Question>,
}

impl Records {
    /// Nobody has asked anything yet.
    #[must_use]
    pub fn new(now: Time) -> Self {
        Self {
            asked: 0,
            started: now,
            level: LogLevel::Message.name().into(),
            environment: Args::new(),
            levels: Default::default(),
            settled: false,
            barred: Vec::new(),
            faults: Vec::new(),
            questions: Vec::new(),
        }
    }
}

/// A question whose asker may come back for the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Question {
    reply: ReplyId,
    /// Who asked.
    uid: u32,
    asked: Asked,
    /// The answer, if it came before the asker.
    outcome: Option<Outcome>,
}

/// A question that has no answer yet.
#[derive(Debug)]
struct Pending {
    /// Who asked.
    client: u32,
    asked: Asked,
}

/// What was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Asked {
    /// That a job does something.
    Act { job: Text, instance: Text, turns: Option<u8> },
    /// That an event happens.
    Emit(String),
    /// Whether the boot has settled.
    Settled,
    /// Something that only the loop does.
    Order,
    /// What holds, devices too; in parts if there are more than one.
    Facts { name: Option<Name>, more: bool },
}

impl Asked {
    /// Whether the answer can still come when PID 1 has executed itself.
    const fn can_be_awaited(&self) -> bool {
        match self {
            Self::Act { turns, .. } => turns.is_none(),
            Self::Emit(_) | Self::Settled => true,
            Self::Order | Self::Facts { .. } => false,
        }
    }

    /// What the engine's answer is to the asker.
    fn answer(&self, outcome: &Outcome, views: &Views<'_>) -> Result<Value, Value> {
        match self {
            Self::Act { job, instance, .. } => outcome::of_act(job, instance, outcome, views),
            Self::Emit(event) => outcome::of_emit(event, outcome, views),
            Self::Settled | Self::Order => Ok(json!({})),
            Self::Facts { name, .. } => Listed::Facts(name.clone()).whole(views),
        }
    }
}

impl Control {
    /// Begins to listen at `path`, or under an abstract name if nothing can be made there.
    pub fn new(shell: &mut Shell<'_>, path: &Path) -> Self {
        let records = Records::new(shell.now);
        Self::resume(shell, path, records, None)
    }

    /// The same, going on where PID 1 was before it executed itself again. Whoever was connected then is gone.
    pub fn resume(shell: &mut Shell<'_>, path: &Path, records: Records, kept: Option<Kept>) -> Self {
        let clients = Clients::new(records.barred.clone());
        Self {
            listener: Listener::go_on(shell, path, kept),
            clients,
            turns: Turns::new(),
            pending: BTreeMap::new(),
            records,
            safe: None,
            wants_devices: false,
            knows_devices: false,
        }
    }

    /// What must be kept over a re-exec.
    #[must_use]
    pub const fn records(&self) -> &Records {
        &self.records
    }

    /// Where we listen.
    #[must_use]
    pub fn place(&self) -> &Place {
        self.listener.place()
    }

    /// Listens anew: `/run` can be written now, or somebody has removed the socket.
    pub fn listen_again(&mut self, shell: &mut Shell<'_>) {
        self.listener.open(shell);
    }

    /// Ends all connections, and listens no more.
    pub fn close(self, shell: &mut Shell<'_>) {
        // First nobody is let in any more: who is sent away comes back at once.
        self.listener.close(shell);
        self.clients.close(shell);
    }

    /// What is logged.
    #[must_use]
    pub fn level(&self) -> LogLevel {
        self.records.level.parse().unwrap_or(LogLevel::Message)
    }

    /// Variables that every process of jobs gets besides its own.
    #[must_use]
    pub const fn environment(&self) -> &Args {
        &self.records.environment
    }

    /// What is wrong in the job files that were read last: whoever asks for such a job's status sees it.
    pub fn set_faults(&mut self, faults: impl Iterator<Item = Fault>) {
        self.records.faults = faults.take(FAULTS).collect();
    }

    /// Somebody may not connect any more: what he sent has brought PID 1 down twice. Until the next boot.
    pub fn bar(&mut self, uid: u32) {
        if !self.records.barred.contains(&uid) {
            self.records.barred.push(uid);
        }
        self.clients.bar(uid);
    }

    /// A turn of the loop begins in which these are ready, sorted by their tokens: puts them in the order in which they
    /// are to be heard.
    pub fn begin_turn(&mut self, ready: &mut [(Token, Ready)]) {
        let Self { turns, clients, .. } = self;
        turns.begin(ready, |number| clients.place(number));
    }

    /// Something can be read or written.
    #[must_use = "only the loop can carry these out"]
    pub fn ready(
        &mut self,
        shell: &mut Shell<'_>,
        views: &Views<'_>,
        token: Token,
        ready: Ready,
    ) -> Vec<Order> {
        let mut orders = Vec::new();
        if token == Token::Listener {
            // Most have said what they want by now: so it need not wait for another turn.
            let ready = Ready { read: true, write: false, hung_up: false };
            for number in self.listener.accept(shell, &mut self.clients) {
                self.client_ready(shell, views, number, ready, &mut orders);
            }
        } else if let Token::Client(number) = token {
            self.client_ready(shell, views, number, ready, &mut orders);
        }
        orders
    }

    fn client_ready(
        &mut self,
        shell: &mut Shell<'_>,
        views: &Views<'_>,
        number: u32,
        ready: Ready,
        orders: &mut Vec<Order>,
    ) {
        let Some(client) = self.clients.get_mut(number) else { return };
        if ready.write {
            client.flush(shell.now);
        }
        if ready.read || ready.hung_up {
            client.receive(shell.now, ready);
        }
        self.go_on(shell, views, number, orders);
    }

    /// Does what a client has asked for and can be done now, and waits for the rest of it.
    fn go_on(&mut self, shell: &mut Shell<'_>, views: &Views<'_>, number: u32, orders: &mut Vec<Order>) {
        for _ in 0..self.turns.calls() {
            let Some(client) = self.clients.get_mut(number) else { return };
            if self.turns.calls() == 0 || !client.has_room() || client.is_leaving() {
                break;
            }
            if matches!(client.doing, Doing::Paging(_)) {
                pages::turn(client, views, shell.now);
                client.heard = self.turns.spend(1);
                continue;
            }
            if !self.clients.may_ask(number, shell.now) {
                break;
            }
            let Some(message) = self.clients.get_mut(number).and_then(Client::next_message) else { break };
            orders.extend(self.message(shell, views, number, &message));
        }
        self.put_back(shell, number);
    }

    /// Waits for what a client may do next, or forgets it.
    fn put_back(&mut self, shell: &mut Shell<'_>, number: u32) {
        let Some(client) = self.clients.get_mut(number) else { return };
        client.flush(shell.now);
        if client.is_over() {
            self.forget(shell, number);
            return;
        }
        client.wait(shell);
        if client.is_over() {
            self.forget(shell, number);
        }
    }

    /// A client is gone. What it asked for goes on.
    fn forget(&mut self, shell: &mut Shell<'_>, number: u32) {
        self.clients.remove(shell, number);
        self.pending.retain(|_, pending| pending.client != number);
        // There is a free descriptor again.
        self.listener.resume(shell);
    }

    /// When [`tick`](Self::tick) must be called.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        [self.listener.deadline(), self.clients.deadline()].into_iter().flatten().min()
    }

    /// The deadline has come: who was too slow goes, and who asked too much may ask again.
    #[must_use = "only the loop can carry these out"]
    pub fn tick(&mut self, shell: &mut Shell<'_>, views: &Views<'_>) -> Vec<Order> {
        let mut orders = Vec::new();
        self.listener.tick(shell);
        for number in self.clients.late(shell.now) {
            self.forget(shell, number);
        }
        for number in self.clients.rested(shell.now) {
            self.go_on(shell, views, number, &mut orders);
        }
        orders
    }

    /// The engine's answer.
    pub fn reply(&mut self, shell: &mut Shell<'_>, reply: ReplyId, outcome: &Outcome, views: &Views<'_>) {
        let Some(pending) = self.pending.remove(&reply) else {
            let mut questions = self.records.questions.iter_mut();
            if let Some(question) = questions.find(|question| question.reply == reply) {
                question.outcome = Some(outcome.clone());
            }
            return;
        };
        let answer = pending.asked.answer(outcome, views);
        self.answer_client(shell, pending.client, answer);
    }

    /// The loop's answer: an order was carried out, or why not.
    pub fn done(&mut self, shell: &mut Shell<'_>, reply: ReplyId, result: Result<(), String>) {
        let Some(pending) = self.pending.remove(&reply) else { return };
        let answer = result.map(|()| json!({})).map_err(|reason| outcome::refused(None, &reason));
        self.answer_client(shell, pending.client, answer);
    }

    /// The loop's answer to [`Order::ReloadConfiguration`]: what was loaded.
    pub fn loaded(&mut self, shell: &mut Shell<'_>, reply: ReplyId, loaded: &Loaded) {
        let Some(pending) = self.pending.remove(&reply) else { return };
        let answer = serde_json::to_value(loaded).map_err(|error| outcome::refused(None, &error.to_string()));
        self.answer_client(shell, pending.client, answer);
    }

    /// The boot has settled, and that was told.
    pub fn settled(&mut self, shell: &mut Shell<'_>, views: &Views<'_>) {
        if mem::replace(&mut self.records.settled, true) {
            return;
        }
        let waiting = self.pending.extract_if(.., |_, pending| matches!(pending.asked, Asked::Settled));
        for (_, pending) in waiting.collect::<Vec<_>>() {
            let answer = show::settled(true, views);
            self.answer_client(shell, pending.client, Ok(answer));
        }
    }

    /// Whether somebody has asked for what only a look at all devices tells.
    #[must_use]
    pub const fn wants_devices(&self) -> bool {
        self.wants_devices
    }

    /// Whether the facts of devices are told without waiting.
    #[must_use]
    pub const fn knows_devices(&self) -> bool {
        self.knows_devices
    }

    /// Tells those who have asked what holds now. From now on nobody waits for that if these `are_all` devices.
    pub fn tell_devices(&mut self, shell: &mut Shell<'_>, views: &Views<'_>, are_all: bool) {
        self.knows_devices |= are_all;
        let waiting = self.pending.extract_if(.., |_, pending| matches!(pending.asked, Asked::Facts { .. }));
        for (_, Pending { client: number, asked }) in waiting.collect::<Vec<_>>() {
            let client = self.clients.get_mut(number);
            if let (Asked::Facts { name, more: true }, Some(client)) = (&asked, client) {
                client.doing = Doing::Paging(Listed::Facts(name.clone()).begin());
                self.put_back(shell, number);
            } else {
                self.answer_client(shell, number, asked.answer(&Outcome::Done, views));
            }
        }
    }

    /// A turn is over: commands that nobody waits for are answered if the engine has seen them.
    pub fn turned(&mut self, shell: &mut Shell<'_>, views: &Views<'_>) {
        if self.pending.is_empty() {
            return;
        }
        let seen = shell.bus.is_empty();
        let mut over = Vec::new();
        for (reply, pending) in &mut self.pending {
            if let Asked::Act { turns: Some(turns), .. } = &mut pending.asked {
                *turns = turns.saturating_sub(1);
                if seen || *turns == 0 {
                    over.push(*reply);
                }
            }
        }
        for reply in over {
            self.reply(shell, reply, &Outcome::Done, views);
        }
    }

    /// PID 1 is about to be written down and to execute itself: what is still open is kept for those who come back.
    pub fn keep_questions(&mut self) {
        let open = self.pending.iter().filter(|(_, pending)| pending.asked.can_be_awaited());
        let clients = &self.clients;
        let open = open.filter_map(|(reply, pending)| {
            let uid = clients.uid(pending.client)?;
            Some(Question { reply: *reply, uid, asked: pending.asked.clone(), outcome: None })
        });
        let open: Vec<Question> = open.collect();
        self.records.questions.extend(open);
        let over = self.records.questions.len().saturating_sub(QUESTIONS);
        self.records.questions.drain(..over);
    }

    /// PID 1 is about to execute itself: who waits is told to ask again, and for which answer he may come back.
    pub fn farewell(&mut self, now: Time) {
        for (reply, pending) in mem::take(&mut self.pending) {
            let question = pending.asked.can_be_awaited().then(|| reply.0.to_string());
            if let Some(client) = self.clients.get_mut(pending.client) {
                client.answer(Err(outcome::error("Restarted", json!({ "question": question }))));
                client.flush(now);
            }
        }
        self.clients.farewell(&outcome::error("Restarted", json!({})), now);
    }

    fn answer_client(&mut self, shell: &mut Shell<'_>, number: u32, answer: Result<Value, Value>) {
        let answer = self.explained(answer);
        let Some(client) = self.clients.get_mut(number) else { return };
        client.answer(answer);
        self.put_back(shell, number);
    }

    /// Adds to the error that no job has a name what is wrong in the file that should have made it one.
    fn explained(&self, answer: Result<Value, Value>) -> Result<Value, Value> {
        answer.map_err(|error| outcome::explained(error, &self.records.faults))
    }
}
