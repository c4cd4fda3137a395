//! Users and groups by the files of the root. No other source of accounts is asked: this runs before any network.

use super::task::Task;

/// The accounts of a root.
#[derive(Debug, Default)]
pub struct Accounts {
    users: Vec<(String, u32)>,
    groups: Vec<(String, u32)>,
}

impl Accounts {
    /// Those in `/etc/passwd` and `/etc/group`.
    pub fn read(task: &mut Task) -> Self {
        let passwd = task.read("etc/passwd").unwrap_or_default();
        let group = task.read("etc/group").unwrap_or_default();
        Self { users: parse(&passwd), groups: parse(&group) }
    }

    /// The id of a user, given by name or number.
    pub fn user(&self, word: &str) -> Result<u32, String> {
        find(&self.users, word).ok_or_else(|| format!("there is no user `{word}`"))
    }

    /// The id of a group, given by name or number.
    pub fn group(&self, word: &str) -> Result<u32, String> {
        find(&self.groups, word).ok_or_else(|| format!("there is no group `{word}`"))
    }
}

fn find(accounts: &[(String, u32)], word: &str) -> Option<u32> {
    if word == "root" {
        return Some(0);
    }
    let named = accounts.iter().find(|(name, _)| name == word).map(|(_, id)| *id);
    named.or_else(|| word.parse().ok().filter(|id| *id != u32::MAX))
}

/// Names and ids: both files have the id in the third field. What is malformed is passed over, never taken.
fn parse(text: &str) -> Vec<(String, u32)> {
    let lines = text.lines().filter(|line| !line.starts_with(['#', '+', '-']));
    lines
        .filter_map(|line| {
            let mut fields = line.split(':');
            let (name, id) = (fields.next()?, fields.nth(1)?);
            let id = id.parse().ok().filter(|id| *id != u32::MAX)?;
            (!name.is_empty()).then(|| (name.to_owned(), id))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_up_and_what_is_malformed_is_not_taken() {
        let text = "root:x:0:0::/:\n\nbad\n:x:7:7::\nweb:x:33:33::/:/bin/sh\n+nis:x:5:5\nbig:x:4294967295:1::\nx:x:-1:\n";
        let accounts = Accounts { users: parse(text), groups: Vec::new() };
        for (word, id) in
            [("root", Some(0)), ("web", Some(33)), ("1000", Some(1000)), ("bad", None), ("", None)]
        {
            assert_eq!(accounts.user(word).ok(), id, "{word}");
        }
        for word in ["+nis", "big", "x", "4294967295"] {
            assert!(accounts.user(word).is_err(), "{word}");
        }
        assert!(accounts.group("root").is_ok());
    }
}
