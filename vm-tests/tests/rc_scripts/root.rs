//! A root of a case's own, in name spaces of its own: the three shells, busybox's commands and the stand-in daemon.
//!
//! It is a tmpfs with copies in it. Nothing of this machine's file systems is in it, and all that ran in it is gone
//! with its PID 1.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use vm_tests::{
    failure::{Doing as _, Failure, Result},
    folder::Folder,
    guest,
    image::Tree,
    programs,
};

use crate::case::{Case, Ran};

/// The shells that scripts run under.
pub const SHELLS: &[&str] = &["dash", "ash", "bash"];

/// Seconds that one case may take.
const PATIENCE: &str = "120";

/// Makes the root and plays the commands. `$1` is the folder with what every root has, `$2` that with the case's files,
/// `$3` an empty one.
const SETUP: &str = r#"
set -e
base=$1 files=$2 root=$3
mount --make-rprivate /
mount -t tmpfs -o mode=0755 tmpfs "$root"
cp -a "$base/." "$root/"
cp -a "$files/." "$root/"
cd "$root"
mkdir -p dev proc sys run tmp old var/run
chmod 1777 tmp
mount -t tmpfs -o mode=0755 tmpfs dev
for node in null:1:3 zero:1:5 urandom:1:9; do
    name=${node%%:*} rest=${node#*:}
    mknod -m 666 dev/$name c ${rest%:*} ${rest#*:} 2>/dev/null ||
        { touch dev/$name; mount -o bind /dev/$name dev/$name; }
done
mount -t proc proc proc
pivot_root . old
cd /
umount -l /old
exec /bin/busybox sh /played/all
"#;

/// Runs each command with the shell that is tested. What a command leaves running holds a file open, and not us.
const PLAY: &str = r#"
export HOME=/ PATH=/sbin:/bin:/usr/sbin:/usr/bin
unset OLDPWD
number=1
while [ -e /played/$number ]; do
    cd /
    status=0
    /bin/sh /played/$number </dev/null >/played/$number.out 2>/played/$number.err || status=$?
    echo $status >/played/$number.status
    number=$((number + 1))
done
number=1
while [ -e /played/$number ]; do
    for kind in out err status; do
        printf '%s %s\n' "$(wc -c </played/$number.$kind)" $kind
        cat /played/$number.$kind
    done
    number=$((number + 1))
done
"#;

/// Plays a case under a shell.
pub fn play(case: &Case, shell: &str) -> Result<Vec<Ran>> {
    let folder = Folder::new("rc-scripts")?;
    let mut tree = Tree::default();
    for (path, text) in &case.files {
        if text.starts_with("#!") { tree.script(path, text) } else { tree.text(path, text) }
    }
    if case.has_commands() {
        add_commands(&mut tree)?;
    }
    tree.text("played/all", PLAY);
    for (number, step) in (1_usize..).zip(&case.steps) {
        tree.text(&format!("played/{number}"), &format!("{}\n", step.command));
    }
    tree.link("bin/sh", if shell == "ash" { "busybox" } else { shell });
    tree.write_folder(&folder.join("files"))?;
    fs::create_dir(folder.join("root")).doing("a root")?;
    let mut command = Command::new("timeout");
    command.args([
        "-k",
        "1",
        PATIENCE,
        "unshare",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount",
        "--net",
        "--ipc",
    ]);
    if !nix::unistd::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    command.args(["/bin/sh", "-c", SETUP, "setup"]).args([
        base()?,
        &folder.join("files"),
        &folder.join("root"),
    ]);
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let output = command.output().doing("unshare")?;
    if !output.status.success() {
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(Failure(format!("{}: {}: {why}", case.name, output.status)));
    }
    Ran::read(&output.stdout, case.steps.len()).doing(format!("{}: half an answer", case.name))
}

/// A folder with what every root has, made once for each run.
fn base() -> Result<&'static Path> {
    static MADE: OnceLock<Result<PathBuf>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rc-scripts");
        if path.exists() {
            fs::remove_dir_all(&path).doing(path.display())?;
        }
        tree()?.write_folder(&path)?;
        Ok(path)
    });
    made.as_ref().map(PathBuf::as_path).map_err(Clone::clone)
}

fn tree() -> Result<Tree> {
    let mut tree = Tree::default();
    tree.copy("bin/busybox", &which("busybox")?)?;
    let applets = Command::new("busybox").arg("--list").output().doing("busybox")?;
    for applet in String::from_utf8_lossy(&applets.stdout).lines() {
        // These stand for what a machine may not have; a case brings what it wants.
        if !["busybox", "sh", "su", "taskset", "modprobe", "logger"].contains(&applet) {
            tree.link(&format!("bin/{applet}"), "busybox");
        }
    }
    for name in ["dash", "bash", "install", "nice"] {
        add_with_libraries_as(&mut tree, name, &format!("bin/{name}"))?;
    }
    // An interpreter of its own name, for scripts that are not the shell's.
    add_with_libraries_as(&mut tree, "dash", "usr/bin/perlish")?;
    tree.link("usr/bin/env", "/bin/busybox");
    let folder = Folder::new("toyd")?;
    toyd(&folder.join("toyd"))?;
    tree.copy("usr/sbin/toyd", &folder.join("toyd"))?;
    let rc_subr = programs::workspace().join("init").join("stock").join("rc").join("rc.subr");
    tree.copy("etc/rc.subr", &rc_subr)?;
    tree.text(
        "etc/passwd",
        "root::0:0:root:/root:/bin/sh\nwww:x:80:80:web:/:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    );
    tree.text("etc/group", "root:x:0:\nwww:x:80:\nnogroup:x:65534:\n");
    for folder in ["root", "var/run", "var/db", "etc/rc.d", "usr/local/etc/rc.d"] {
        tree.folder(folder);
    }
    Ok(tree)
}

/// The commands that scripts count on, as an installation has them.
fn add_commands(tree: &mut Tree) -> Result<()> {
    tree.copy("sbin/onset-rc", &programs::program("onset-rc")?)?;
    for name in guest::RC_NAMES {
        tree.link(&format!("usr/lib/onset/rc/bin/{name}"), "/sbin/onset-rc");
    }
    for path in guest::RC_PATHS.iter().filter(|path| !tree.has(path)).collect::<Vec<_>>() {
        tree.link(path, "/sbin/onset-rc");
    }
    Ok(())
}

fn which(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.doing(format!("{name} is not installed"))
}

/// A program of this machine, and the libraries that it loads.
fn add_with_libraries_as(tree: &mut Tree, name: &str, to: &str) -> Result<()> {
    let path = which(name)?;
    tree.copy(to, &path)?;
    let said = Command::new("ldd").arg(&path).output().doing("ldd")?;
    for word in String::from_utf8_lossy(&said.stdout).split_whitespace().filter(|word| word.starts_with('/'))
    {
        tree.copy(word, Path::new(word))?;
    }
    Ok(())
}

/// Builds the stand-in for daemons.
fn toyd(to: &Path) -> Result<()> {
    let from = programs::workspace().join("vm-tests/tests/rc_scripts/toyd.c");
    let mut command = Command::new("cc");
    command.args(["-Os", "-static", "-s", "-o"]).args([to, &from]);
    let status = command.status().doing("cc")?;
    if status.success() { Ok(()) } else { Err(Failure::new("toyd.c could not be built")) }
}
