//! Whether rc.d scripts ran in the order that their headers ask for: from marks that they have left, and from the
//! headers alone. It knows nothing of how Onset reads these.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
};

use crate::say;

/// For each file those that must come before it.
type Before = BTreeMap<String, BTreeSet<String>>;

/// The first must settle before the second begins.
type Edges = Vec<(String, String)>;

/// When a script began, and when it had settled: places in the list of marks.
type Marks = BTreeMap<String, (usize, Option<usize>)>;

/// Says how many scripts and edges there are, how many ran, whether each pair of them that has an order kept it, how many ran
/// at the same time, which scripts are in a ring (their edges with each other say nothing), and who ran behind one that has left
/// no mark of its end.
pub fn check(words: &[String]) -> io::Result<()> {
    let [marks, folder] = words else {
        return Err(io::Error::other("it is `vm-guest order MARKS FOLDER`"));
    };
    let (scripts, edges) = headers(folder)?;
    let (marks, most) = read_marks(&fs::read_to_string(marks)?)?;
    let declared = closure(&before(&scripts, &edges, |_, _| true));
    let are_in_ring = |one: &str, other: &str| {
        let comes_before = |one: &str, other: &str| declared.get(other).is_some_and(|all| all.contains(one));
        comes_before(one, other) && comes_before(other, one)
    };
    let rings: Vec<&str> = scripts.iter().map(String::as_str).filter(|it| are_in_ring(it, it)).collect();
    let all = closure(&before(&scripts, &edges, |first, then| !are_in_ring(first, then)));
    say(&format!("{} scripts, {} edges", scripts.len(), edges.len()))?;
    say(&format!("{} ran, at most {most} at once", marks.len()))?;
    say(&format!("in a ring: {}", rings.join(" ")))?;
    let (mut pairs, mut broken) = (0_usize, 0_usize);
    let mut behind: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (then, (begun, _)) in &marks {
        for first in all.get(then).into_iter().flatten() {
            // What did not run holds nobody up, and what goes by way of it is a pair of its own.
            let Some((_, settled)) = marks.get(first) else { continue };
            let Some(settled) = settled else {
                behind.entry(first).or_default().push(then);
                continue;
            };
            pairs = pairs.saturating_add(1);
            if settled > begun {
                broken = broken.saturating_add(1);
                say(&format!("{then} began before {first} had settled"))?;
            }
        }
    }
    for (first, all) in behind {
        say(&format!("{first} did not end; behind it: {}", all.join(" ")))?;
    }
    say(&format!("{pairs} pairs have an order, {broken} did not keep it"))
}

/// The files of a folder, and its edges.
fn headers(folder: &str) -> io::Result<(Vec<String>, Edges)> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        files.insert(entry.file_name().to_string_lossy().into_owned(), fs::read_to_string(entry.path())?);
    }
    let words = |text: &str, verb: &str| -> Vec<String> {
        let start = format!("# {verb}: ");
        let lines = text.lines().filter_map(|line| line.strip_prefix(&start));
        lines.flat_map(str::split_whitespace).map(String::from).collect()
    };
    let mut providers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, text) in &files {
        for word in words(text, "PROVIDE") {
            providers.entry(word).or_default().push(file.clone());
        }
    }
    let of = |word: &String| providers.get(word).cloned().unwrap_or_default();
    let mut edges = Vec::new();
    for (file, text) in &files {
        let requires = words(text, "REQUIRE");
        edges.extend(requires.iter().flat_map(of).map(|first| (first, file.clone())));
        edges.extend(words(text, "BEFORE").iter().flat_map(of).map(|then| (file.clone(), then)));
    }
    Ok((files.into_keys().collect(), edges))
}

fn before(scripts: &[String], edges: &[(String, String)], counts: impl Fn(&str, &str) -> bool) -> Before {
    let mut before: Before = scripts.iter().map(|script| (script.clone(), BTreeSet::new())).collect();
    for (first, then) in edges.iter().filter(|(first, then)| counts(first, then)) {
        before.entry(then.clone()).or_default().insert(first.clone());
    }
    before
}

/// The same with what comes before by way of others.
fn closure(before: &Before) -> Before {
    let from = |script: &String| {
        let (mut open, mut found) = (vec![script], BTreeSet::new());
        while let Some(script) = open.pop() {
            for first in before.get(script).into_iter().flatten() {
                if found.insert(first.clone()) {
                    open.push(first);
                }
            }
        }
        (script.clone(), found)
    };
    before.keys().map(from).collect()
}

/// The marks of each script, and how many had begun and not settled at most.
fn read_marks(text: &str) -> io::Result<(Marks, usize)> {
    let (mut marks, mut running, mut most) = (Marks::new(), 0_usize, 0_usize);
    for (place, line) in text.lines().enumerate() {
        let known = |script: &str, marks: &Marks| marks.contains_key(script);
        match line.split_once(' ') {
            Some(("begin", script)) if !known(script, &marks) => {
                marks.insert(script.to_owned(), (place, None));
                running = running.saturating_add(1);
            }
            Some(("end", script)) => {
                let begun = marks.get_mut(script).filter(|(_, settled)| settled.is_none());
                let (_, settled) = begun.ok_or_else(|| io::Error::other(format!("`{line}` has no begin")))?;
                *settled = Some(place);
                running = running.saturating_sub(1);
            }
            _ => return Err(io::Error::other(format!("`{line}` is no mark, or there is one already"))),
        }
        most = most.max(running);
    }
    Ok((marks, most))
}
