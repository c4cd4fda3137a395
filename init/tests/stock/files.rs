//! The files of the stock set, and the page about them.

use std::{fs, path::Path};

use super::root::{Root, onsetctl, stock, text};

#[test]
fn the_set_is_right_by_itself() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("stock/jobs");
    let output = onsetctl(&["check", folder.to_str().unwrap()]);
    let said = text(&output.stdout);
    assert!(said.ends_with(" jobs, 0 errors, 0 warnings\n") && output.status.success(), "{said}");
}

#[test]
fn an_installed_set_is_right_also_where_no_job_is_that_an_override_is_for() {
    let root = Root::with_stock(&[]);
    let output = onsetctl(&["check", root.path()]);
    assert!(text(&output.stdout).contains(" 0 errors, 0 warnings"), "{}", text(&output.stdout));
}

#[test]
fn any_job_of_it_may_be_masked() {
    for (file, _) in stock("jobs") {
        let root = Root::with_stock(&[(&format!("etc/onset/jobs/{file}"), "-> /dev/null")]);
        let output = onsetctl(&["check", root.path()]);
        let said = text(&output.stdout);
        assert!(said.contains(" 0 errors, 0 warnings"), "{file} masked: {said}");
    }
}

#[test]
fn every_job_says_what_it_is() {
    for (file, text) in stock("jobs") {
        assert!(text.contains("    description: \""), "{file}");
        let has_reason = text.starts_with("// ") || text.contains("    // ") || text.lines().count() < 12;
        assert!(has_reason, "{file} is long and has no comment");
    }
}

#[test]
fn the_manual_names_every_job_and_override() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/stock.md");
    let page = fs::read_to_string(page).unwrap();
    for (file, _) in stock("jobs") {
        let name = file.strip_suffix(".ron").unwrap();
        assert!(page.contains(&format!("\n| `{name}` |")), "docs/stock.md has no row for {name}");
    }
    for (file, _) in stock("overrides") {
        let name = file.strip_suffix(".override.ron").unwrap();
        assert!(page.contains(&format!("`{name}`")), "docs/stock.md does not name {name}");
    }
}

#[test]
fn a_masked_job_that_a_condition_names_is_no_fault_of_the_administrators() {
    // `getty` asks whether `single` runs.
    let root = Root::with_stock(&[("etc/onset/jobs/single.ron", "-> /dev/null")]);
    let output =
        onsetctl(&["simulate", root.path(), "--event", "startup", "--do", "1s fact console TTY=ttyS0"]);
    assert!(text(&output.stdout).contains("> spawn getty (ttyS0) main"), "{}", text(&output.stdout));
}
