//! The fields that say which sockets are opened for a job, and what a connection to one does.

use alloc::{format, vec::Vec};

use events::{Template, Text};

use super::{
    draft::{Draft, Said, one_of},
    raw::Node,
    setup::{octal, owner},
};
use crate::{
    ADDRESS_KINDS, Address, CONNECTION, Connections, OnConnection, Report, Socket, Transport, did_you_mean,
    own_sockets,
};

/// `"tcp:80"` or `(listen: "unix:/run/x.sock", mode: "660", user: "www")`.
pub(super) fn sockets(draft: &mut Draft<'_>, node: &Node<'_>) {
    let sockets: Vec<Socket> = node.items().iter().filter_map(|item| socket(draft, item)).collect();
    draft.work.sockets = sockets;
}

fn socket(draft: &mut Draft<'_>, node: &Node<'_>) -> Option<Socket> {
    if !node.is_record() {
        return listen(draft, node).map(|listen| Socket::at(&listen));
    }
    let record = draft.record(node, &["listen", "name", "mode", "user", "group"]);
    let Some(address) = record.get("listen") else {
        let report = draft.error("missing-field", "`listen` is missing", node.span.clone());
        draft.push(report.help("write `(listen: \"tcp:80\", ...)`"));
        return None;
    };
    let listen = listen(draft, address)?;
    let is_file = matches!(Address::parse(&listen), Some(Address::Path { .. }));
    for field in ["mode", "user", "group"] {
        if let Some(node) = record.get(field).filter(|_| !is_file) {
            let message = format!("`{field}` of a socket that is no file");
            let report = draft.error("bad-socket", message, node.span.clone());
            draft.push(report.help("only a `unix:/path` socket has an owner and a mode"));
        }
    }
    let name = record.get("name").and_then(|name| socket_name(draft, name));
    let mode = record.get("mode").and_then(|mode| octal(draft, mode));
    let user = record.get("user").and_then(|user| owner(draft, user, "uid:"));
    let group = record.get("group").and_then(|group| owner(draft, group, "gid:"));
    Some(Socket { listen, name, mode, user, group })
}

/// A name for LISTEN_FDNAMES, where colons part them.
fn socket_name(draft: &mut Draft<'_>, node: &Node<'_>) -> Option<Text> {
    let name = draft.name(node)?;
    if name.contains(':') {
        let report =
            draft.error("bad-name", format!("the name `{name}` of a socket has a colon"), node.span.clone());
        draft.push(report.help("colons part the names in LISTEN_FDNAMES"));
        return None;
    }
    Some(Text::from(name.as_str()))
}

fn listen(draft: &mut Draft<'_>, node: &Node<'_>) -> Option<Text> {
    let text = draft.line(node)?;
    if Address::parse(&text).is_some() {
        return Some(text);
    }
    let kind = text.split_once(':').map_or(&*text, |(kind, _)| kind);
    let meant = did_you_mean(kind, ADDRESS_KINDS);
    let help = match meant.filter(|_| !ADDRESS_KINDS.contains(&kind)) {
        None if ADDRESS_KINDS.contains(&kind) => {
            "write `tcp:80`, `tcp:127.0.0.1:80`, `udp:[::1]:53` or `unix:/run/food.sock`".into()
        }
        Some(meant) => format!("did you mean `{meant}:`?"),
        None => format!("an address begins with {}", one_of(&["tcp:", "udp:", "unix:"])),
    };
    let report = draft.error("bad-socket", format!("`{text}` is no address to listen to"), node.span.clone());
    draft.push(report.help(help));
    None
}

pub(super) fn on_connection(draft: &mut Draft<'_>, node: &Node<'_>) {
    const WORDS: [&str; 4] = ["nothing", "start", "stdin", "each"];
    let limits = limits(draft.work.on_connection);
    draft.work.on_connection = match node.word() {
        Some(("nothing", [])) => OnConnection::Nothing,
        Some(("start", [])) => OnConnection::Start,
        Some(("stdin", [])) => OnConnection::Stdin,
        Some(("each", [])) => OnConnection::Each(limits.unwrap_or_default()),
        _ if node.is_nothing() => OnConnection::Nothing,
        _ => draft.unknown(node, "answer to a connection", &WORDS).unwrap_or_default(),
    };
}

const fn limits(on_connection: OnConnection) -> Option<Connections> {
    match on_connection {
        OnConnection::Each(limits) => Some(limits),
        OnConnection::Nothing | OnConnection::Start | OnConnection::Stdin => None,
    }
}

/// `(most: 64, per_source: 16, per_minute: 1024, per_source_per_minute: 120)`.
///
/// That connections are accepted at all is said by `on_connection`, which may stand behind this.
pub(super) fn connections(draft: &mut Draft<'_>, node: &Node<'_>) {
    const FIELDS: [&str; 4] = ["most", "per_source", "per_minute", "per_source_per_minute"];
    if node.is_nothing() {
        return;
    }
    let mut limits = Connections::default();
    let record = draft.record(node, &FIELDS);
    let mut number = |name: &str, limit: &mut u32| {
        let number = record.get(name).and_then(|node| draft.number(node, 1..=1_000_000));
        if let Some(number) = number.and_then(|number| u32::try_from(number).ok()) {
            *limit = number;
        }
    };
    number("most", &mut limits.most);
    number("per_source", &mut limits.per_source);
    number("per_minute", &mut limits.per_minute);
    number("per_source_per_minute", &mut limits.per_source_per_minute);
    draft.connections = Some(limits);
}

/// Whether what a connection does fits the sockets and the rest of the job; then it is among what starts the job.
pub(super) fn check(draft: &mut Draft<'_>) {
    if let (Some(limits), OnConnection::Each(_)) = (draft.connections, draft.work.on_connection) {
        draft.work.on_connection = OnConnection::Each(limits);
    } else if draft.connections.is_some()
        && let Some(said) = draft.said("connections")
    {
        let message = "`connections` limits those that are accepted, and none is";
        draft.push(
            at(Report::warning("connections-of-nothing", message), &said).help("add `on_connection: each`"),
        );
    }
    let Some(said) = draft.said("on_connection") else { return };
    let on_connection = draft.work.on_connection;
    if on_connection == OnConnection::Nothing || !draft.is_sound() {
        return;
    }
    if let Some((message, help)) = misfit(draft, on_connection) {
        draft.push(at(Report::error("bad-socket", message), &said).help(help));
        return;
    }
    let own = own_sockets(&draft.job.name);
    if let OnConnection::Each(_) = on_connection {
        // Of such a job there is an instance for each connection, and this is its name.
        draft.job.instance = Template::parse(&format!("${CONNECTION}")).ok();
    }
    match &draft.job.start_on {
        None => draft.job.start_on = Some(events::Condition::leaf(own)),
        Some(before) if before.leaves().any(|leaf| leaf.pattern == own) => {}
        Some(before) => match before.or(own) {
            Some(both) => draft.job.start_on = Some(both),
            None => draft.push(
                at(Report::error("bad-socket", "`start_on` has as many events as it may"), &said)
                    .help("`on_connection` is one more: drop one of the others"),
            ),
        },
    }
}

fn at(report: Report, said: &Said<'_>) -> Report {
    report.at(said.path, said.span.clone(), "")
}

/// What does not fit `on_connection`, and what to do.
fn misfit(draft: &Draft<'_>, on_connection: OnConnection) -> Option<(&'static str, &'static str)> {
    let sockets = &draft.work.sockets;
    if sockets.is_empty() {
        return Some(("`on_connection` of a job without sockets", "add `sockets: [\"tcp:7\"]`"));
    }
    let is_own_instance = |template: &Template| template.as_str().strip_prefix('$') == Some(CONNECTION);
    let has_instances = draft.job.instance.as_ref().is_some_and(|template| !is_own_instance(template));
    if has_instances {
        return Some((
            "sockets belong to a job as a whole, and this one has instances",
            "drop `instance`; `on_connection: each` makes one for each connection",
        ));
    }
    match on_connection {
        OnConnection::Nothing | OnConnection::Start => None,
        OnConnection::Stdin if sockets.len() > 1 => Some((
            "only one socket can be the standard input",
            "use `on_connection: start`, which hands over all of them, or make it several jobs",
        )),
        OnConnection::Stdin => None,
        OnConnection::Each(_) => {
            let is_datagram = |socket: &Socket| {
                Address::parse(&socket.listen).is_some_and(|it| it.transport() == Transport::Datagram)
            };
            if sockets.iter().any(is_datagram) {
                return Some((
                    "a socket of messages has no connections to be accepted",
                    "use `on_connection: start` or `stdin`",
                ));
            }
            draft.job.respawn.is_some().then_some((
                "who is there for one connection cannot come back for it",
                "drop `respawn`, or use `on_connection: start`",
            ))
        }
    }
}
