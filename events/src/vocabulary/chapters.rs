//! The table: chapter by chapter, in the order of `docs/events.md`.

use super::{Chapter, Teller, Word};

/// All of them.
pub const CHAPTERS: &[Chapter] = &[
    JOBS, MACHINE, KEYS, PRESSURE, DEVICES, NETWORK, TIME, FILES, MOUNTS, SOCKETS, ONLINE, BY_HAND, UPSTART,
];

const OF_A_START: &[&str] = &["JOB", "INSTANCE"];
const OF_AN_END: &[&str] = &["JOB", "INSTANCE", "RESULT", "PROCESS", "EXIT_STATUS", "EXIT_SIGNAL"];

const JOBS: Chapter = Chapter {
    title: "Jobs",
    teller: Teller::Onset,
    events: &[
        Word::open("starting", OF_A_START, "a job is about to start, and waits for those that this starts"),
        Word::open("started", OF_A_START, "a job is up; of a task: it has begun"),
        Word::open("stopping", OF_AN_END, "a job is about to stop, and waits for those that this starts"),
        Word::open("stopped", OF_AN_END, "a job is down"),
        Word::open("*/failed", &[], "a job has failed that the event before the `/` had started or stopped"),
        Word::new(
            "oom-kill",
            &["JOB", "INSTANCE"],
            "the kernel has killed a job's main process for want of memory",
        ),
    ],
    facts: &[
        Word::new("running", &["JOB", "INSTANCE"], "an instance of the job is up"),
        Word::new("provided", &["NAME"], "one who provides the name is up"),
    ],
};

const MACHINE: Chapter = Chapter {
    title: "The machine",
    teller: Teller::Onset,
    events: &[
        Word::new("startup", &[], "the job files have been read for the first time, and nothing has run yet"),
        Word::new("settled", &["PENDING"], "all has started that starts by itself: the boot is over"),
        Word::new("mode", &["MODE", "PREVIOUS"], "the machine's mode has changed"),
        Word::open(
            "runlevel",
            &["RUNLEVEL", "PREVLEVEL", "INIT_HALT"],
            "a run level was asked for, or the machine goes down",
        ),
        Word::new("shutdown", &["KIND"], "the machine goes down, and nothing has been stopped yet"),
        Word::open("import", &[], "a point of the boot: file systems are mounted"),
        Word::open("early", &[], "a point of the boot: the kernel is set up"),
        Word::open("device", &[], "a point of the boot: devices have been dealt with"),
        Word::open("configure/early", &[], "a point of the boot: before anything of the network"),
        Word::open("firewall", &[], "a point of the boot: before interfaces come up"),
        Word::open("vpn", &[], "a point of the boot: for tunnels"),
        Word::open("bootup", &[], "a point of the boot: the system itself is up"),
        Word::open("start", &[], "a point of the boot: services may start"),
        Word::open("rc", &[], "a point of the boot: the run level is about to begin"),
        Word::open("stop", &["KIND"], "the machine goes down, for hooks"),
    ],
    facts: &[Word::new("mode", &["MODE"], "the machine is in this mode")],
};

const KEYS: Chapter = Chapter {
    title: "Keys and signals",
    teller: Teller::Onset,
    events: &[
        Word::new("control-alt-delete", &[], "control, alt and delete were pressed together"),
        Word::new(
            "keyboard-request",
            &[],
            "keys were pressed that the console's keymap calls `KeyboardSignal`",
        ),
        Word::new("power-status-changed", &[], "whoever looks after the power supply has sent SIGPWR"),
        Word::new("power-button", &[], "the power button was pressed"),
        Word::new("sleep-key", &[], "the sleep key was pressed"),
        Word::new("lid-closed", &[], "the lid was closed"),
        Word::new("lid-opened", &[], "the lid was opened"),
    ],
    facts: &[Word::new("lid", &["STATE"], "there is a lid, and it is `open` or `closed`")],
};

const OF_PRESSURE: &[&str] = &["RESOURCE", "LEVEL"];

const PRESSURE: Chapter = Chapter {
    title: "Pressure",
    teller: Teller::Onset,
    events: &[
        Word::new("pressure", OF_PRESSURE, "programs stand still because there is too little of something"),
        Word::new("pressure-relieved", OF_PRESSURE, "that is over"),
    ],
    facts: &[Word::new("pressure", OF_PRESSURE, "programs stand still because there is too little of it")],
};

/// What every message about a device tells, and some of what it tells of many.
const OF_A_DEVICE: &[&str] = &[
    "KERNEL",
    "DEVPATH",
    "DEVNAME",
    "SUBSYSTEM",
    "ACTION",
    "DEVTYPE",
    "MAJOR",
    "MINOR",
    "INTERFACE",
    "IFINDEX",
    "SEQNUM",
];

/// What of that lasts.
const OF_DEVICES: &[&str] =
    &["KERNEL", "DEVPATH", "DEVNAME", "SUBSYSTEM", "DEVTYPE", "MAJOR", "MINOR", "INTERFACE", "IFINDEX"];

const DEVICES: Chapter = Chapter {
    title: "Devices",
    teller: Teller::Onset,
    events: &[
        Word::open("*-device-added", OF_A_DEVICE, "a device has come"),
        Word::open("*-device-removed", OF_A_DEVICE, "a device has gone"),
        Word::open("*-device-changed", OF_A_DEVICE, "something about a device has changed"),
        Word::open("*-device-move", OF_A_DEVICE, "a device has another name or place"),
        Word::open("*-device-bind", OF_A_DEVICE, "a driver has taken over a device"),
        Word::open("*-device-unbind", OF_A_DEVICE, "a driver has let go of a device"),
        Word::open("*-device-online", OF_A_DEVICE, "a device can be used again"),
        Word::open("*-device-offline", OF_A_DEVICE, "a device cannot be used for now"),
        // Written out to be guessed and completed.
        Word::open("block-device-added", OF_A_DEVICE, "a disk or a part of one has come"),
        Word::open("block-device-removed", OF_A_DEVICE, "a disk or a part of one has gone"),
        Word::open("usb-device-added", OF_A_DEVICE, "something on the USB has come"),
        Word::open("usb-device-removed", OF_A_DEVICE, "something on the USB has gone"),
    ],
    facts: &[Word::open("device", OF_DEVICES, "the device is there")],
};

const NETWORK: Chapter = Chapter {
    title: "Network",
    teller: Teller::Onset,
    events: &[
        Word::open("net-device-added", OF_A_DEVICE, "a network card has come"),
        Word::open("net-device-removed", OF_A_DEVICE, "a network card has gone"),
        Word::open("net-device-changed", OF_A_DEVICE, "something about a network card has changed"),
        Word::open("net-device-move", OF_A_DEVICE, "a network card has another name"),
        Word::open("net-device-up", OF_A_CARD, "the link is up"),
        Word::open("net-device-down", OF_A_CARD, "the link is down"),
        Word::open("net-address-added", OF_AN_ADDRESS, "an address can be used"),
        Word::open("net-address-removed", OF_AN_ADDRESS, "an address has gone, or can be used no longer"),
        Word::open("net-default-route-up", OF_A_ROUTE, "there is a default route"),
        Word::open("net-default-route-down", OF_A_ROUTE, "a default route has gone"),
        Word::new("link-up", OF_A_LINK, "the link is up"),
        Word::new("link-down", OF_A_LINK, "the link is down"),
    ],
    facts: &[
        Word::new("link", OF_A_LINK, "the link is up"),
        Word::new("address", OF_AN_ADDRESS, "the address is set and can be used"),
        Word::new("route", OF_A_ROUTE, "there is this default route"),
    ],
};

const OF_A_CARD: &[&str] = &["IFACE", "LOGICAL", "ADDRFAM", "METHOD"];
const OF_A_LINK: &[&str] = &["IFACE", "IFINDEX", "KIND", "ADDRESS", "MTU", "MASTER"];
const OF_AN_ADDRESS: &[&str] = &["IFACE", "FAMILY", "ADDRESS", "PREFIX", "SCOPE", "PEER"];
const OF_A_ROUTE: &[&str] = &["FAMILY", "IFACE", "GATEWAY", "METRIC"];

/// What a job says of the network: the stock job `online`, and others of the same form.
const ONLINE: Chapter = Chapter {
    title: "Online",
    teller: Teller::People,
    events: &[],
    facts: &[Word::open("network", &["NAME"], "the network is what the name says")],
};

const TIME: Chapter = Chapter {
    title: "Time",
    teller: Teller::Onset,
    events: &[
        Word::new("timer", &["EVERY", "AFTER", "FROM", "JOB"], "the time has passed that a condition names"),
        Word::new(
            "calendar",
            &["AT", "TZ", "JITTER", "CATCH_UP", "JOB", "TIME"],
            "the time has come that a condition names",
        ),
        Word::new(
            "calendar-ask",
            &[],
            "there are times that catch up: who knows when they came last tells it",
        ),
        Word::new(
            "calendar-last",
            &["AT", "TZ", "JITTER", "CATCH_UP", "JOB", "TIME"],
            "when a time that catches up had come last, before this boot",
        ),
    ],
    facts: &[],
};

/// What is told of a file. `SETTLE` is for conditions only.
const OF_A_FILE: &[&str] = &["FILE", "EVENT", "MATCH", "ESCAPED", "SETTLE"];
/// What is told of a mount.
const OF_A_MOUNT: &[&str] = &["MOUNTPOINT", "DEVICE", "TYPE", "OPTIONS", "ROOT", "ESCAPED"];

const FILES: Chapter = Chapter {
    title: "Files",
    teller: Teller::Onset,
    events: &[
        Word::new("file", OF_A_FILE, "a file has come, changed or gone that a condition names"),
        Word::new("file-changed", OF_A_FILE, "the same, of files that `reload_on` and `restart_on` name"),
    ],
    facts: &[Word::new("path", &["PATH", "MATCH", "ESCAPED"], "a file is there that a condition names")],
};

const MOUNTS: Chapter = Chapter {
    title: "Mounts",
    teller: Teller::Onset,
    events: &[
        Word::new("mounted", OF_A_MOUNT, "a file system was mounted, or is at `startup`"),
        Word::new("remounted", OF_A_MOUNT, "a file system has other options"),
        Word::new("unmounted", OF_A_MOUNT, "a file system was unmounted"),
        Word::open("virtual-filesystems", &[], "what the kernel keeps in memory is mounted"),
        Word::open("local-filesystems", &[], "what is on disks of this machine is mounted"),
        Word::open("remote-filesystems", &[], "what is on other machines is mounted"),
        Word::open("all-swaps", &[], "all swap space is in use"),
        Word::open("filesystem", &[], "all file systems are mounted that the boot waits for"),
    ],
    facts: &[Word::new("mount", OF_A_MOUNT, "the file system is mounted")],
};

const SOCKETS: Chapter = Chapter {
    title: "Sockets",
    teller: Teller::Onset,
    events: &[Word::new(
        "socket",
        &[
            "PROTO",
            "PORT",
            "ADDR",
            "PATH",
            "SOCKET_PATH",
            "TYPE",
            "JOB",
            "NAME",
            "CONNECTION",
            "REMOTE_ADDR",
            "REMOTE_PORT",
            "REMOTE_UID",
            "REMOTE_GID",
            "REMOTE_PID",
        ],
        "somebody connects to a socket that a job waits for",
    )],
    facts: &[],
};

const BY_HAND: Chapter = Chapter {
    title: "By hand",
    teller: Teller::People,
    events: &[
        Word::open(
            "carp",
            &["VHID", "ROLE"],
            "another machine takes over from this one, or this one from another",
        ),
        Word::open("newwanip", &["IFACE"], "the address of an uplink is another one"),
        Word::open("config", &[], "the configuration is about to be read"),
        Word::open("monitor", &[], "something that is watched has changed"),
        Word::open("update", &[], "the system is about to be updated"),
        Word::open("upgrade", &[], "the system is about to be upgraded"),
        Word::open("backup", &[], "a backup is due"),
    ],
    facts: &[Word::open("carp", &["VHID", "ROLE"], "this machine has this role").by("VHID")],
};

const UPSTART: Chapter = Chapter {
    title: "From Upstart's jobs",
    teller: Teller::People,
    events: &[
        Word::open("static-network-up", &[], "all network cards are up that the boot waits for"),
        Word::open("deconfiguring-networking", &[], "the network is about to be taken down"),
    ],
    facts: &[],
};
