//! The fields that say with what rights, limits and resources a job's processes run.

use alloc::{boxed::Box, format, string::String, vec::Vec};

use events::{PathPattern, Text};

use super::{
    draft::Draft,
    fields::{missing_value, surplus_value},
    raw::{Node, Shape},
};
use crate::{Console, IoNice, Limit, Resource, did_you_mean, job::MAX_CHANGES};

/// Files, as paths that may have globs in them.
pub(super) fn files(draft: &mut Draft<'_>, node: &Node<'_>) -> Box<[Text]> {
    let items = node.items();
    if items.len() > MAX_CHANGES / 2 {
        let message = format!("more than {} files", MAX_CHANGES / 2);
        let report = draft.error("out-of-range", message, node.span.clone());
        draft.push(report.help("`*` stands for many files, `**` for all below a folder"));
    }
    let mut paths = Vec::new();
    for item in items {
        let Some(path) = draft.path(item) else { continue };
        match PathPattern::parse(&path) {
            Ok(_) => paths.push(path),
            Err(fault) => {
                let message = format!("`{path}` cannot be watched: {fault}");
                let report = draft.error("bad-path", message, item.span.clone());
                draft.push(report.help("write the path of a file: `\"/etc/food.conf\"`"));
            }
        }
    }
    paths.into()
}

pub(super) fn console(draft: &mut Draft<'_>, node: &Node<'_>) {
    const WORDS: [&str; 4] = ["none", "log", "output", "owner"];
    draft.work.console = match node.word() {
        Some(("none", [])) => Console::None,
        Some(("log", [])) => Console::Log,
        Some(("output", [])) => Console::Output,
        Some(("owner", [])) => Console::Owner,
        _ if node.is_nothing() => Console::default(),
        _ => draft.unknown(node, "place for output", &WORDS).unwrap_or_default(),
    };
}

/// `"022"`: as a number it would be decimal, which nobody means.
pub(super) fn umask(draft: &mut Draft<'_>, node: &Node<'_>) {
    draft.work.umask = octal(draft, node);
}

pub(super) fn octal(draft: &mut Draft<'_>, node: &Node<'_>) -> Option<u16> {
    let Shape::Text(text) = &node.shape else {
        return draft.wrong(node, "a text of octal digits such as \"022\"");
    };
    match u16::from_str_radix(&text.text, 8) {
        Ok(mask) if mask <= 0o777 => Some(mask),
        Ok(_) | Err(_) => {
            let message = format!("`{}` is not of the form \"022\"", text.text);
            let report = draft.error("out-of-range", message, node.span.clone());
            draft.push(report.help("write three octal digits, from \"000\" to \"777\""));
            None
        }
    }
}

/// A user or group: a name, or `uid:1000`.
pub(super) fn owner(draft: &mut Draft<'_>, node: &Node<'_>, prefix: &str) -> Option<Text> {
    let name = draft.line(node)?;
    let number = name.strip_prefix(prefix);
    let message = if let Some(number) = number {
        if number.parse::<u32>().is_ok_and(|id| id != u32::MAX) {
            return Some(name);
        }
        format!("`{number}` is no id")
    } else if name.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("`{name}` is a number, not a name")
    } else if name.contains([':', '/', ',', ' ']) || name.starts_with('-') {
        format!("`{name}` cannot be the name of a user or group")
    } else {
        return Some(name);
    };
    let report = draft.error("bad-user", message, node.span.clone());
    draft.push(report.help(format!("write a name, or an id as `{prefix}1000`")));
    None
}

pub(super) fn groups(draft: &mut Draft<'_>, node: &Node<'_>) {
    let groups = node.items().iter().filter_map(|item| owner(draft, item, "gid:"));
    let groups: Vec<Text> = groups.collect();
    draft.work.groups = groups;
}

const CAPABILITIES: [&str; 41] = [
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "SYSLOG",
    "WAKE_ALARM",
];

/// Names as in capabilities(7), with or without `CAP_`; an empty list leaves none.
pub(super) fn capabilities(draft: &mut Draft<'_>, node: &Node<'_>) {
    let mut kept: Vec<Text> = Vec::new();
    for item in node.items() {
        let Some(text) = draft.text(item) else { continue };
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
        if CAPABILITIES.contains(&name) {
            kept.push(format!("CAP_{name}").into());
            continue;
        }
        let help = did_you_mean(name, CAPABILITIES).map_or_else(
            || "capabilities(7) lists them".into(),
            |meant| format!("did you mean `CAP_{meant}`?"),
        );
        let report =
            draft.error("unknown-capability", format!("there is no capability `{text}`"), item.span.clone());
        draft.push(report.help(help));
    }
    draft.work.capabilities = (!node.is_nothing()).then_some(kept);
}

pub(super) fn nice(draft: &mut Draft<'_>, node: &Node<'_>) {
    draft.work.nice = draft.number(node, -20..=19).and_then(|nice| i8::try_from(nice).ok());
}

pub(super) fn ionice(draft: &mut Draft<'_>, node: &Node<'_>) {
    draft.work.ionice = match node.word() {
        Some(("idle", [])) => Some(IoNice::Idle),
        Some(("idle", _)) => surplus_value(draft, node),
        Some(("best", [level])) => io_level(draft, level).map(IoNice::Best),
        Some(("realtime", [level])) => io_level(draft, level).map(IoNice::Realtime),
        Some((word @ ("best" | "realtime"), _)) => {
            let form = format!("{word}(4)");
            missing_value(draft, node, &form)
        }
        _ if node.is_nothing() => None,
        _ => draft.unknown(node, "I/O priority", &["idle", "best", "realtime"]),
    };
}

fn io_level(draft: &mut Draft<'_>, node: &Node<'_>) -> Option<u8> {
    draft.number(node, 0..=7).and_then(|level| u8::try_from(level).ok())
}

/// A score, or `never`.
pub(super) fn oom(draft: &mut Draft<'_>, node: &Node<'_>) {
    draft.work.oom_score = match node.word() {
        Some(("never", [])) => Some(-1000),
        Some(_) => draft.unknown(node, "score", &["never"]),
        None => draft.number(node, -1000..=1000).and_then(|score| i16::try_from(score).ok()),
    };
}

/// `{"nofile": (1024, 4096), "core": unlimited}`.
pub(super) fn limits(draft: &mut Draft<'_>, node: &Node<'_>) {
    draft.work.limits = Vec::new();
    if node.is_nothing() {
        return;
    }
    for (key, value) in draft.pairs(node, "limits by name, such as `(nofile: 1024)`") {
        let known = Resource::NAMES.map(|(name, _)| name);
        let resource = Resource::NAMES.iter().find(|(name, _)| key.label() == Some(name));
        let Some((_, resource)) = resource else {
            draft.unknown::<()>(key, "limit", &known);
            continue;
        };
        if let Some(limit) = soft_and_hard(draft, value) {
            draft.work.limits.push((*resource, limit));
        }
    }
}

/// A limit, or a soft and a hard one.
fn soft_and_hard(draft: &mut Draft<'_>, node: &Node<'_>) -> Option<Limit> {
    let Shape::Tuple(both) = &node.shape else {
        let limit = amount(draft, node)?;
        return Some(Limit { soft: limit, hard: limit });
    };
    let [soft, hard] = both.as_slice() else {
        return draft.wrong(node, "a soft and a hard limit: `(1024, 4096)`");
    };
    let limit = Limit { soft: amount(draft, soft)?, hard: amount(draft, hard)? };
    if limit.soft.unwrap_or(u64::MAX) > limit.hard.unwrap_or(u64::MAX) {
        let report = draft.error("out-of-range", "the soft limit is above the hard one", node.span.clone());
        draft.push(report.help("the soft limit stands first"));
        return None;
    }
    Some(limit)
}

/// A number, a size such as `"64M"`, or `unlimited`, which is `None`.
fn amount(draft: &mut Draft<'_>, node: &Node<'_>) -> Option<Option<u64>> {
    match (&node.shape, node.word()) {
        (_, Some(("unlimited", []))) => Some(None),
        (Shape::Number(_), _) => {
            draft.number(node, 0..=i64::MAX).and_then(|number| u64::try_from(number).ok()).map(Some)
        }
        (Shape::Text(text), _) => {
            let size = size(&text.text);
            if size.is_none() {
                let report =
                    draft.error("bad-size", format!("`{}` is no size", text.text), node.span.clone());
                draft.push(
                    report.help("write a number with K, M, G or T behind it: `\"64M\"`; or `unlimited`"),
                );
            }
            size.map(Some)
        }
        _ => draft.wrong(node, "a whole number, a size such as \"64M\", or `unlimited`"),
    }
}

fn size(text: &str) -> Option<u64> {
    let units = [('K', 10_u32), ('M', 20), ('G', 30), ('T', 40)];
    let unit = units.iter().find_map(|(unit, shift)| Some((text.strip_suffix(*unit)?, *shift)));
    let (number, shift) = unit.unwrap_or((text, 0));
    number.parse::<u64>().ok()?.checked_mul(1_u64.checked_shl(shift)?)
}

/// What a file of a cgroup takes.
enum Control {
    Memory,
    Count,
    Weight,
    Share,
}

const CONTROLS: [(&str, &str, Control); 9] = [
    ("memory_max", "memory.max", Control::Memory),
    ("memory_high", "memory.high", Control::Memory),
    ("memory_low", "memory.low", Control::Memory),
    ("memory_min", "memory.min", Control::Memory),
    ("memory_swap_max", "memory.swap.max", Control::Memory),
    ("pids_max", "pids.max", Control::Count),
    ("cpu_weight", "cpu.weight", Control::Weight),
    ("io_weight", "io.weight", Control::Weight),
    ("cpu_max", "cpu.max", Control::Share),
];

/// `(memory_max: "512M", pids_max: 100)`.
pub(super) fn cgroup(draft: &mut Draft<'_>, node: &Node<'_>) {
    draft.work.cgroup = Vec::new();
    if node.is_nothing() {
        return;
    }
    for (key, value) in draft.pairs(node, "limits by name, such as `(memory_max: \"512M\")`") {
        let known = CONTROLS.each_ref().map(|(name, _, _)| *name);
        let control = CONTROLS.iter().find(|(name, _, _)| key.label() == Some(name));
        let Some((_, file, control)) = control else {
            draft.unknown::<()>(key, "limit of a cgroup", &known);
            continue;
        };
        let text = match control {
            Control::Memory | Control::Count => amount(draft, value)
                .map(|amount| amount.map_or_else(|| "max".into(), |amount| format!("{amount}"))),
            Control::Weight => draft.number(value, 1..=10_000).map(|weight| format!("{weight}")),
            Control::Share => share(draft, value),
        };
        draft.work.cgroup.extend(text.map(|text: String| (Text::from(*file), Text::from(text))));
    }
}

/// `"50%"` of one processor, in the words of the kernel: microseconds in each tenth of a second.
fn share(draft: &mut Draft<'_>, node: &Node<'_>) -> Option<String> {
    if let Some(("unlimited", [])) = node.word() {
        return Some("max 100000".into());
    }
    let text = draft.text(node)?;
    let percent = text.strip_suffix('%').and_then(|percent| percent.parse::<u32>().ok());
    let Some(percent) = percent.filter(|percent| (1..=100_000).contains(percent)) else {
        let report =
            draft.error("bad-size", format!("`{text}` is no share of a processor"), node.span.clone());
        draft.push(report.help("write `\"50%\"` for half of one processor, `\"200%\"` for two"));
        return None;
    };
    Some(format!("{} 100000", u64::from(percent).saturating_mul(1_000)))
}
