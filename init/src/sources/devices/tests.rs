//! Plays: what is in `/sys`, what the kernel or udevd says, and what must be told of it.

use std::{fs, os::unix::fs::symlink, path::PathBuf};

use events::{Bus, Time, Uevent, Value};
use jobs::{Engine, Input};

use super::{folder::Folders, *};
use crate::{
    pid1::{options::Options, shell::Shell, token::Token},
    sources::Past,
    sys::poll::Poll,
};

const CARD: &str = "/devices/pci0/net/eth0";

/// Devices over folders of their own, and what they have told.
struct Play {
    root: PathBuf,
    poll: Poll<Token>,
    bus: Bus<Input>,
    options: Options,
    now: u64,
    devices: Option<Devices>,
}

impl Play {
    fn new(name: &str) -> Self {
        let root = std::env::temp_dir().join(format!("onset-devices-{}-{name}", std::process::id()));
        fs::create_dir_all(root.join("data")).unwrap();
        let options = Options::default();
        let mut play = Self {
            root,
            poll: Poll::new().unwrap(),
            bus: Bus::new(65_536),
            options,
            now: 1000,
            devices: None,
        };
        let engine = Engine::new();
        let folders = Folders { sys: play.root.join("sys"), database: play.root.join("data") };
        let devices = play.with(|shell| Devices::new(shell, &Past::none(&engine)).unwrap());
        // It is there for tests, and none of its messages is looked at.
        play.devices = Some(Devices { folders, is_held: false, is_lost: false, ..devices });
        play
    }

    fn with<T>(&mut self, act: impl FnOnce(&mut Shell<'_>) -> T) -> T {
        let now = Time(self.now);
        act(&mut Shell { poll: &mut self.poll, bus: &mut self.bus, now, options: &self.options })
    }

    fn act<T>(&mut self, act: impl FnOnce(&mut Devices, &mut Shell<'_>) -> T) -> T {
        let mut devices = self.devices.take().unwrap();
        let done = self.with(|shell| act(&mut devices, shell));
        self.devices = Some(devices);
        done
    }

    /// Puts a device into `/sys`, in the place of the one that is there.
    fn put(&mut self, path: &str, class: &str, file: &str) {
        self.take(path);
        let folder = self.root.join("sys").join(path.trim_start_matches('/'));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("uevent"), file).unwrap();
        let class = self.root.join("sys/class").join(class);
        fs::create_dir_all(&class).unwrap();
        let link = class.join(path.rsplit('/').next().unwrap());
        symlink(format!("../..{path}"), link).unwrap();
    }

    fn take(&mut self, path: &str) {
        let folder = self.root.join("sys").join(path.trim_start_matches('/'));
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
            for class in fs::read_dir(self.root.join("sys/class")).unwrap().flatten() {
                drop(fs::remove_file(class.path().join(path.rsplit('/').next().unwrap())));
            }
        }
    }

    fn card(&mut self, number: u32) {
        self.put(CARD, "net", &format!("INTERFACE=eth0\nIFINDEX={number}\n"));
    }

    /// The kernel says something; `,` stands for the zero byte.
    fn says(&mut self, message: &str) {
        let message = Uevent::of_kernel(message.replace(',', "\0").as_bytes()).unwrap();
        self.act(|devices, shell| devices.hear(shell, &message, true));
    }

    fn card_says(&mut self, action: &str, number: u32) {
        self.says(&format!("{action}@{CARD},SUBSYSTEM=net,INTERFACE=eth0,IFINDEX={number},SEQNUM=1"));
    }

    /// Looks at everything.
    fn look(&mut self) {
        self.act(|devices, shell| {
            devices.table.begin_look();
            devices.look = Some(Look::new(&devices.folders.sys));
            while devices.look.is_some() {
                devices.go_on_looking(shell);
            }
        });
    }

    /// What was told since it was asked last: events by name, facts by identity.
    #[track_caller]
    fn told(&mut self, expected: &[&str]) {
        let told: Vec<String> = self
            .bus
            .take(usize::MAX)
            .into_iter()
            .map(|input| {
                if let Input::Event { event, .. } = &input {
                    return event.name.to_string();
                }
                if let Input::Began { fact, .. } = &input {
                    return format!("+{}", fact.identity.0);
                }
                let Input::Ended { identity, .. } = &input else { panic!("{input:?}") };
                format!("-{}", identity.0)
            })
            .collect();
        assert_eq!(told, expected);
    }
}

impl Drop for Play {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.root));
    }
}

/// Runs a test where descriptors can be waited for.
fn play(name: &str, test: impl FnOnce(&mut Play)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let _entered = runtime.enter();
    test(&mut Play::new(name));
}

#[test]
fn a_card_comes_and_goes() {
    play("comes", |play| {
        play.card(3);
        play.card_says("add", 3);
        play.told(&["+ifindex-3", "net-device-added"]);
        play.card_says("change", 3);
        play.told(&["net-device-changed"]);
        play.take(CARD);
        play.card_says("remove", 3);
        play.told(&["-ifindex-3", "net-device-removed"]);
        play.card_says("remove", 3);
        play.told(&[]);
    });
}

#[test]
fn a_card_that_is_replugged_before_anybody_looks_is_two() {
    play("replugged", |play| {
        play.card(3);
        play.card_says("add", 3);
        play.told(&["+ifindex-3", "net-device-added"]);
        play.card(4);
        play.card_says("remove", 3);
        play.card_says("add", 4);
        play.told(&["-ifindex-3", "net-device-removed", "+ifindex-4", "net-device-added"]);
    });
}

#[test]
fn one_that_came_and_went_before_it_could_be_looked_at_is_told_of() {
    play("brief", |play| {
        play.card_says("add", 3);
        play.card_says("remove", 3);
        play.told(&["+ifindex-3", "net-device-added", "-ifindex-3", "net-device-removed"]);
        play.card(5);
        for (action, number) in [("add", 4), ("remove", 4), ("add", 5)] {
            play.card_says(action, number);
        }
        play.told(&[
            "+ifindex-4",
            "net-device-added",
            "-ifindex-4",
            "net-device-removed",
            "+ifindex-5",
            "net-device-added",
        ]);
    });
}

#[test]
fn a_look_tells_what_messages_did_not() {
    play("look", |play| {
        play.card(3);
        play.put("/devices/pci0/block/vda", "block", "DEVNAME=vda\nDEVTYPE=disk\nDISKSEQ=1\n");
        play.look();
        play.told(&["+diskseq-1", "block-device-added", "+ifindex-3", "net-device-added"]);
        play.look();
        play.told(&[]);
        // A replug that nobody told, and a disk that is gone.
        play.card(4);
        play.take("/devices/pci0/block/vda");
        play.look();
        play.told(&[
            "-ifindex-3",
            "net-device-removed",
            "+ifindex-4",
            "net-device-added",
            "-diskseq-1",
            "block-device-removed",
        ]);
        play.put(CARD, "net", "INTERFACE=eth0\nIFINDEX=4\nDEVTYPE=wlan\n");
        play.look();
        play.told(&["+ifindex-4", "net-device-changed"]);
    });
}

#[test]
fn what_a_look_has_told_is_not_told_again_by_messages() {
    play("stale", |play| {
        play.card(3);
        play.card_says("add", 3);
        play.card(4);
        play.look();
        play.told(&[
            "+ifindex-3",
            "net-device-added",
            "-ifindex-3",
            "net-device-removed",
            "+ifindex-4",
            "net-device-added",
        ]);
        for (action, number) in [("remove", 3), ("add", 4)] {
            play.card_says(action, number);
        }
        play.told(&[]);
        // Of one by its folder, too: its message does not say which it was.
        let usb = "/devices/pci0/usb1";
        play.put(usb, "usb", "DEVTYPE=usb_device\n");
        play.look();
        assert!(matches!(play.bus.take(9).as_slice(), [Input::Began { .. }, Input::Event { .. }]));
        play.says(&format!("remove@{usb},SUBSYSTEM=usb"));
        play.says(&format!("add@{usb},SUBSYSTEM=usb"));
        play.told(&[]);
    });
}

#[test]
fn who_only_says_so_neither_adds_nor_removes() {
    play("synthetic", |play| {
        play.card(3);
        play.card_says("add", 3);
        play.told(&["+ifindex-3", "net-device-added"]);
        for action in ["add", "remove", "add"] {
            play.says(&format!("{action}@{CARD},SUBSYSTEM=net,INTERFACE=eth0,IFINDEX=3,SYNTH_UUID=0"));
        }
        play.told(&[]);
        // What a message claims is no fact: that is read where it is true.
        play.says(&format!("change@{CARD},SUBSYSTEM=net,INTERFACE=eth7,IFINDEX=3,LIE=yes"));
        play.told(&["net-device-changed"]);
    });
}

#[test]
fn a_card_that_is_renamed_is_the_same_card() {
    play("renamed", |play| {
        play.card(3);
        play.card_says("add", 3);
        play.told(&["+ifindex-3", "net-device-added"]);
        play.take(CARD);
        play.put("/devices/pci0/net/wan", "net", "INTERFACE=wan\nIFINDEX=3\n");
        play.says(&format!(
            "move@/devices/pci0/net/wan,SUBSYSTEM=net,INTERFACE=wan,IFINDEX=3,DEVPATH_OLD={CARD}"
        ));
        play.told(&["+ifindex-3", "net-device-move"]);
        play.take("/devices/pci0/net/wan");
        play.says("remove@/devices/pci0/net/wan,SUBSYSTEM=net,INTERFACE=wan,IFINDEX=3");
        play.told(&["-ifindex-3", "net-device-removed"]);
    });
}

#[test]
fn another_medium_is_another_disk() {
    play("medium", |play| {
        let disk = "/devices/pci0/block/sr0";
        play.put(disk, "block", "DEVTYPE=disk\nDISKSEQ=1\n");
        play.says(&format!("add@{disk},SUBSYSTEM=block,DEVTYPE=disk,DISKSEQ=1"));
        play.told(&["+diskseq-1", "block-device-added"]);
        play.put(disk, "block", "DEVTYPE=disk\nDISKSEQ=2\n");
        play.says(&format!("change@{disk},SUBSYSTEM=block,DEVTYPE=disk,DISKSEQ=2,DISK_MEDIA_CHANGE=1"));
        play.told(&[
            "-diskseq-1",
            "block-device-removed",
            "+diskseq-2",
            "block-device-added",
            "block-device-changed",
        ]);
    });
}

#[test]
fn what_is_no_device_is_an_event_and_no_fact() {
    play("module", |play| {
        play.says("add@/module/loop,SUBSYSTEM=module");
        play.says("add@/devices/pci0/net/eth0/queues/rx-0,SUBSYSTEM=queues");
        play.told(&["module-device-added", "queues-device-added"]);
        play.look();
        play.told(&[]);
    });
}

#[test]
fn what_moves_without_a_word_is_looked_for() {
    play("moved", |play| {
        let (old, new) = ("/devices/pci0/phy0", "/devices/pci0/phy1");
        play.put(old, "phy", "NAME=phy\n");
        play.put(&format!("{old}/rfkill"), "rfkill", "RFKILL=1\n");
        play.put(&format!("{old}/net"), "net", "INTERFACE=wlan0\nIFINDEX=9\n");
        play.look();
        drop(play.bus.take(99));
        play.says(&format!("move@{new},SUBSYSTEM=phy,DEVPATH_OLD={old}"));
        assert!(play.devices.as_ref().unwrap().is_lost);
    });
}

#[test]
fn with_udevd_there_a_device_waits_until_udevd_has_dealt_with_it() {
    play("udevd", |play| {
        play.card(3);
        play.act(|devices, _| devices.udevd.pretend());
        play.look();
        play.told(&[]);
        let announced = play.root.join("sys").join(CARD.trim_start_matches('/')).join("uevent");
        assert!(fs::read_to_string(&announced).unwrap().starts_with("add"), "udevd is asked to");
        play.card(3);
        fs::write(play.root.join("data/n3"), "I:7\nE:ID_NET_NAME=enp0\n").unwrap();
        play.card_says("add", 3);
        play.told(&["+ifindex-3", "net-device-added"]);
        assert!(!play.devices.as_ref().unwrap().is_behind());
        let known = play.devices.as_ref().unwrap().table.at(CARD).unwrap().1.clone();
        assert_eq!(known.get("ID_NET_NAME").map(Value::as_str), Some("enp0"));
        // When udevd is gone, what it has said of a device stays.
        play.act(|devices, shell| devices.udevd.has_gone(shell));
        play.look();
        play.told(&[]);
    });
}

#[test]
fn what_udevd_does_not_deal_with_is_told_in_the_end() {
    play("late", |play| {
        play.card(3);
        play.act(|devices, _| devices.udevd.pretend());
        play.look();
        play.card(3);
        play.now += 31_000;
        play.act(Devices::tick);
        play.told(&["+ifindex-3", "net-device-added"]);
    });
}

#[test]
fn what_udevd_owes_when_it_goes_is_told() {
    play("owed", |play| {
        play.card(3);
        play.act(|devices, shell| {
            devices.udevd.pretend();
            let mut come = Come::default();
            let message = format!("add@{CARD}\0SUBSYSTEM=net\0INTERFACE=eth0\0IFINDEX=3\0SEQNUM=4\0");
            devices.take(shell, Sender::Kernel, message.as_bytes(), &mut come);
            let message = b"change@/devices/x\0SUBSYSTEM=x\0SEQNUM=5\0";
            devices.take(shell, Sender::Kernel, message, &mut come);
        });
        play.told(&[]);
        play.act(|devices, shell| devices.udevd_ended(shell));
        // Its job is not known yet to have ended.
        assert!(!play.devices.as_ref().unwrap().is_held());
        let later = play.devices.as_ref().unwrap().deadline().unwrap();
        assert!(later > Time(play.now));
        play.now = later.0;
        play.act(Devices::tick);
        assert!(play.devices.as_ref().unwrap().is_held());
        assert_eq!(play.devices.as_ref().unwrap().deadline(), None);
        play.act(|devices, shell| devices.release(shell, false));
        assert!(play.devices.as_ref().unwrap().is_behind());
        play.look();
        play.told(&["+ifindex-3", "net-device-added"]);
    });
}

#[test]
fn what_libudev_lists_is_taken_as_far_as_it_is_there() {
    play("listed", |play| {
        play.card(3);
        play.card_says("add", 3);
        play.told(&["+ifindex-3", "net-device-added"]);
        let listed = |number: u32| {
            let words = format!("DEVPATH={CARD} SUBSYSTEM=net INTERFACE=eth0 IFINDEX={number} ID_BUS=pci");
            Args::parse(words.split(' ')).unwrap()
        };
        play.act(|devices, shell| devices.enumerated(shell, &[listed(2), listed(3), Args::new()]));
        play.told(&["+ifindex-3", "net-device-changed"]);
        play.act(|devices, shell| devices.enumerated(shell, &[listed(3)]));
        play.told(&[]);
    });
}
