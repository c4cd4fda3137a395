//! `kenv`: what the boot loader told the kernel. On Linux that is the kernel's command line; what FreeBSD's loader found out
//! of the machine (`smbios.*`) is in /sys.

use std::{fs, os::unix::ffi::OsStrExt as _};

use super::call::Call;
use crate::pid1::options::words;

const USAGE: &str = "\
usage: kenv [-hNq]
       kenv [-qv] variable[=value]
       kenv [-q] -u variable
";

/// Where Linux has what FreeBSD's loader calls by the first name.
const MACHINE: &[(&str, &str)] = &[
    ("smbios.bios.reldate", "bios_date"),
    ("smbios.bios.vendor", "bios_vendor"),
    ("smbios.bios.version", "bios_version"),
    ("smbios.chassis.maker", "chassis_vendor"),
    ("smbios.chassis.serial", "chassis_serial"),
    ("smbios.chassis.tag", "chassis_asset_tag"),
    ("smbios.chassis.version", "chassis_version"),
    ("smbios.planar.maker", "board_vendor"),
    ("smbios.planar.product", "board_name"),
    ("smbios.planar.serial", "board_serial"),
    ("smbios.planar.version", "board_version"),
    ("smbios.system.family", "product_family"),
    ("smbios.system.maker", "sys_vendor"),
    ("smbios.system.product", "product_name"),
    ("smbios.system.serial", "product_serial"),
    ("smbios.system.sku", "product_sku"),
    ("smbios.system.uuid", "product_uuid"),
    ("smbios.system.version", "product_version"),
];

/// `kenv` with these words.
pub fn run(call: &Call) -> u8 {
    if call.helps(USAGE) {
        return 0;
    }
    let (mut is_quiet, mut only_names, mut unset, mut verbose) = (false, false, false, false);
    let (options, rest) = match call.options("hNquvls", 1, USAGE) {
        Ok(read) => read,
        Err(status) => return status,
    };
    for option in options {
        match option.letter {
            'N' => only_names = true,
            'q' => is_quiet = true,
            'u' => unset = true,
            'v' => verbose = true,
            // `h` leaves hints out; there are none. `l` and `s` choose between the loader's and the running ones.
            _ => {}
        }
    }
    let fail = |what: String| if is_quiet { 1 } else { call.fail(1, &what) };
    let line = fs::read("/proc/cmdline").unwrap_or_default();
    let line = String::from_utf8_lossy(&line);
    match rest {
        [] if !unset => {
            let mut lines: Vec<String> = variables(&line)
                .map(
                    |(key, value)| {
                        if only_names { format!("{key}\n") } else { format!("{key}=\"{value}\"\n") }
                    },
                )
                .collect();
            lines.sort();
            call.show(lines.concat().as_bytes())
        }
        [name] if unset => fail(format!("unable to unset {}: not on Linux", name.display())),
        [name] if name.as_bytes().contains(&b'=') => {
            let name = name.to_string_lossy();
            let name = name.split('=').next().unwrap_or_default();
            fail(format!("unable to set {name}: the kernel's command line is set by the boot loader"))
        }
        [name] => {
            let name = name.to_string_lossy();
            match find(&line, &name) {
                Some(value) if verbose => call.show(format!("{name}=\"{value}\"\n").as_bytes()),
                Some(value) => call.show(format!("{value}\n").as_bytes()),
                None => fail(format!("unable to get {name}")),
            }
        }
        _ => call.misuse(1, USAGE),
    }
}

/// The words of the kernel's command line that set something. One without a value is 1, as a person means it.
fn variables(line: &str) -> impl Iterator<Item = (String, String)> {
    words(line).into_iter().map(|word| match word.split_once('=') {
        Some((key, value)) => (key.into(), value.into()),
        None => (word, "1".into()),
    })
}

fn find(line: &str, name: &str) -> Option<String> {
    if let Some((_, file)) = MACHINE.iter().find(|(known, _)| *known == name) {
        let text = fs::read_to_string(format!("/sys/class/dmi/id/{file}")).ok()?;
        return Some(text.trim_end().into());
    }
    let mut values = variables(line).filter(|(key, _)| key == name);
    values.by_ref().last().map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_command_line_are_variables() {
        let line = "quiet a.b=\"x y\" a.b=2 root=LABEL=x\n";
        assert_eq!(find(line, "a.b").as_deref(), Some("2"));
        assert_eq!(find(line, "root").as_deref(), Some("LABEL=x"));
        assert_eq!(find(line, "quiet").as_deref(), Some("1"));
        assert_eq!(find(line, "a"), None);
        assert!(MACHINE.is_sorted());
    }
}
