//! Capabilities by name.

use events::Text;

/// Their names, each at the place of its number, without `CAP_`.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// The set of these capabilities, as bits; the first name that is none, if there is one.
pub fn set(names: &[Text]) -> Result<u64, &Text> {
    names.iter().try_fold(0, |set, name| {
        let bare = name.strip_prefix("CAP_").unwrap_or(name);
        let bit = NAMES.iter().position(|known| *known == bare).ok_or(name)?;
        let bit = u32::try_from(bit).ok().and_then(|bit| 1_u64.checked_shl(bit)).ok_or(name)?;
        Ok(set | bit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_have_the_numbers_of_the_kernel() {
        let names = |names: &[&str]| names.iter().map(|name| Text::from(*name)).collect::<Vec<_>>();
        assert_eq!(set(&names(&["CAP_CHOWN", "NET_BIND_SERVICE"])), Ok(1 | 1 << 10));
        assert_eq!(set(&names(&["CAP_CHECKPOINT_RESTORE"])), Ok(1 << 40));
        assert_eq!(set(&names(&[])), Ok(0));
        assert_eq!(set(&names(&["CAP_FLY"])), Err(&Text::from("CAP_FLY")));
    }
}
