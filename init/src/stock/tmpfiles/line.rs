//! A line of tmpfiles.d.

use super::{
    super::{accounts::Accounts, conf::Line},
    names::Names,
};

/// What a line has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `d`, `D`, `v`, `q`, `Q`: a folder.
    Folder,
    /// `f`; `f+` and `F` write it anew.
    File { anew: bool },
    /// `w`: writes to what is there; `w+` behind it.
    Write { append: bool },
    /// `L`; `L+` in the place of whatever is there.
    Link { anew: bool },
    /// `p`.
    Pipe,
    /// `c`, `b`.
    Device { is_block: bool },
    /// `C`: as another file or folder, if nothing is there.
    Copy,
    /// `r`: what is there goes, if it is no folder with something in it.
    Remove,
    /// `R`: what is there goes, with all that is in it.
    RemoveAll,
    /// `z`, `m`, `e`: owner and mode of what is there.
    Adjust,
    /// `Z`: the same, with all that is in it.
    AdjustAll,
}

/// The permissions of what a line makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permissions {
    /// The bits.
    pub bits: u32,
    /// `:`: only for what is made now.
    pub only_new: bool,
    /// `~`: only as far as what is there allows it already.
    pub masked: bool,
}

/// An owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// Its id.
    pub id: u32,
    /// `:`: only for what is made now.
    pub only_new: bool,
}

/// A line of tmpfiles.d.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Where it stands.
    pub place: String,
    pub kind: Kind,
    /// `-` behind the letter: it is no fault if it cannot be done.
    pub is_lenient: bool,
    /// `=` behind the letter: what is of another kind goes.
    pub is_strict: bool,
    /// A path, or a pattern for paths where the kind is about what is there.
    pub path: String,
    pub mode: Option<Permissions>,
    pub user: Option<Owner>,
    pub group: Option<Owner>,
    pub argument: Option<String>,
}

/// What a line says; `None` if it is nothing that a boot does.
pub fn parse(line: &Line, names: &Names, accounts: &Accounts) -> Result<Option<Rule>, String> {
    let mut rest = line.text.as_str();
    let mut field = || field(&mut rest);
    let (letter, path, mode) = (field()?, field()?, field()?);
    let (user, group, _age) = (field()?, field()?, field()?);
    let letter = letter.unwrap_or_default();
    let mut letters = letter.chars();
    let first = letters.next();
    let signs = letters.as_str();
    if let Some(sign) = signs.chars().find(|sign| !"!+-=~^$?".contains(*sign)) {
        return Err(format!("`{sign}` behind the letter means nothing"));
    }
    let anew = signs.contains('+');
    let kind = match first {
        // Subvolumes are folders where there are none.
        Some('d' | 'D' | 'v' | 'q' | 'Q') => Kind::Folder,
        Some('f') => Kind::File { anew },
        Some('F') => Kind::File { anew: true },
        Some('w') => Kind::Write { append: anew },
        Some('L') => Kind::Link { anew },
        Some('p') => Kind::Pipe,
        Some('c') => Kind::Device { is_block: false },
        Some('b') => Kind::Device { is_block: true },
        Some('C') => Kind::Copy,
        Some('r') => Kind::Remove,
        Some('R') => Kind::RemoveAll,
        Some('z' | 'm' | 'e') => Kind::Adjust,
        Some('Z') => Kind::AdjustAll,
        // What is not to be cleaned up, attributes and access lists.
        Some('x' | 'X' | 'h' | 'H' | 't' | 'T' | 'a' | 'A') => return Ok(None),
        Some(_) | None => return Err(format!("`{letter}` is no kind of line")),
    };
    // Credentials come from who has started a container or a virtual machine, and there are none here.
    if signs.contains('^') {
        return Ok(None);
    }
    let path = names.fill(&path.ok_or("the path is missing")?)?;
    if !path.starts_with('/') || path.split('/').any(|part| part == "..") {
        return Err(format!("`{path}` is no absolute path, or has `..` in it"));
    }
    let argument =
        Some(rest.trim()).filter(|rest| !rest.is_empty() && *rest != "-").map(|rest| names.fill(rest));
    let argument = argument.transpose()?;
    let argument = match (kind, argument) {
        (Kind::File { .. } | Kind::Write { .. }, Some(text)) if signs.contains('~') => {
            Some(from_base64(&text)?)
        }
        (Kind::File { .. } | Kind::Write { .. }, Some(text)) => Some(unescaped(&text)),
        (_, argument) => argument,
    };
    Ok(Some(Rule {
        place: line.place.clone(),
        kind,
        is_lenient: signs.contains('-'),
        is_strict: signs.contains('='),
        path,
        mode: mode.as_deref().and_then(said).map(permissions).transpose()?,
        user: owner(user.as_deref(), |word| accounts.user(word))?,
        group: owner(group.as_deref(), |word| accounts.group(word))?,
        argument,
    }))
}

/// The next field, which may stand in quotes.
fn field(rest: &mut &str) -> Result<Option<String>, String> {
    let text = rest.trim_start();
    let Some(quote) = text.chars().next().filter(|letter| matches!(letter, '"' | '\'')) else {
        let end = text.find(char::is_whitespace).unwrap_or(text.len());
        let (word, behind) = text.split_at_checked(end).unwrap_or((text, ""));
        *rest = behind;
        return Ok(Some(word.to_owned()).filter(|word| !word.is_empty()));
    };
    let inner = text.strip_prefix(quote).unwrap_or(text);
    let (word, behind) = inner.split_once(quote).ok_or_else(|| format!("{quote} is not closed"))?;
    *rest = behind;
    Ok(Some(word.to_owned()))
}

/// A field that says something.
fn said(field: &str) -> Option<&str> {
    Some(field).filter(|field| *field != "-" && !field.is_empty())
}

fn permissions(field: &str) -> Result<Permissions, String> {
    let bits = field.trim_start_matches([':', '~']);
    let signs = field.strip_suffix(bits).unwrap_or_default();
    let parsed = u32::from_str_radix(bits, 8).ok().filter(|bits| *bits <= 0o7777);
    let bits = parsed.ok_or_else(|| format!("`{field}` is no mode"))?;
    Ok(Permissions { bits, only_new: signs.contains(':'), masked: signs.contains('~') })
}

fn owner(field: Option<&str>, find: impl Fn(&str) -> Result<u32, String>) -> Result<Option<Owner>, String> {
    let Some(field) = field.and_then(said) else { return Ok(None) };
    let (only_new, word) = field.strip_prefix(':').map_or((false, field), |word| (true, word));
    Ok(Some(Owner { id: find(word)?, only_new }))
}

/// What `\n`, `\t`, `\x41` and `\101` stand for.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let number = |from: usize, count: usize, radix: u32| {
            let digits = behind.get(from..from.saturating_add(count))?;
            let value = u8::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()?;
            Some((value, from.saturating_add(count)))
        };
        let letter = behind.first().copied().unwrap_or(b'\\');
        let (byte, used) = match letter {
            b'n' => (b'\n', 1),
            b't' => (b'\t', 1),
            b'r' => (b'\r', 1),
            b's' => (b' ', 1),
            b'x' => number(1, 2, 16).unwrap_or((b'x', 1)),
            b'0'..=b'3' => number(0, 3, 8).unwrap_or((letter, 1)),
            letter => (letter, 1),
        };
        bytes.push(byte);
        rest = behind.get(used..).unwrap_or_default();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn from_base64(text: &str) -> Result<String, String> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut held, mut count) = (Vec::new(), 0_u32, 0_u32);
    for letter in text.bytes().filter(|letter| !letter.is_ascii_whitespace() && *letter != b'=') {
        let value = LETTERS.iter().position(|known| *known == letter).and_then(|it| u32::try_from(it).ok());
        held = (held << 6) | value.ok_or("what stands behind it is no base64")?;
        count = count.saturating_add(6);
        if let Some(left) = count.checked_sub(8) {
            count = left;
            bytes.push(u8::try_from((held >> left) & 0xff).unwrap_or_default());
        }
        held &= 0xffff;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<Rule>, String> {
        parse(&Line { place: "x:1".into(), text: text.into() }, &Names::default(), &Accounts::default())
    }

    #[track_caller]
    fn rule(text: &str) -> Rule {
        read(text).unwrap().unwrap()
    }

    #[test]
    fn a_line_has_up_to_seven_fields() {
        let found = rule("d /run/x 1777 root 33 10d ignored here");
        assert_eq!((found.kind, found.path.as_str()), (Kind::Folder, "/run/x"));
        assert_eq!(found.mode, Some(Permissions { bits: 0o1777, only_new: false, masked: false }));
        assert_eq!(found.user, Some(Owner { id: 0, only_new: false }));
        assert_eq!(found.group, Some(Owner { id: 33, only_new: false }));
        let found = rule("D! \"/run/a b\" ~:0700 :1000 -");
        assert_eq!((found.path.as_str(), found.group), ("/run/a b", None));
        assert_eq!(found.mode, Some(Permissions { bits: 0o700, only_new: true, masked: true }));
        assert_eq!(found.user, Some(Owner { id: 1000, only_new: true }));
    }

    #[test]
    fn what_stands_behind_the_age_is_the_argument_as_it_is() {
        assert_eq!(rule("w /sys/x - - - - 1 2  3").argument.as_deref(), Some("1 2  3"));
        assert_eq!(rule("f /x - - - - a\\nb\\x41\\101%%").argument.as_deref(), Some("a\nbAA%"));
        assert_eq!(rule("f~ /x - - - - aGVsbG8K").argument.as_deref(), Some("hello\n"));
        assert_eq!(rule("L+ /a - - - - ../b").argument.as_deref(), Some("../b"));
        assert_eq!(rule("L /a").argument, None);
    }

    #[test]
    fn a_letter_says_what_is_done() {
        for (line, kind) in [
            ("F /x", Kind::File { anew: true }),
            ("f+ /x", Kind::File { anew: true }),
            ("w+ /x", Kind::Write { append: true }),
            ("q /x", Kind::Folder),
            ("R! /x*", Kind::RemoveAll),
            ("e /x", Kind::Adjust),
            ("c /x - - - - 1:3", Kind::Device { is_block: false }),
        ] {
            assert_eq!(rule(line).kind, kind, "{line}");
        }
        for line in ["x /tmp/keep", "A+ /x - - - - u:a:r", "f^ /x - - - - cred"] {
            assert_eq!(read(line), Ok(None), "{line}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_said() {
        for line in [
            "y /x",
            "d",
            "d x",
            "d /a/../b",
            "d /a 0999",
            "d /a 0755 nobody-of-that-name",
            "d& /a",
            "d \"/a",
            "d /%b",
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
