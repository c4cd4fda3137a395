//! Nodes below `/dev`: whom they belong to, and their other names.

use std::{
    collections::BTreeMap,
    fs, io,
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{AT_FDCWD, AtFlags, OFlag, readlinkat},
    sys::stat::{FchmodatFlags, Mode, fchmodat, fstat, makedev},
    unistd::{Gid, Uid, UnlinkatFlags, fchownat, symlinkat, unlinkat},
};

use super::{
    super::place::Place,
    table::{Rule, Table, is_below},
    world::{Device, Node},
};

/// How many devices' links are kept in mind, to remove them with their devices.
const LINKED: usize = 16_384;
/// The longest name that a file of a device gives.
const LONGEST: usize = 255;

/// The nodes of a machine.
#[derive(Debug)]
pub struct Nodes {
    dev: PathBuf,
    sys: PathBuf,
    table: Table,
    /// The links that were made, by the name of the node.
    linked: BTreeMap<String, Vec<String>>,
}

impl Nodes {
    /// Those in these folders.
    pub const fn new(dev: PathBuf, sys: PathBuf, table: Table) -> Self {
        Self { dev, sys, table, linked: BTreeMap::new() }
    }

    /// A device is there. If it was there before, what somebody else has made of its node stays: `is_new` says that
    /// nobody can have.
    pub fn is_there(&mut self, device: &Device, is_new: bool) -> io::Result<()> {
        let Some(node) = device.node.as_ref().filter(|node| is_below(&node.name)) else { return Ok(()) };
        let Some(rule) = self.table.find(&node.name) else { return Ok(()) };
        let links = rule.links.iter().filter_map(|link| self.filled(link, device)).collect::<Vec<_>>();
        match give(&self.dev, node, rule, is_new) {
            // It is gone again, or another one bears its name: a message will tell.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            done => done?,
        }
        for link in &links {
            make_link(&self.dev, link, &node.name)?;
        }
        if !links.is_empty() && self.linked.len() < LINKED {
            self.linked.insert(node.name.clone(), links);
        }
        Ok(())
    }

    /// A device is gone, and its node with it: so are the links to it.
    pub fn is_gone(&mut self, device: &Device) {
        let Some(node) = &device.node else { return };
        for link in self.linked.remove(&node.name).unwrap_or_default() {
            // What leads elsewhere by now is another's.
            let _ = remove_link(&self.dev, &link, &node.name);
        }
    }

    /// A link's name, with what the device's files say in it; `None` if one says nothing.
    fn filled(&self, link: &str, device: &Device) -> Option<String> {
        let mut name = String::new();
        let mut rest = link;
        while let Some((before, after)) = rest.split_once('{') {
            let (file, after) = after.split_once('}')?;
            let path = self.sys.join(device.path.trim_start_matches('/')).join(file);
            if file.is_empty() || file.contains(['/', '.']) {
                return None;
            }
            let said = plain(&fs::read_to_string(path).ok()?);
            if said.is_empty() {
                return None;
            }
            name.push_str(before);
            name.push_str(&said);
            rest = after;
        }
        name.push_str(rest);
        Some(name).filter(|name| is_below(name))
    }
}

/// What may be part of a name.
fn plain(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-+:".contains(c);
    text.trim().chars().take(LONGEST).map(|c| if is_plain(c) { c } else { '_' }).collect()
}

fn give(dev: &Path, node: &Node, rule: &Rule, is_new: bool) -> io::Result<()> {
    let place = Place::find(dev, &node.name, false)?;
    let file = place.open(OFlag::O_PATH, Mode::empty())?;
    let status = fstat(&file)?;
    let (major, minor) = node.numbers;
    if status.st_rdev != makedev(major, minor) {
        return Err(Errno::ENOENT.into());
    }
    if !is_new && (status.st_uid != 0 || status.st_gid != 0) {
        return Ok(());
    }
    if rule.owner.is_some() || rule.group.is_some() {
        let (owner, group) = (rule.owner.map(Uid::from_raw), rule.group.map(Gid::from_raw));
        fchownat(&file, "", owner, group, AtFlags::AT_EMPTY_PATH)?;
    }
    if let Some(mode) = rule.mode {
        // `fchmod` does not take a descriptor that is only for looking; its name under /proc does.
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let mode = Mode::from_bits_truncate(mode);
        fchmodat(AT_FDCWD, path.as_str(), mode, FchmodatFlags::FollowSymlink)?;
    }
    Ok(())
}

/// Where a link of this name leads to get at the node.
fn target(link: &str, node: &str) -> String {
    let depth = link.matches('/').count();
    format!("{}{node}", "../".repeat(depth))
}

fn make_link(dev: &Path, link: &str, node: &str) -> io::Result<()> {
    let place = Place::find(dev, link, true)?;
    let (name, target) = (Path::new(&place.name), target(link, node));
    match symlinkat(target.as_str(), &place.folder, name) {
        Err(Errno::EEXIST) => match readlinkat(&place.folder, name) {
            Ok(there) if there == target.as_str() => Ok(()),
            Ok(_) => {
                unlinkat(&place.folder, name, UnlinkatFlags::NoRemoveDir)?;
                Ok(symlinkat(target.as_str(), &place.folder, name)?)
            }
            // What is no link is not ours.
            Err(_) => Err(Errno::EEXIST.into()),
        },
        done => Ok(done?),
    }
}

fn remove_link(dev: &Path, link: &str, node: &str) -> io::Result<()> {
    let place = Place::find(dev, link, false)?;
    let name = Path::new(&place.name);
    if readlinkat(&place.folder, name)? == target(link, node).as_str() {
        unlinkat(&place.folder, name, UnlinkatFlags::NoRemoveDir)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_device_says_is_part_of_a_name_and_nothing_more() {
        for (said, name) in [
            ("org.qemu.guest_agent.0\n", "org.qemu.guest_agent.0"),
            ("../../etc", ".._.._etc"),
            ("a b\n", "a_b"),
            ("\n", ""),
        ] {
            assert_eq!(plain(said), name);
        }
    }

    #[test]
    fn a_link_leads_to_its_node_from_where_it_lies() {
        assert_eq!(target("rtc", "rtc0"), "rtc0");
        assert_eq!(target("a/b/c", "snd/timer"), "../../snd/timer");
    }

    #[test]
    fn links_come_and_go_with_their_device() {
        let root = std::env::temp_dir().join(format!("onset-nodes-{}", std::process::id()));
        let (dev, sys) = (root.join("dev"), root.join("sys"));
        fs::create_dir_all(&dev).unwrap();
        fs::create_dir_all(sys.join("devices/port")).unwrap();
        fs::write(sys.join("devices/port/name"), "agent 0\n").unwrap();
        make_link(&dev, "ports/agent_0", "vport1p1").unwrap();
        make_link(&dev, "ports/agent_0", "vport1p1").unwrap();
        assert_eq!(fs::read_link(dev.join("ports/agent_0")).unwrap(), Path::new("../vport1p1"));
        make_link(&dev, "ports/agent_0", "vport2p1").unwrap();
        let mut nodes = Nodes::new(dev.clone(), sys, Table::default());
        let device = |name: &str| Device {
            path: "/devices/port".into(),
            alias: None,
            node: Some(Node { name: name.into(), numbers: (1, 1) }),
        };
        assert_eq!(nodes.filled("ports/{name}", &device("x")).as_deref(), Some("ports/agent_0"));
        for bad in ["ports/{none}", "ports/{../x}", "ports/{name", "a/{}"] {
            assert_eq!(nodes.filled(bad, &device("x")), None, "{bad}");
        }
        for name in ["vport1p1", "vport2p1"] {
            nodes.linked.insert(name.into(), vec!["ports/agent_0".into()]);
        }
        nodes.is_gone(&device("vport1p1"));
        assert!(dev.join("ports/agent_0").is_symlink(), "it leads to another one by now");
        nodes.is_gone(&device("vport2p1"));
        assert!(!dev.join("ports/agent_0").is_symlink());
        fs::write(dev.join("rtc"), "").unwrap();
        assert!(make_link(&dev, "rtc", "rtc0").is_err(), "a file stays");
        fs::remove_dir_all(root).unwrap();
    }
}
