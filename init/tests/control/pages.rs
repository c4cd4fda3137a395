//! The manual says of the control socket what is so.

use std::{collections::BTreeSet, fs, path::Path};

use events::control::{DESCRIPTION, INTERFACE, METHODS, Rights};
use serde_json::json;

use super::Server;

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)).unwrap()
}

/// The rows of a table under a heading, each as its cells.
fn rows(page: &str, heading: &str) -> Vec<Vec<String>> {
    let part = page.split(&format!("\n## {heading}\n")).nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = part.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---")).skip(1);
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().into()).collect()).collect()
}

/// The names in backquotes in a cell.
fn names(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(String::from).collect()
}

#[test]
fn every_method_is_on_the_page_with_who_may_call_it() {
    let page = page("control.md");
    let mut told = BTreeSet::new();
    for row in rows(&page, "Methods") {
        let who: Vec<&str> = row[1].split(", ").collect();
        for (number, name) in names(&row[0]).into_iter().enumerate() {
            told.insert((name, who.get(number).or(who.last()).unwrap().to_string()));
        }
    }
    let who = |rights| if rights == Rights::Root { "root" } else { "anybody" };
    let methods = METHODS.iter().filter(|method| method.interface == INTERFACE);
    let known: BTreeSet<_> = methods.map(|method| (method.name.into(), who(method.rights).into())).collect();
    assert_eq!(told, known);
}

#[test]
fn every_error_is_on_the_page() {
    let page = page("control.md");
    let told: BTreeSet<String> = rows(&page, "Errors").iter().flat_map(|row| names(&row[0])).collect();
    let described = DESCRIPTION.split("\nerror ").skip(1);
    let known: BTreeSet<String> =
        described.map(|error| error.split(' ').next().unwrap().to_string()).collect();
    assert_eq!(told, known);
}

#[test]
fn every_limit_on_the_page_is_in_force() {
    let server = Server::new(&[]);
    let limits = server.connect().call("Limits", json!({}));
    let limits = limits["parameters"]["limits"].as_array().unwrap();
    for row in rows(&page("control.md"), "Limits") {
        let name = &names(&row[0])[0];
        let limit = limits.iter().find(|limit| limit["name"] == **name).unwrap();
        assert_eq!(limit["value"].to_string(), row[1], "{name}");
    }
}

#[test]
fn every_command_that_steers_is_on_the_page() {
    let page = page("onsetctl.md");
    let server = Server::new(&[]);
    let (code, help, _) = server.run(&["--help"]);
    assert_eq!(code, 0);
    let commands = help.split("\nCommands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let words = commands.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    for command in words.filter(|word| !word.is_empty() && !["help", "completions", "man"].contains(word)) {
        let told = [format!("`{command} "), format!("`{command}`"), format!("onsetctl {command}")];
        assert!(told.iter().any(|told| page.contains(told)), "{command} is not in docs/onsetctl.md");
    }
}
