//! What `onsetctl check` says of what is written in files, and cites.

use super::*;

#[test]
fn a_name_that_nobody_provides_is_cited_with_a_guess() {
    check(
        &[("etc/onset/jobs/shop.ron", SHOP), ("etc/rc.d/postgresql", POSTGRESQL)],
        "\
error[need-unknown]: job `shop` needs `databse`, which no job provides
 --> ./etc/onset/jobs/shop.ron:4:14
  |
4 |     needs: [\"databse\"],
  |              ^^^^^^^ needed here
  |
  = help: did you mean `database`, provided by ./etc/rc.d/postgresql?

warning[no-provider]: job `postgresql` requires `LOGIN`, which no job provides
 --> ./etc/rc.d/postgresql:3:12
  |
3 | # REQUIRE: LOGIN
  |            ^^^^^ required here
  |
  = help: the job starts without it

2 jobs, 1 error, 1 warning
",
        1,
    );
}

#[test]
fn a_misspelt_field_is_cited_with_a_guess() {
    check(
        &[("web.ron", "(\n    start_om: \"startup\",\n    exec: \"/bin/web\",\n)\n")],
        "\
error[unknown-field]: there is no field `start_om`
 --> ./web.ron:2:5
  |
2 |     start_om: \"startup\",
  |     ^^^^^^^^ unknown
  |
  = help: did you mean `start_on`?

0 jobs, 1 error, 0 warnings; refused: web
",
        1,
    );
}

#[test]
fn a_loop_is_shown_whole_with_each_line() {
    check(
        &[
            (
                "net.ron",
                "(\n    start_on: \"startup\",\n    requires: [\"pf\"],\n    exec: \"/bin/net\",\n)\n",
            ),
            ("pf", "#!/bin/sh\n# PROVIDE: pf\n# REQUIRE: net\n\necho\n"),
        ],
        "\
warning[loop]: jobs wait for each other: net -> pf -> net
 --> ./net.ron:3:17
  |
3 |     requires: [\"pf\"],
  |                 ^^ `net` requires `pf` (ignored)
  |
 ::: ./pf:3:12
  |
3 | # REQUIRE: net
  |            --- `pf` requires `net`
  |
  = help: all of them start, and `net` does not wait for `pf`: take one of the names out

2 jobs, 0 errors, 1 warning
",
        1,
    );
}

#[test]
fn a_job_that_can_never_start_is_told() {
    check(
        &[
            ("x.conf", "start on started wbe\nexec /bin/x\n"),
            ("web.conf", "start on startup\nexec /bin/web\n"),
        ],
        "\
warning[never-starts]: there is no job `wbe` for `started`, so job `x` can never start
 --> ./x.conf:1:18
  |
1 | start on started wbe
  |                  ^^^ no such job
  |
  = help: did you mean `web`?

2 jobs, 0 errors, 1 warning
",
        0,
    );
}

#[test]
fn jobs_that_deny_each_other_are_an_error() {
    check(
        &[
            ("a.ron", "(while: \"not running b\", exec: \"/bin/a\")\n"),
            ("b.ron", "(while: \"not running a\", exec: \"/bin/b\")\n"),
        ],
        "\
error[while-loop]: jobs run only while others of them do not: a, b
 --> ./a.ron:1:14
  |
1 | (while: \"not running b\", exec: \"/bin/a\")
  |              ^^^^^^^ `a` runs while not `running b`
  |
 ::: ./b.ron:1:14
  |
1 | (while: \"not running a\", exec: \"/bin/b\")
  |              ------- `b` runs while not `running a`
  |
  = help: each would start and stop the others for ever: take one of the `not`s out

2 jobs, 1 error, 0 warnings
",
        1,
    );
}

#[test]
fn warnings_fail_only_if_asked_to() {
    let tree = Tree::new(&[("a", "#!/bin/sh\n# PROVIDE: a\n# REQUIRE: nope\n\necho\n")]);
    assert_eq!(tree.run(&["check", "."]).0, 0);
    assert_eq!(tree.run(&["check", "--strict", "."]).0, 1);
}

#[test]
fn json_has_the_place_of_everything() {
    let tree = Tree::new(&[("etc/onset/jobs/shop.ron", SHOP), ("etc/rc.d/postgresql", POSTGRESQL)]);
    let (status, out, _) = tree.run(&["check", "--json", "."]);
    let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((status, &answer["jobs"], &answer["errors"]), (1, &2.into(), &1.into()));
    let report = &answer["reports"][0];
    assert_eq!(report["code"], "need-unknown");
    let place = &report["places"][0];
    assert_eq!(
        (&place["line"], &place["column"], &place["text"]),
        (&4.into(), &14.into(), &"databse".into())
    );
    let (_, out, _) = tree.run(&["order", "--json", "."]);
    let lines: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&lines[0]["name"], &lines[0]["level"]), (&"postgresql".into(), &1.into()));
}
