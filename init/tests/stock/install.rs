//! `make install` and `make uninstall`, into a folder.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use super::root::{Root, onsetctl, text};

/// Calls make with programs that are built already. `DESTDIR` is always the test's folder: never this machine.
fn make(root: &Root, target: &str, words: &[&str]) -> Output {
    let programs = Path::new(env!("CARGO_BIN_EXE_onset")).parent().unwrap();
    let mut command = Command::new("make");
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).arg(target);
    command.arg(format!("DESTDIR={}", root.path())).arg(format!("FROM={}", programs.display())).args(words);
    // What make hands down to those it calls is not for this one.
    command.env_remove("MAKEFLAGS").env_remove("MAKELEVEL").env_remove("MFLAGS").output().unwrap()
}

/// All files and links below a folder, without it in front.
fn files(root: &Root) -> Vec<String> {
    let (mut open, mut files) = (vec![root.0.clone()], Vec::<PathBuf>::new());
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path())
            } else {
                files.push(entry.path())
            }
        }
    }
    files.iter().map(|path| path.strip_prefix(&root.0).unwrap().to_str().unwrap().to_owned()).collect()
}

#[test]
fn what_is_installed_is_whole_and_goes_again() {
    let root = Root::new(&[]);
    for _ in 0..2 {
        let output = make(&root, "install", &["LINKS=/sbin"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let setup = Command::new(root.0.join("usr/sbin/onset-setup")).output().unwrap();
    assert!(text(&setup.stderr).starts_with("usage: onset-setup"));
    assert_eq!(fs::read_link(root.0.join("sbin/init")).unwrap().to_str(), Some("/usr/sbin/onset"));
    for path in [
        "usr/lib/onset/bin/telinit",
        "usr/lib/onset/jobs/getty.ron",
        "usr/share/man/man1/onsetctl.1",
        "usr/share/doc/onset/install.md",
        "usr/share/zsh/vendor-completions/_onsetctl",
        "etc/onset/hooks",
    ] {
        assert!(root.0.join(path).exists(), "{path}");
    }
    let checked = onsetctl(&["check", root.path()]);
    assert!(text(&checked.stdout).contains(" 0 errors, 0 warnings"), "{}", text(&checked.stdout));
    root.write("etc/onset/jobs/mine.ron", "(exec: \"/bin/mine\")");
    let output = make(&root, "uninstall", &["LINKS=/sbin"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(files(&root), ["etc/onset/jobs/mine.ron"]);
}

#[test]
fn another_inits_programs_are_not_replaced() {
    let root = Root::new(&[("sbin/reboot", "-> /bin/systemctl")]);
    let output = make(&root, "install", &["LINKS=/sbin"]);
    assert!(!output.status.success() && text(&output.stderr).contains("/sbin/reboot is another init's"));
    assert_eq!(files(&root), ["sbin/reboot"]);
    assert!(make(&root, "install", &[]).status.success());
    assert_eq!(fs::read_link(root.0.join("sbin/reboot")).unwrap().to_str(), Some("/bin/systemctl"));
    assert!(make(&root, "uninstall", &["LINKS=/sbin"]).status.success());
    assert_eq!(files(&root), ["sbin/reboot"]);
}
