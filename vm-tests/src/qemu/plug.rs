//! What is plugged into a machine while it runs, and pulled out of it.

use std::path::Path;

use serde_json::{Value, json};

use super::{Machine, PATIENCE};
use crate::{
    failure::{Doing, Result},
    limit::Limit,
};

impl Machine {
    /// Plugs a network card in. It is connected to nothing; the guest gives it its name.
    pub fn plug_card(&mut self, id: &str) -> Result<()> {
        self.plug_card_into(id, json!({ "type": "hubport", "hubid": 0 }))
    }

    /// Plugs a network card in that is connected to a net of QEMU's own: it gives out addresses (10.0.2.15 and
    /// fec0::/64) and is a way out to nowhere. Each family is named: QEMU leaves one out if only the other is.
    pub fn plug_uplink(&mut self, id: &str) -> Result<()> {
        self.plug_card_into(id, json!({ "type": "user", "restrict": true, "ipv4": true, "ipv6": true }))
    }

    /// Pulls the cable out of a card that is plugged in, or puts it back.
    pub fn set_link(&mut self, id: &str, up: bool) -> Result<()> {
        self.tell("set_link", json!({ "name": id, "up": up })).map(drop)
    }

    fn plug_card_into(&mut self, id: &str, mut net: Value) -> Result<()> {
        let slot = self.take_slot(id)?;
        if let Value::Object(net) = &mut net {
            net.insert("id".into(), format!("net-{id}").into());
        }
        self.tell("netdev_add", net)?;
        let device = json!({
            "driver": "virtio-net-pci", "id": id, "netdev": format!("net-{id}"), "bus": slot,
        });
        self.tell("device_add", device).map(drop)
    }

    /// Plugs a disk in, whose serial number is `id`: an empty one, or one with what is in a file.
    pub fn plug_disk(&mut self, id: &str, file: Option<&Path>) -> Result<()> {
        let slot = self.take_slot(id)?;
        self.add_content(id, file)?;
        let device = json!({
            "driver": "virtio-blk-pci", "id": id, "drive": format!("node-{id}"), "serial": id, "bus": slot,
        });
        self.tell("device_add", device).map(drop)
    }

    /// Plugs a controller in that has a USB.
    pub fn plug_usb(&mut self, id: &str) -> Result<()> {
        let slot = self.take_slot(id)?;
        self.tell("device_add", json!({ "driver": "qemu-xhci", "id": id, "bus": slot })).map(drop)
    }

    /// Plugs a stick, whose serial number is `id`, into the USB of a controller that was plugged in.
    pub fn plug_stick(&mut self, id: &str, controller: &str, file: &Path) -> Result<()> {
        self.add_content(id, Some(file))?;
        let device = json!({
            "driver": "usb-storage", "id": id, "drive": format!("node-{id}"), "serial": id,
            "bus": format!("{controller}.0"),
        });
        self.tell("device_add", device).map(drop)
    }

    /// What will be on a disk.
    fn add_content(&mut self, id: &str, file: Option<&Path>) -> Result<()> {
        let name = format!("node-{id}");
        let node = match file {
            None => json!({ "driver": "null-co", "node-name": name, "size": 1 << 20 }),
            Some(path) => json!({
                "driver": "raw", "node-name": name, "file": { "driver": "file", "filename": path },
            }),
        };
        self.tell("blockdev-add", node).map(drop)
    }

    /// Plugs a keyboard in.
    pub fn plug_keyboard(&mut self, id: &str) -> Result<()> {
        let slot = self.take_slot(id)?;
        let device = json!({ "driver": "virtio-keyboard-pci", "id": id, "bus": slot });
        self.tell("device_add", device).map(drop)
    }

    /// Presses keys together on the keyboard that was plugged in: `ctrl alt delete`.
    pub fn press(&mut self, keys: &str) -> Result<()> {
        let keys: Vec<Value> = keys.split(' ').map(|key| json!({ "type": "qcode", "data": key })).collect();
        self.tell("send-key", json!({ "keys": keys })).map(drop)
    }

    /// Pulls out what was plugged in under this name, and waits until it is gone.
    pub fn unplug(&mut self, id: &str) -> Result<()> {
        self.tell("device_del", json!({ "id": id }))?;
        let is_it = |event: &Value| event.pointer("/data/device").and_then(Value::as_str) == Some(id);
        let limit = Limit::seconds(PATIENCE);
        self.until("DEVICE_DELETED", limit, |machine| machine.qmp.event("DEVICE_DELETED", is_it))?;
        // What was behind it: a card's end of the wire, or a disk's content.
        if self.tell("netdev_del", json!({ "id": format!("net-{id}") })).is_err() {
            // A keyboard has nothing behind it. A disk's content that stays shows when its name is used again.
            let _ = self.tell("blockdev-del", json!({ "node-name": format!("node-{id}") }));
        }
        for slot in &mut self.slots {
            slot.take_if(|holder| holder == id);
        }
        Ok(())
    }

    fn take_slot(&mut self, id: &str) -> Result<String> {
        let number = self.slots.iter().position(Option::is_none).doing("no slot is free")?;
        if let Some(slot) = self.slots.get_mut(number) {
            *slot = Some(id.to_owned());
        }
        Ok(format!("slot{number}"))
    }
}
