//! Our reading of rc.conf against that of a shell: what we say is what a shell says, or we say nothing.

use std::process::{Command, Stdio};

use jobs::formats::{
    Source,
    rc_conf::{RcConf, Setting},
};
use proptest::{prelude::*, test_runner::RngSeed};

/// Scraps of shell that run no program and write no file, whatever comes of them.
const SCRAPS: [&str; 58] = [
    "x=",
    "y=",
    "a",
    "YES",
    "\"",
    "'",
    "\\",
    "$",
    "${x}",
    "${y:-z}",
    "$x",
    "${y:=w}",
    "${y=w}",
    ": ",
    "\n",
    "\n",
    "\n",
    " ",
    ";",
    "#",
    "&&",
    "||",
    "|",
    "(",
    ")",
    "{ ",
    "}",
    "if ",
    "true",
    "false",
    "then ",
    "\nfi\n",
    "else ",
    "f()",
    "\nf\n",
    "unset ",
    "export ",
    "case a in\n",
    "a)",
    ";;",
    "\nesac\n",
    "for x in a b\n",
    "do ",
    "done\n",
    "~",
    ":",
    "`",
    "$(",
    "\\\n",
    "\t",
    "[ a ]",
    "!",
    "x",
    "y=$x",
    "x=\"$y\"",
    "elif ",
    "<",
    "return",
];

/// What a shell makes of `x` and `y`; `None` if it gives up on the text.
fn in_a_shell(text: &str) -> Option<[String; 2]> {
    let script = format!("{text}\nprintf '\\001%s\\002%s' \"${{x-unset}}\" \"${{y-unset}}\"");
    let shell = Command::new("/bin/sh")
        .args(["-c", &script])
        .env_clear()
        .env("PATH", "/nonexistent")
        .current_dir("/proc/self")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let said = String::from_utf8(shell.stdout).ok()?;
    let (x, y) = said.rsplit_once('\u{1}')?.1.split_once('\u{2}')?;
    Some([x.into(), y.into()])
}

proptest! {
    // The same texts in every run: others are tried by giving PROPTEST_CASES.
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1000),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_known_without_a_shell_is_what_a_shell_says(
        scraps in prop::collection::vec(prop::sample::select(SCRAPS.to_vec()), 0..14)
    ) {
        let text = scraps.concat();
        let file = Source { path: "/etc/rc.conf".into(), text: text.clone(), executable: false };
        let (conf, _) = RcConf::from_files(&[file]);
        let ours = ["x", "y"].map(|name| match conf.get(name) {
            Setting::Plain(value) => Some(value),
            Setting::Unset => Some("unset"),
            Setting::Unknown => None,
        });
        if let (true, Some(theirs)) = (ours.iter().any(Option::is_some), in_a_shell(&text)) {
            for (ours, theirs) in ours.into_iter().zip(&theirs) {
                prop_assert!(ours.is_none_or(|ours| ours == theirs), "{:?}: {:?} and {:?}", text, ours, theirs);
            }
        }
    }
}
