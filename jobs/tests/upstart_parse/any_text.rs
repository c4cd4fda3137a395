//! Whatever comes: it is read or refused, in one pass, and always in the same way.

use jobs::Severity;
use proptest::prelude::*;

use crate::{codes, line, reading, with_override};

#[test]
fn a_large_text_is_read_in_one_pass() {
    for part in [
        "a ",
        "a K=1 and ",
        "(",
        "\"\n\" ",
        "exec a#\n",
        "\\\n",
        "script\n",
        "env A$=1\n",
        "emits a\n",
        "${A:-",
    ] {
        for start in ["", "start on ", "start on (", "exec ", "instance ", "script\n"] {
            let text = format!("{start}{}", part.repeat(20_000));
            assert_eq!(
                reading(&text).described.is_some(),
                reading(&text).reports.iter().all(|report| report.severity == Severity::Warning)
            );
        }
    }
    let many = |stanza: &str| (0..20_000).map(|n| format!("{stanza} A{n}\n")).collect::<String>();
    assert_eq!(codes(&reading(&many("env"))), ["too-many-variables"]);
    assert_eq!(codes(&reading(&many("export"))), ["too-many-variables"]);
    assert_eq!(codes(&reading(&format!("start on a{}\n", " or a".repeat(64)))), ["condition-too-large"]);
    assert_eq!(codes(&reading(&format!("start on a{}\n", " b".repeat(5000)))), ["condition-too-large"]);
}

/// Stanzas, parts of stanzas and signs, in any order.
fn soup() -> impl Strategy<Value = String> {
    let names = jobs::formats::upstart::stanza_names().map(String::from).collect::<Vec<_>>();
    let words = [
        "on",
        "exec",
        "script",
        "end script",
        "limit",
        "signal",
        "timeout",
        "score",
        "never",
        "unlimited",
        "exit",
        "a",
        "K=1",
        "K!=$V",
        "${V:-x}",
        "${",
        "and",
        "or",
        "not",
        "(",
        ")",
        "5",
        "-1",
        "99",
        "TERM",
        "'",
        "\"",
        "\\",
        "#",
        "\n",
        "\n",
        "\n",
        " ",
        "\t",
        "\r\n",
        "ü",
        "\u{feff}",
        "\0",
        "=",
        "nofile",
    ];
    let part = prop_oneof![
        proptest::sample::select(names),
        proptest::sample::select(words.map(String::from).to_vec())
    ];
    let blank = proptest::sample::select(vec!["", " ", " ", " "]);
    proptest::collection::vec((part, blank), 0..40)
        .prop_map(|parts| parts.into_iter().flat_map(|(part, blank)| [part, blank.into()]).collect())
}

/// What must hold for any texts.
fn holds(conf: &str, laid_over: &str) -> Result<(), TestCaseError> {
    let reading = with_override(conf, laid_over);
    prop_assert_eq!(&reading, &with_override(conf, laid_over));
    let refused = reading
        .reports
        .iter()
        .any(|report| report.severity == Severity::Error && report.places[0].path == "t.conf");
    prop_assert_eq!(reading.described.is_none(), refused);
    for place in reading.reports.iter().flat_map(|report| &report.places) {
        let text = if place.path == "t.conf" { conf } else { laid_over };
        prop_assert!(text.get(place.span.clone().unwrap()).is_some(), "{:?} is no part of the text", place);
    }
    for mention in reading.described.iter().flat_map(|described| &described.mentions) {
        let text = if mention.path.is_none() { conf } else { laid_over };
        prop_assert!(text.get(mention.span.clone()).is_some_and(|text| !text.is_empty()));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(conf in "(?s).{0,200}", laid_over in "(?s).{0,60}") {
        holds(&conf, &laid_over)?;
    }

    #[test]
    fn any_stanzas_are_read_or_refused(conf in soup(), laid_over in soup()) {
        holds(&conf, &laid_over)?;
    }

    #[test]
    fn a_fault_far_down_hides_nothing_before_it(good in 0..20_usize) {
        let conf = format!("{}frobnicate\n", "# note\n\nmanual\n".repeat(good));
        let reading = reading(&conf);
        prop_assert_eq!(codes(&reading), vec!["unknown-stanza"]);
        prop_assert_eq!(line(&reading.reports[0], &conf), good * 3 + 1);
    }
}
