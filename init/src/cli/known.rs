//! `onsetctl events --known`: the events and facts that there are, from the table that is built in.

use events::vocabulary::{CHAPTERS, Chapter, Teller, Word};
use serde_json::json;

use super::{
    Outcome,
    exit::{DONE, UNKNOWN},
};

/// Those of this name, or all.
pub(super) fn list(name: Option<&str>, json: bool) -> Outcome {
    let is_meant = |word: &&Word| name.is_none_or(|name| word.is(name));
    let mut text = String::new();
    for chapter in CHAPTERS {
        let events = chapter.events.iter().filter(is_meant).map(|word| ("event", word));
        let facts = chapter.facts.iter().filter(is_meant).map(|word| ("fact", word));
        let mut words = events.chain(facts).peekable();
        if !json && words.peek().is_some() {
            text.push_str(&format!("{}{}\n", if text.is_empty() { "" } else { "\n" }, chapter.title));
        }
        for (kind, word) in words {
            text.push_str(&if json { object(chapter, kind, word) } else { line(kind, word) });
        }
    }
    if let (true, Some(name)) = (text.is_empty(), name) {
        let words = CHAPTERS.iter().flat_map(|chapter| chapter.events.iter().chain(chapter.facts));
        let meant = jobs::did_you_mean(name, words.map(|word| word.name));
        let guess = meant.map(|meant| format!(": did you mean `{meant}`?")).unwrap_or_default();
        let remarks = format!("onsetctl: Onset knows no event or fact `{}`{guess}\n", name.escape_debug());
        return Outcome { text, remarks, code: UNKNOWN };
    }
    Outcome { text, remarks: String::new(), code: DONE }
}

fn line(kind: &str, word: &Word) -> String {
    let mut keys: Vec<String> = word.keys.iter().map(|key| format!("{key}=")).collect();
    keys.extend(word.is_open.then(|| "...".into()));
    let keys = keys.join(" ");
    let space = if keys.is_empty() { "" } else { " " };
    format!("  {kind:5} {}{space}{keys}\n        {}\n", word.name, word.means)
}

fn object(chapter: &Chapter, kind: &str, word: &Word) -> String {
    let object = json!({
        "kind": kind,
        "name": word.name,
        "keys": word.keys,
        "open": word.is_open,
        "means": word.means,
        "chapter": chapter.title,
        "by_hand": chapter.teller == Teller::People,
    });
    format!("{object}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_told_as_a_condition_would_have_it() {
        assert_eq!(
            list(Some("mode"), false).text,
            "The machine\n  event mode MODE= PREVIOUS=\n        the machine's mode has changed\n  fact  mode MODE=\n        \
             the machine is in this mode\n"
        );
        assert!(list(Some("usb-device-added"), false).text.contains("event *-device-added KERNEL= "));
    }

    #[test]
    fn a_name_that_is_nearly_one_is_guessed() {
        let outcome = list(Some("stoped"), true);
        assert_eq!(
            outcome.remarks,
            "onsetctl: Onset knows no event or fact `stoped`: did you mean `stopped`?\n"
        );
        assert_eq!(outcome.code, UNKNOWN);
    }
}
