//! The programs that are tested: one static build of them, shared by all tests of a run.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use crate::{
    failure::{Doing, Failure, Result},
    folder::Folder,
};

/// The target that a static build is for: with it named, cargo keeps build scripts out of `RUSTFLAGS`.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Where cargo puts what it builds.
#[must_use]
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// The root of the repository.
#[must_use]
pub fn workspace() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// A static program of this workspace, by name. `ONSET_PROGRAMS` names a folder that has them; without it
/// they are built, once for this process.
pub fn program(name: &str) -> Result<PathBuf> {
    static FOLDER: OnceLock<Result<PathBuf>> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| match env::var_os("ONSET_PROGRAMS") {
        Some(folder) => Ok(PathBuf::from(folder)),
        None => build(),
    });
    let path = folder.clone()?.join(name);
    if path.is_file() { Ok(path) } else { Err(Failure(format!("{} is not there", path.display()))) }
}

/// Builds a program of `vm-tests/guest` into a folder. These are without a C library, so they cost next to nothing.
pub fn from_c(name: &str, folder: &Folder) -> Result<PathBuf> {
    let to = folder.join(name);
    let from = workspace().join("vm-tests").join("guest").join(format!("{name}.c"));
    let flags = "-Os -static -nostdlib -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables \
                 -fno-pie -no-pie -Wl,--build-id=none -Wl,-z,norelro -Wl,-z,noseparate-code -s -o";
    let status = Command::new("cc").args(flags.split_whitespace()).args([&to, &from]).status().doing("cc")?;
    if status.success() { Ok(to) } else { Err(Failure(format!("{name}.c could not be built"))) }
}

/// Builds them as `make programs` does, and says where they are.
fn build() -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--locked", "--package", "init", "--package", "vm-tests"])
        .args([
            "--bin",
            "onset",
            "--bin",
            "onsetctl",
            "--bin",
            "onset-emit",
            "--bin",
            "onset-rc",
            "--bin",
            "vm-guest",
            "--features",
            "init/faults",
        ])
        .args(["--profile", "vm", "--target", TARGET])
        .current_dir(workspace())
        .env("RUSTFLAGS", "-C target-feature=+crt-static -C relocation-model=static")
        .env("CARGO_TARGET_DIR", target())
        .status()
        .doing("cargo build")?;
    if !status.success() {
        return Err(Failure::new("the static programs could not be built"));
    }
    Ok(target().join(TARGET).join("vm"))
}
