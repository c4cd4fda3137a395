//! What `sysrc` prints.

use std::{fs, path::PathBuf};

use super::{edit::quoted, words::Wish};
use crate::rc::{
    call::Call,
    rc_conf::{Files, Values, text_of},
    service,
};

/// A variable and its value.
pub fn line(wish: &Wish, name: &str, value: &str) -> String {
    match (wish.only_names, wish.only_values, wish.equals) {
        (true, _, _) => name.into(),
        (_, true, _) => value.into(),
        (_, _, true) => format!("{name}={}", quoted(value)),
        (false, false, false) => format!("{name}: {value}"),
    }
}

/// A variable, what it held, and what it holds now.
pub fn change_line(wish: &Wish, name: &str, before: &str, after: &str) -> String {
    match (wish.only_values, wish.equals) {
        (true, _) => format!("{before} -> {after}"),
        (false, true) => format!("{name}={} # -> {}", quoted(before), quoted(after)),
        (false, false) => format!("{name}: {before} -> {after}"),
    }
}

/// `-a` and, with `defaults`, `-A`.
pub fn all(call: &Call, wish: &Wish, values: &Values, files: &Files, defaults: bool) -> u8 {
    let own = Values::read(&Files { defaults: None, own: files.own.clone() });
    let names = if defaults { values.names() } else { own.names() };
    let mut code = 0;
    let mut text = String::new();
    for name in names {
        let value = match values.get(&name) {
            Ok(Some(value)) => value,
            Ok(None) => continue,
            Err(why) => {
                code = call.fail(1, &why);
                continue;
            }
        };
        let path = values.place(&name).map(|(path, _)| path.display().to_string()).unwrap_or_default();
        if wish.deletes {
            for path in &files.own {
                if let Err(why) = super::edit::delete(path, &name) {
                    code = call.fail(1, &why);
                }
            }
            continue;
        }
        let line = match (wish.describes, wish.shows_file) {
            (true, _) => format!("{name}: {}", description(files, &name)),
            (false, true) if wish.only_values => path,
            (false, true) => format!("{name}: {path}"),
            (false, false) if wish.verbose => format!("{path}: {}", line(wish, &name, &value)),
            (false, false) => line(wish, &name, &value),
        };
        text.push_str(&line);
        text.push('\n');
    }
    call.show(text.as_bytes()).max(code)
}

/// What the defaults say that a variable is for: the comment behind it, and the lines below that go on with it.
pub fn description(files: &Files, name: &str) -> String {
    let text = files.defaults.as_ref().and_then(|path| fs::read(path).ok());
    describe(&text_of(&text.unwrap_or_default()), name)
}

fn describe(text: &str, name: &str) -> String {
    let mut lines = text.lines().skip_while(|line| {
        let line = line.trim_start_matches('#').trim_start();
        line.strip_prefix(name).is_none_or(|rest| !rest.starts_with('='))
    });
    let first = lines.next().and_then(|line| line.trim_start_matches('#').split_once('#'));
    let mut words: Vec<&str> =
        first.map(|(_, comment)| comment.split_whitespace().collect()).unwrap_or_default();
    let goes_on = |line: &&str| line.starts_with([' ', '\t']) && line.trim_start().starts_with('#');
    for line in lines.take_while(goes_on) {
        words.extend(line.trim_start().trim_start_matches('#').split_whitespace());
    }
    words.join(" ")
}

/// `-l`, and `-L` with names of services.
pub fn confs(call: &Call, wish: &Wish, files: &Files) -> u8 {
    let show = |paths: &[PathBuf]| {
        let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
        paths.join(" ")
    };
    if wish.lists == Some(false) {
        let defaults = files.defaults.iter().filter(|_| wish.defaults_only);
        let paths: Vec<PathBuf> = defaults.chain(&files.own).cloned().collect();
        return call.show(format!("{}\n", show(&paths)).as_bytes());
    }
    let names = if wish.services.is_empty() { service::names() } else { wish.services.clone() };
    let mut paths = if wish.services.is_empty() { files.own.clone() } else { Vec::new() };
    let mut text = String::new();
    for name in names {
        let mut found = Files::of_service(&name);
        found.retain(|path| !wish.existing_only || path.is_file());
        let list = show(&found);
        match (wish.verbose, wish.equals) {
            _ if found.is_empty() => {}
            (true, _) => text.push_str(&format!("{name}: {list}\n")),
            (false, true) => text.push_str(&format!("{name}=\"{list}\"\n")),
            (false, false) => paths.extend(found),
        }
    }
    if !(paths.is_empty() || wish.verbose || wish.equals) {
        text.push_str(&format!("{}\n", show(&paths)));
    }
    call.show(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_describe_what_they_set() {
        let text =
            "a_enable=\"NO\"\t# Run a (or NO)\n\t\t# for ever.\n#b_flags=\"\"  # Flags of b.\nc=1\nd=2 # d\n";
        assert_eq!(describe(text, "a_enable"), "Run a (or NO) for ever.");
        assert_eq!(describe(text, "b_flags"), "Flags of b.");
        assert_eq!(describe(text, "c"), "");
        assert_eq!(describe(text, "d"), "d");
        assert_eq!(describe(text, "nope"), "");
    }
}
