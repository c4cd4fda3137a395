//! The verbs of `onset-setup`, each in namespaces of its own: what they change is gone with the process, and nothing of
//! this machine's is touched.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    process::{Command, Output},
};

use super::root::{Root, text};

const SETUP: &str = concat!(env!("CARGO_BIN_EXE_onset"), " onset-setup");

/// Runs `script` in new namespaces; `$SETUP` and `$ROOT` are the program and the folder. `None`, with a word, where
/// namespaces are not to be had.
fn inside(root: &Root, namespaces: &[&str], script: &str) -> Option<Output> {
    let mut command = Command::new("unshare");
    command.args(namespaces).args(["sh", "-ec", script]);
    command.env("SETUP", SETUP).env("ROOT", root.path()).env("ONSET_CONTROL", "/nowhere/control");
    let may =
        Command::new("unshare").args(namespaces).arg("true").output().is_ok_and(|it| it.status.success());
    if !may {
        println!("skipped: no namespaces {namespaces:?} here");
        return None;
    }
    Some(command.output().unwrap())
}

/// The script must end so, print this, and say this.
#[track_caller]
fn check(root: &Root, namespaces: &[&str], script: &str, (code, out, err): (i32, &str, &[&str])) {
    let Some(output) = inside(root, namespaces, script) else { return };
    let said = text(&output.stderr);
    assert_eq!((text(&output.stdout).as_str(), output.status.code()), (out, Some(code)), "{said}");
    assert_eq!(said.lines().collect::<Vec<_>>(), err);
}

/// Without namespaces: below the root only.
#[track_caller]
fn below(root: &Root, words: &[&str], code: i32) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_onset"));
    let output = command.args(["onset-setup", "--root", root.path()]).args(words).output().unwrap();
    let said: Vec<String> = text(&output.stderr).lines().map(String::from).collect();
    assert_eq!(output.status.code(), Some(code), "{said:?}");
    said
}

const MOUNTS: &[&str] = &["--mount", "--propagation", "private"];

/// Makes `/mnt` a root with the test's files in it, in which `in_root` runs the program. It is a tmpfs in the namespace, so
/// that nothing of it is left, and nobody removes files through what is mounted in it.
const NEW_ROOT: &str = "mount -t tmpfs none /mnt; cp -r $ROOT/. /mnt; mkdir -p /mnt/proc /mnt/bin /mnt/dev /mnt/run; \
    mount -t proc none /mnt/proc; touch /mnt/bin/onset; mount --bind ${SETUP% *} /mnt/bin/onset; \
    for lib in /lib /lib64 /usr/lib; do [ -d $lib ] && mkdir -p /mnt$lib && mount --bind -o ro $lib /mnt$lib; done; \
    in_root() { chroot /mnt /bin/onset onset-setup \"$@\"; }; \
    shown() { for at in \"$@\"; do grep -o \" /mnt$at r[^ ]*\" /proc/self/mountinfo || true; done; };";

#[test]
fn the_loopback_interface_comes_up() {
    let script = "cat /sys/class/net/lo/flags; $SETUP lo; cat /sys/class/net/lo/flags; $SETUP lo";
    // A /sys of the new network namespace's own.
    let script = format!("mount -t sysfs none /sys; {script}");
    check(
        &Root::new(&[]),
        &["--net", "--mount", "--propagation", "private"],
        &script,
        (0, "0x8\n0x9\n", &[]),
    );
}

#[test]
fn the_host_gets_its_name() {
    let root = Root::new(&[("etc/hostname", "# the box\nfw1.example.org\n")]);
    check(&root, &["--uts"], "$SETUP --root $ROOT hostname; uname -n", (0, "fw1.example.org\n", &[]));
    let root = Root::new(&[("etc/hostname", "not a name\n")]);
    let fault = "etc/hostname: `not a name` cannot be the name of a host";
    let script = "uname -n >/dev/null; $SETUP --root $ROOT hostname || echo $?";
    check(&root, &["--uts"], script, (0, "1\n", &[fault]));
    // Who has a name and no file keeps it.
    let script = "hostname kept; $SETUP --root $ROOT hostname; uname -n";
    check(&Root::new(&[]), &["--uts"], script, (0, "kept\n", &[]));
}

#[test]
fn variables_are_set_in_the_order_of_the_files_and_a_bad_line_stops_nobody() {
    let root = Root::new(&[
        (
            "etc/sysctl.d/20-b.conf",
            "net.ipv4.ip_forward = 1\nnonsense\n-net.ipv4.no_such = 1\nnet.ipv4.none = 1\n",
        ),
        ("usr/lib/sysctl.d/10-a.conf", "net.ipv4.ip_forward = 0\nnet.ipv4.conf.*.rp_filter = 2\n"),
        ("usr/lib/sysctl.d/20-b.conf", "net.ipv4.ip_forward = 0\nnet.ipv4.ip_default_ttl = 33\n"),
        ("etc/sysctl.conf", "net/ipv4/conf/lo/rp_filter = 1\n"),
    ]);
    let script = "$SETUP --root $ROOT sysctl || echo $?; cd /proc/sys/net/ipv4; \
                  cat ip_forward ip_default_ttl conf/all/rp_filter conf/lo/rp_filter";
    let folder = root.path();
    let faults = [
        format!("{folder}/etc/sysctl.d/20-b.conf:2: `nonsense` is no `KEY = VALUE`"),
        format!(
            "{folder}/etc/sysctl.d/20-b.conf:4: cannot set net.ipv4.none to `1`: the kernel has no such variable"
        ),
    ];
    let faults: Vec<&str> = faults.iter().map(String::as_str).collect();
    check(&root, &["--net"], script, (0, "1\n1\n64\n2\n1\n", &faults));
}

#[test]
fn file_systems_are_mounted_each_after_what_it_lies_in() {
    let root = Root::new(&[(
        "etc/fstab",
        "tmpfs /srv/data/deep tmpfs size=1M,mode=0700\n\
         /srv/data /mnt/again none bind,ro\n\
         tmpfs /srv/data tmpfs nosuid,size=1M,x-systemd.after=nobody\n\
         /dev/no-such-device /gone ext4 nofail\n\
         tmpfs /later tmpfs noauto\n\
         host:/export /net nfs defaults\n\
         broken\n\
         none /bad no-such-kind defaults\n",
    )]);
    let script = "in_root fstab || echo $?; in_root fstab 2>/dev/null || true; \
                  shown /srv/data /srv/data/deep /mnt/again /later /gone /net";
    let Some(output) = inside(&root, MOUNTS, &format!("{NEW_ROOT}{script}")) else { return };
    let (out, said) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(
        out,
        "1\n /mnt/srv/data rw,nosuid,relatime\n /mnt/srv/data/deep rw,relatime\n /mnt/mnt/again ro,nosuid,relatime\n",
        "{said}"
    );
    let fault = |text: &str| assert!(said.lines().any(|line| line == text), "no {text}:\n{said}");
    fault("etc/fstab:7: a line has at least what, where and which kind");
    fault("etc/fstab:8: /bad: the kernel does not know file systems of kind `no-such-kind`");
    assert_eq!(said.lines().count(), 2, "{said}");
}

#[test]
fn the_network_is_asked_for_only_if_something_comes_over_it() {
    let root = Root::new(&[("etc/fstab", "tmpfs /x tmpfs defaults\n")]);
    below(&root, &["fstab", "network", "check"], 1);
    let root = Root::new(&[("etc/fstab", "tmpfs /x tmpfs _netdev\n")]);
    below(&root, &["fstab", "network", "check"], 0);
}

#[test]
fn a_root_is_remounted_as_fstab_says() {
    let root = Root::new(&[(
        "etc/fstab",
        "/dev/root / tmpfs ro,noatime 0 1\ntmpfs /run tmpfs nosuid,mode=755 0 0\n",
    )]);
    let script = format!("{NEW_ROOT} mount -t tmpfs none /mnt/run; in_root remount; shown '' /run");
    check(&root, MOUNTS, &script, (0, " /mnt ro,noatime\n /mnt/run rw,nosuid,relatime\n", &[]));
}

#[test]
fn files_are_made_and_removed_as_tmpfiles_say() {
    let root = Root::new(&[
        ("etc/passwd", "root:x:0:0::/root:/bin/sh\nweb:x:33:33::/:/bin/false\n"),
        ("etc/group", "root:x:0:\nwww:x:34:\n"),
        ("old/a/b", "x"),
        ("old-1", "x"),
        ("kept/x", "x"),
        ("var/lib/x/keep", "kept"),
        ("usr/share/factory/etc/issue", "hello\n"),
        (
            "usr/lib/tmpfiles.d/a.conf",
            "d /run/web 0750 web www -\n\
             D /run/web/inner 0700 33\n\
             f /var/lib/x/new 0640 - - - one\\ntwo\n\
             f /var/lib/x/keep 0600 - - - other\n\
             F /var/lib/x/anew - - - - again\n\
             L /etc/mtab - - - - ../proc/self/mounts\n\
             R /old\n\
             r! /old-*\n\
             r /kept\n\
             C /etc/issue\n\
             p /run/pipe 0600\n\
             w /var/lib/x/anew - - - - over\n\
             w /var/lib/none - - - - nothing\n\
             Z /kept 0700 web\n\
             d /run/bad 0755 nobody-here\n\
             a+ /run/web - - - - u:x:r\n",
        ),
        ("etc/tmpfiles.d/masked.conf", "-> /dev/null"),
        ("usr/lib/tmpfiles.d/masked.conf", "f /masked\n"),
    ]);
    let said = below(&root, &["tmpfiles"], 1);
    let place = format!("{}/usr/lib/tmpfiles.d/a.conf:15", root.path());
    assert_eq!(said, [format!("{place}: there is no user `nobody-here`")]);
    let status = |path: &str| fs::symlink_metadata(root.0.join(path)).unwrap();
    let mode = |path: &str| status(path).permissions().mode() & 0o7777;
    assert_eq!(
        (mode("run/web"), mode("run/web/inner"), mode("tmp"), mode("run/lock")),
        (0o750, 0o700, 0o1777, 0o1777)
    );
    if nix::unistd::geteuid().is_root() {
        assert_eq!((status("run/web").uid(), status("run/web").gid(), status("kept/x").uid()), (33, 34, 33));
    }
    assert_eq!((root.read("var/lib/x/new").as_str(), mode("var/lib/x/new")), ("one\ntwo", 0o640));
    assert_eq!((root.read("var/lib/x/keep").as_str(), mode("var/lib/x/keep")), ("kept", 0o600));
    assert_eq!(root.read("var/lib/x/anew"), "overn");
    assert_eq!(fs::read_link(root.0.join("etc/mtab")).unwrap().to_str(), Some("../proc/self/mounts"));
    assert_eq!(fs::read_link(root.0.join("var/run")).unwrap().to_str(), Some("../run"));
    for gone in ["old", "old-1", "masked", "var/lib/none"] {
        assert!(!root.0.join(gone).exists(), "{gone}");
    }
    assert_eq!((root.read("etc/issue").as_str(), mode("kept")), ("hello\n", 0o700));
    // A second time nothing changes.
    below(&root, &["tmpfiles"], 1);
    assert_eq!((root.read("var/lib/x/new").as_str(), mode("run/web")), ("one\ntwo", 0o750));
}

#[test]
fn a_user_cannot_lead_tmpfiles_elsewhere() {
    let root = Root::new(&[
        ("secret", "x"),
        ("home/open/out", "-> /"),
        ("home/open/link", "-> /secret"),
        (
            "etc/tmpfiles.d/a.conf",
            "f /home/open/out/taken\nF /home/open/link - - - - lost\nZ /home/open/link 0777\nf /home/open/hard 0666\n",
        ),
    ]);
    fs::set_permissions(root.0.join("home/open"), fs::Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(root.0.join("secret"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::hard_link(root.0.join("secret"), root.0.join("home/open/hard")).unwrap();
    let said = below(&root, &["tmpfiles"], 1);
    assert_eq!(said.len(), 3, "{said:?}");
    let mode = fs::metadata(root.0.join("secret")).unwrap().permissions().mode() & 0o777;
    assert!(!root.0.join("taken").exists() && root.read("secret") == "x" && mode == 0o600);
}

#[test]
fn a_seed_is_loaded_once() {
    let root = Root::new(&[]);
    below(&root, &["seed", "save"], 0);
    let seed = || {
        ["random-seed", "random-seed.weak"].map(|name| fs::read(root.0.join("var/lib/onset").join(name)).ok())
    };
    let first = seed();
    assert_eq!(first.iter().flatten().map(Vec::len).collect::<Vec<_>>(), [256]);
    if nix::unistd::geteuid().is_root() {
        below(&root, &["seed", "load"], 0);
        let second = seed();
        assert!(second != first && second.iter().flatten().count() == 1);
    }
    below(&root, &["seed"], 2);
}

#[test]
fn a_machine_keeps_the_id_that_it_has() {
    let root = Root::new(&[("etc/machine-id", "uninitialized\n")]);
    below(&root, &["machine-id"], 0);
    let id = root.read("etc/machine-id");
    assert!(id.len() == 33 && id.trim().bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    below(&root, &["machine-id"], 0);
    assert_eq!(root.read("etc/machine-id"), id);
    let root = Root::new(&[("var/lib/dbus/machine-id", "0123456789abcdef0123456789abcdef\n"), ("etc/x", "")]);
    below(&root, &["machine-id"], 0);
    assert_eq!(root.read("etc/machine-id"), "0123456789abcdef0123456789abcdef\n");
}

#[test]
fn where_etc_cannot_be_written_to_the_id_lasts_until_the_next_boot() {
    let root = Root::new(&[("etc/machine-id", ""), ("run/x", "")]);
    let script = "cd $ROOT; mount --bind etc etc; mount -o remount,bind,ro etc; $SETUP --root $ROOT machine-id; \
                  cmp run/machine-id etc/machine-id && wc -c <etc/machine-id";
    check(&root, MOUNTS, script, (0, "33\n", &[]));
    assert_eq!(root.read("etc/machine-id"), "");
}

#[test]
fn a_check_says_what_it_is_to_check() {
    let said = below(&Root::new(&[]), &["fsck"], 2);
    assert_eq!(said, ["fsck: `root` or a mount point is missing"]);
}

#[test]
fn who_asks_for_something_else_is_told_what_there_is() {
    let said = below(&Root::new(&[]), &["unheard-of"], 2);
    assert!(said[0].starts_with("usage: onset-setup"), "{said:?}");
}
