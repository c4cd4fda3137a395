//! The reader of plain forms reads what `ron` reads, or nothing. That both agree, `raw::read` itself sees to wherever it
//! runs with checks, so these tests only need to lead it far and wide.

use alloc::{format, string::String, vec::Vec};

use proptest::prelude::*;

use super::super::{plain, raw};

/// Pieces of which most files consist, and some that look like them.
const PIECES: &[&str] = &[
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    " ",
    "\n",
    "\t",
    "a: ",
    "exec: ",
    "\"a b\"",
    "\"\"",
    "\"ä\"",
    "\"K\": ",
    "\"\\n\"",
    "r\"a\\b\"",
    "r#\"a\"b\"#",
    "r##\"\"#\"##",
    "r##",
    "// c\n",
    "// c",
    "/* c */",
    "/",
    "true",
    "false",
    "None",
    "Some(1)",
    "inf",
    "NaN",
    "infinity",
    "notify",
    "fd(3)",
    "fd (3)",
    "fd()",
    "r",
    "b",
    "br",
    "rx",
    "r#x",
    "b'x'",
    "'x'",
    "0",
    "7",
    "-7",
    "007",
    "1_0",
    "0o22",
    "1.5",
    "5s",
    "123456789",
    "1234567890",
    "+1",
    "-",
    "a-b",
    "a.b",
    "_",
    "é",
    "\u{a0}",
    "\r\n",
    "coalesce(\"2s\")",
    "script(r#\"x\"#)",
    "kill: (signal: \"TERM\")",
    "env: {\"A\": \"b\"}",
    "x(y: 1)",
    "(1, 2)",
    "()",
];

/// Files as people write them, without escapes: all of a kind that must be read in one pass.
const PLAIN: &[&str] = &[
    "(task: true, start_on: \"other0001\", exec: \"/bench/mark 1\")\n",
    "// A job.\n(\n    exec: \"a b\", // c\n    needs: [\"x\", (name: \"y\", bounce: true)],\n    kill: (timeout: \"5s\",),\n)\n",
    "( ready: fd(3), again: coalesce(\"2s\"), nice: -5, env: {\"A\": \"b\", \"C\": \"\"}, groups: [] )",
    "(script: r#\"\necho \"a\" \\\n\"#)",
    "()",
    "(exec: \"é\")",
];

#[test]
fn what_people_write_is_read_in_one_pass() {
    for text in PLAIN {
        let fields = plain::read(text);
        assert!(fields.is_some(), "{text}");
        assert_eq!(raw::read(text).ok(), fields, "{text}");
    }
}

#[test]
fn what_may_be_a_fault_is_left_to_the_reader_that_tells_it() {
    for text in [
        "",
        "(",
        "(exec: \"a\"",
        "(exec \"a\")",
        "(exec: \"a\") x",
        "(exec: \"a\\q\")",
        "(nice: 01)",
        "(nice: 1e5)",
        "(a: b(c)",
        "(a: \"x\" b: 1)",
        "(a: 1,, b: 2)",
        "(: 1)",
        "(a: {\"x\"})",
        "(a: [[[[[1]]]]])",
        "(a: fd (3))",
        "(a: 1) // no end",
    ] {
        assert_eq!(plain::read(text), None, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn both_readers_agree_on_any_row_of_pieces(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..12)) {
        let text = pieces.concat();
        for text in [format!("({text})"), format!("(a: {text})"), format!("(a: [{text}])"), text] {
            let _ = raw::read(&text);
        }
    }

    #[test]
    fn both_readers_agree_on_a_plain_file_with_changes(
        text in prop::sample::select(PLAIN),
        edits in prop::collection::vec((0_usize..400, 0_usize..6, prop::sample::select(PIECES)), 1..4),
    ) {
        let mut text = String::from(text);
        for (at, len, piece) in edits {
            let at = text.floor_char_boundary(at % text.len().max(1));
            let end = text.floor_char_boundary(at.saturating_add(len).min(text.len()));
            text.replace_range(at..end.max(at), piece);
        }
        let _ = raw::read(&text);
    }
}

#[test]
fn both_readers_agree_on_every_beginning_of_a_file() {
    let texts: Vec<&str> =
        PLAIN.iter().copied().chain([include_str!("../../../../tests/data/full.ron")]).collect();
    for text in texts {
        for end in (0..=text.len()).filter(|end| text.is_char_boundary(*end)) {
            let _ = raw::read(&text[..end]);
        }
    }
}
