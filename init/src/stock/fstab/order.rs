//! In which order entries are mounted: what another lies in comes before it.

use super::Entry;

/// The entries so that each comes after those it lies in, and else as they stand in the file.
///
/// Two that lie in each other (a bind of `/a/x` at `/b`, and one of `/b/y` at `/a`) are taken as they stand.
pub fn sorted(mut entries: Vec<Entry>) -> Vec<Entry> {
    let mut sorted = Vec::with_capacity(entries.len());
    while !entries.is_empty() {
        let is_first = |entry: &Entry| !entries.iter().any(|other| comes_after(entry, other));
        let at = entries.iter().position(is_first).unwrap_or(0);
        sorted.push(entries.remove(at));
    }
    sorted
}

/// Whether `entry` lies in what `other` mounts: its mount point, what it binds, or its swap file.
pub fn comes_after(entry: &Entry, other: &Entry) -> bool {
    if other.is_swap() || entry == other {
        return false;
    }
    let in_it = |path: &str| is_below(path, &other.target);
    let target = !entry.is_swap() && in_it(&entry.target) && entry.target != other.target;
    target || (entry.spec.starts_with('/') && !entry.spec.starts_with("/dev/") && in_it(&entry.spec))
}

/// Whether `path` is `folder` or in it.
fn is_below(path: &str, folder: &str) -> bool {
    let rest = path.strip_prefix(folder.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::{super::entry::parse, *};

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let (entries, faults) = parse(text);
        assert_eq!(faults, [""; 0]);
        let order: Vec<_> =
            sorted(entries).into_iter().map(|it| format!("{} {}", it.spec, it.target)).collect();
        assert_eq!(order, expected);
    }

    #[test]
    fn what_another_lies_in_comes_first() {
        check(
            "/dev/c /var/lib/db ext4\n/dev/b /var ext4\n/dev/a / ext4\n/dev/d /vary ext4\n",
            &["/dev/a /", "/dev/b /var", "/dev/c /var/lib/db", "/dev/d /vary"],
        );
    }

    #[test]
    fn a_bind_comes_after_what_it_binds() {
        check(
            "/srv/www /var/www none bind\n/srv/swap none swap sw\n/dev/a /srv ext4\n",
            &["/dev/a /srv", "/srv/www /var/www", "/srv/swap none"],
        );
        check("/srv /x none bind\n/dev/a /srv ext4\n", &["/dev/a /srv", "/srv /x"]);
    }

    #[test]
    fn two_that_lie_in_each_other_are_both_there() {
        check("/a/x /b none bind\n/b/y /a none bind\n", &["/a/x /b", "/b/y /a"]);
        check("/a /a none bind\n", &["/a /a"]);
    }
}
