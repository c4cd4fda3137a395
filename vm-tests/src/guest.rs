//! What is in a test machine: a bare root of busybox, Onset, the drivers of a virtual machine, and a job that
//! does what the host says.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::{
    failure::{Doing, Result},
    image::Tree,
    kernel::{DRIVERS, Kernel},
    programs,
};

/// Other names of `onsetctl`: what is called by them behaves as the command of that name always did.
pub const NAMES: &[&str] = &[
    "initctl", "start", "stop", "restart", "reload", "status", "telinit", "runlevel", "shutdown", "halt",
    "poweroff", "reboot", "service",
];

/// Names of `onset-rc`: the commands that rc.d scripts count on, at the end of their `PATH`.
pub const RC_NAMES: &[&str] = &[
    "checkyesno",
    "cpuset",
    "daemon",
    "kenv",
    "kldload",
    "kldstat",
    "kldunload",
    "limits",
    "logger",
    "protect",
    "pwait",
    "rcorder",
    "service",
    "setfib",
    "sysctl",
    "sysrc",
];

/// Those that scripts call by their whole path.
pub const RC_PATHS: &[&str] = &[
    "/bin/kenv",
    "/sbin/kldload",
    "/sbin/kldstat",
    "/sbin/kldunload",
    "/sbin/rcorder",
    "/usr/bin/cpuset",
    "/usr/bin/limits",
    "/usr/bin/protect",
    "/usr/sbin/daemon",
    "/usr/sbin/setfib",
    "/usr/sbin/sysrc",
];

/// Where the drivers are in the machine; `order` is the list of them.
const MODULES: &str = "lib/modules/onset-vm";

/// Loads the drivers.
const LOAD: &str = "#!/bin/sh
# The drivers of a virtual machine, each after those that it depends on.
while read -r module; do
    insmod \"/lib/modules/onset-vm/$module\" || echo \"$module was not loaded\"
done < /lib/modules/onset-vm/order
";

/// The job that loads the drivers.
const DRIVERS_JOB: &str = r#"(
    description: "Loads the drivers of a virtual machine",
    start_on: "startup",
    task: true,
    exec: "/lib/modules/onset-vm/load",
)
"#;

/// What the agent's job says where a job loads the drivers.
const REQUIRES: &str = "    requires: [\"vm-drivers\"],\n";

/// The job that does what the host says.
const AGENT_JOB: &str = r#"(
    description: "Runs what the host sends over the port onset.0",
    requires: ["vm-drivers"],
    start_on: "startup",
    exec: ["/sbin/onset", "onset-run", "--agent"],
)
"#;

/// Something that is PID 1 and does no more than run the agent, or the command that was asked for (`rdinit=/sbin/no-init`): to test what is around
/// Onset without it.
const NO_INIT: &str = "#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
exec </dev/console >/dev/console 2>&1
echo 'no init: up'
/lib/modules/onset-vm/load
case $(cat /proc/cmdline) in
*onset.run=*) /sbin/onset onset-run ;;
*) /sbin/onset onset-run --agent ;;
esac
poweroff -f
";

/// Mounts the disk as root and goes on with the init that is there. `vm.init=` names another one.
const FROM_DISK: &str = r#"#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
exec </dev/console >/dev/console 2>&1
/lib/modules/onset-vm/load
mode=ro
init=/sbin/init
for word in $(cat /proc/cmdline); do
    case $word in
    rw) mode=rw ;;
    vm.init=*) init=${word#vm.init=} ;;
    esac
done
mount -t ext4 -o rw /dev/vda /mnt || exec sh
if [ -d /add ]; then
    # What the root may lack, file by file, because a folder of it may be a link to another one.
    cd /add
    find . -type d | while read -r folder; do mkdir -p "/mnt/$folder"; done
    find . ! -type d | while read -r file; do rm -f "/mnt/$file"; cp -a "$file" "/mnt/$file"; done
    cd /
    mkdir -p /mnt/proc /mnt/sys /mnt/dev /mnt/run
fi
mount -o remount,$mode /mnt
for folder in proc sys dev; do
    mount -o move /$folder /mnt/$folder || umount -l /$folder
done
exec switch_root /mnt $init
"#;

/// A bare root in which Onset is `/sbin/init`: without jobs, drivers or stock.
pub fn bare() -> Result<Tree> {
    let mut tree = Tree::default();
    for folder in ["dev", "proc", "sys", "run", "tmp", "mnt", "root", "var/log", "etc/onset/jobs"] {
        tree.folder(folder);
    }
    busybox(&mut tree)?;
    tree.text("etc/passwd", "root::0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n");
    tree.text("etc/group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n");
    tree.text("etc/shells", "/bin/sh\n");
    tree.text("etc/hostname", "onset-vm\n");
    tree.text("etc/fstab", "");
    tree.text("etc/os-release", "NAME=\"Onset test machine\"\nID=onset-vm\n");
    tree.device("dev/console", 0o600, 5, 1);
    onset(&mut tree)?;
    Ok(tree)
}

/// Onset as `/sbin/init`, and what steers it.
pub fn onset(tree: &mut Tree) -> Result<()> {
    tree.link("sbin/init", "onset");
    tree.copy("sbin/onset", &programs::program("onset")?)?;
    tree.copy("sbin/onsetctl", &programs::program("onsetctl")?)?;
    tree.copy("sbin/onset-emit", &programs::program("onset-emit")?)?;
    tree.copy("sbin/onset-rc", &programs::program("onset-rc")?)?;
    // Where an installation has them, and where jobs name them.
    tree.link("usr/sbin/onset", "/sbin/onset");
    tree.link("usr/sbin/onsetctl", "/sbin/onsetctl");
    tree.link("usr/sbin/onset-emit", "/sbin/onset-emit");
    tree.link("usr/sbin/onset-rc", "/sbin/onset-rc");
    tree.link("usr/sbin/onset-setup", "/sbin/onset");
    for name in NAMES {
        tree.link(&format!("sbin/{name}"), "onsetctl");
    }
    for name in RC_NAMES {
        tree.link(&format!("usr/lib/onset/rc/bin/{name}"), "/sbin/onset-rc");
    }
    for path in RC_PATHS.iter().filter(|path| !tree.has(path)).collect::<Vec<_>>() {
        tree.link(path, "/sbin/onset-rc");
    }
    Ok(())
}

/// The stock set, as `make install` installs it.
pub fn stock(tree: &mut Tree) -> Result<()> {
    let stock = programs::workspace().join("init").join("stock");
    for folder in ["jobs", "overrides"] {
        tree.add_folder("usr/lib/onset/jobs", &stock.join(folder))?;
    }
    tree.copy("usr/lib/onset/rc.subr", &stock.join("rc").join("rc.subr"))
}

/// The same with drivers, the agent and the stock jobs: what a scenario boots.
pub fn machine(kernel: &Kernel) -> Result<Tree> {
    let mut tree = bare()?;
    drivers(&mut tree, kernel, &[])?;
    tree.script("sbin/no-init", NO_INIT);
    tree.copy("sbin/vm-guest", &programs::program("vm-guest")?)?;
    stock(&mut tree)?;
    tree.link("etc/rc.subr", "/usr/lib/onset/rc.subr");
    tree.text("usr/lib/onset/jobs/vm-drivers.ron", DRIVERS_JOB);
    tree.text("usr/lib/onset/jobs/vm-agent.ron", AGENT_JOB);
    Ok(tree)
}

/// What is put on a root that somebody brought: Onset, what steers it, and the stock jobs. The drivers are
/// loaded before that root is there.
pub fn added() -> Result<Tree> {
    let mut tree = Tree::default();
    onset(&mut tree)?;
    stock(&mut tree)?;
    tree.add_tree("", &agent());
    Ok(tree)
}

/// What is put on a root that has Onset installed: what the host talks to.
#[must_use]
pub fn agent() -> Tree {
    let mut tree = Tree::default();
    tree.text("usr/lib/onset/jobs/vm-agent.ron", &AGENT_JOB.replace(REQUIRES, ""));
    tree
}

/// What a kernel boots to get at a root on a disk.
pub fn starter(kernel: &Kernel) -> Result<Tree> {
    let mut tree = Tree::default();
    for folder in ["dev", "proc", "sys", "mnt"] {
        tree.folder(folder);
    }
    busybox(&mut tree)?;
    drivers(&mut tree, kernel, &[])?;
    tree.device("dev/console", 0o600, 5, 1);
    // switch_root empties the first root, and does so only to one that has an /init.
    tree.script("init", FROM_DISK);
    Ok(tree)
}

/// Busybox, under all names that it has and that Onset does not take.
pub fn busybox(tree: &mut Tree) -> Result<()> {
    let busybox =
        ["/usr/bin/busybox", "/bin/busybox"].map(PathBuf::from).into_iter().find(|path| path.is_file());
    let busybox = busybox.doing("there is no busybox (package busybox-static)")?;
    let names = Command::new(&busybox).arg("--list").output().doing(busybox.display())?;
    tree.copy("bin/busybox", &busybox)?;
    // Where scripts look for it.
    tree.link("usr/bin/env", "/bin/busybox");
    for name in String::from_utf8_lossy(&names.stdout).lines().filter(|name| *name != "busybox") {
        let folder = if matches!(name, "init" | "poweroff" | "reboot" | "halt") { "sbin" } else { "bin" };
        tree.link(&format!("{folder}/{name}"), "/bin/busybox");
    }
    Ok(())
}

/// The drivers of every machine and some more, and what loads them.
pub fn drivers(tree: &mut Tree, kernel: &Kernel, more: &[&str]) -> Result<()> {
    let mut order = String::new();
    for path in kernel.in_order(&[DRIVERS, more].concat())? {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        tree.copy(&format!("{MODULES}/{name}"), &path)?;
        order.push_str(&name);
        order.push('\n');
    }
    tree.text(&format!("{MODULES}/order"), &order);
    tree.script(&format!("{MODULES}/load"), LOAD);
    Ok(())
}

/// Puts drivers, with all that they depend on, where `depmod` and `modprobe` look for them. Nothing loads them.
pub fn modules(tree: &mut Tree, kernel: &Kernel, names: &[&str]) -> Result<()> {
    let folder = format!("lib/modules/{}", kernel.release()?);
    for path in kernel.in_order(names)? {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        tree.copy(&format!("{folder}/{name}"), &path)?;
    }
    Ok(())
}

/// Puts job files, and whatever else is in a scenario's folders, where they count: `jobs` and
/// `hooks` under `/etc/onset`, `conf` under `/etc/init`, `rc.d` and `init.d` under `/etc`, `root` as it is.
pub fn add_files(tree: &mut Tree, folder: &Path) -> Result<()> {
    let places = [
        ("jobs", "etc/onset/jobs"),
        ("hooks", "etc/onset/hooks"),
        ("conf", "etc/init"),
        ("rc.d", "etc/rc.d"),
        ("init.d", "etc/init.d"),
        ("root", ""),
    ];
    for (from, to) in places {
        let from = folder.join(from);
        if from.is_dir() {
            tree.add_folder(to, &from)?;
        }
    }
    Ok(())
}

/// Writes the image of a kernel's first root beside what is built. Two tests may write the same one.
pub fn keep(tree: &Tree, name: &str) -> Result<PathBuf> {
    let folder = programs::target().join("machines");
    fs::create_dir_all(&folder).doing(folder.display())?;
    let path = folder.join(format!("{name}.cpio"));
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let half = folder.join(format!("{name}.{}.{number}", std::process::id()));
    tree.write_cpio(&half)?;
    fs::rename(&half, &path).doing(path.display())?;
    Ok(path)
}

/// Fills a folder with a root that has a shell, and a script for an init.
pub fn write_no_init(folder: &Path) -> Result<()> {
    let mut tree = Tree::default();
    busybox(&mut tree)?;
    tree.script("sbin/no-init", NO_INIT);
    tree.write_folder(folder)
}
