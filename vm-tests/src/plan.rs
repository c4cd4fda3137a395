//! What machine a person wants: kernel, root, jobs, memory. From this comes a plan for QEMU.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;

use crate::{
    failure::{Doing, Failure, Result},
    folder::Folder,
    guest,
    image::{self, Tree},
    kernel::Kernel,
    qemu::{Clock, Plan},
};

/// Where the command stands in a machine that runs one, so that no shell, kernel or command line spoils it.
const COMMAND: &str = "etc/onset/vm-command";

/// How much room a root that was made from a folder has for what is written to it.
const SPARE: u64 = 256 << 20;

/// What machine to boot.
#[derive(Debug, Clone, Args)]
pub struct Wanted {
    /// The kernel to boot [default: Debian's cloud kernel, fetched by apt]
    #[arg(long, value_name = "FILE")]
    pub kernel: Option<PathBuf>,
    /// Where that kernel's modules are
    #[arg(long, value_name = "FOLDER", requires = "kernel")]
    pub modules: Option<PathBuf>,
    /// What the machine has as its root: a folder, of which an ext4 image is made, or an image. Neither is
    /// written to [default: a bare root of busybox]
    #[arg(long, value_name = "FOLDER|IMAGE")]
    pub root: Option<PathBuf>,
    /// A folder of job files for /etc/onset/jobs
    #[arg(long, value_name = "FOLDER")]
    pub jobs: Option<PathBuf>,
    /// Memory in MiB
    #[arg(long, default_value_t = 512)]
    pub memory: u32,
    /// Processors
    #[arg(long, default_value_t = 1)]
    pub processors: u32,
    /// More words for the kernel's command line
    #[arg(long, value_name = "WORDS", default_value = "", allow_hyphen_values = true)]
    pub append: String,
    /// Let the machine speak to us over its serial console only
    #[arg(long)]
    pub no_port: bool,
}

impl Wanted {
    /// The plan of such a machine, with its images in `folder`. With a command, it is run when the boot has
    /// settled.
    pub fn plan(&self, folder: &Folder, command: Option<&str>) -> Result<Plan> {
        let kernel = match &self.kernel {
            Some(image) => Kernel::at(image.clone(), self.modules.as_deref())?,
            None => Kernel::find()?,
        };
        let mut tree = if self.root.is_some() { guest::added()? } else { guest::machine(&kernel)? };
        if let Some(jobs) = &self.jobs {
            tree.add_folder("etc/onset/jobs", jobs)?;
        }
        let mut append = format!("rdinit={}", if self.root.is_some() { "/init" } else { "/sbin/init" });
        if let Some(command) = command {
            // The port is the command's: whoever else would listen there is left out.
            tree.remove("usr/lib/onset/jobs/vm-agent.ron");
            tree.script(COMMAND, &format!("{command}\n"));
            append.push_str(&format!(" onset.run=\"/bin/sh /{COMMAND}\""));
        }
        let initrd = folder.join("initrd");
        let disk = match &self.root {
            None => {
                tree.write_cpio(&initrd)?;
                None
            }
            Some(root) => {
                starter(&kernel, &tree)?.write_cpio(&initrd)?;
                Some(disk(root, folder)?)
            }
        };
        Ok(Plan {
            kernel: kernel.image,
            initrd,
            disk,
            is_kept: false,
            port: !self.no_port,
            append: format!("{append} {}", self.append),
            memory: self.memory,
            processors: self.processors,
            clock: Clock::Host,
        })
    }
}

/// What mounts the disk, and puts on it what the root that somebody brought may lack.
fn starter(kernel: &Kernel, added: &Tree) -> Result<Tree> {
    let mut tree = guest::starter(kernel)?;
    tree.add_tree("add", added);
    Ok(tree)
}

/// The image of a root that is a folder or an image already.
fn disk(root: &Path, folder: &Folder) -> Result<PathBuf> {
    if root.is_file() {
        return Ok(root.to_owned());
    }
    if !root.is_dir() {
        return Err(Failure(format!("{} is neither a folder nor an image", root.display())));
    }
    let image = folder.join("root.img");
    image::ext4(root, &image, size(root)?.saturating_add(SPARE))?;
    Ok(image)
}

/// About how many bytes the files of a folder take.
fn size(folder: &Path) -> Result<u64> {
    let (mut folders, mut size) = (vec![folder.to_owned()], 0_u64);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).doing(folder.display())? {
            let entry = entry.doing(folder.display())?;
            let data = entry.metadata().doing(entry.path().display())?;
            size = size.saturating_add(data.len()).saturating_add(4096);
            if data.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(size)
}
