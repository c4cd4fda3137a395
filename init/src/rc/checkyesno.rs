//! `checkyesno`: whether a variable of rc.conf is yes, as rc.subr's function of that name tells it.

use jobs::formats::rcd::yes_or_no;

use super::{
    call::Call,
    rc_conf::{Files, Values},
};

const USAGE: &str = "usage: checkyesno [-s service] variable\n";

/// `checkyesno` with these words.
pub fn run(call: &Call) -> u8 {
    if call.helps(USAGE) {
        return 0;
    }
    let mut files = Files::of_machine();
    let (options, rest) = match call.options("s:", 64, USAGE) {
        Ok(read) => read,
        Err(status) => return status,
    };
    for option in options {
        files.own.extend(Files::of_service(&option.value.to_string_lossy()));
    }
    let [name] = rest else { return call.misuse(64, USAGE) };
    let name = name.to_string_lossy();
    if !super::sysrc::is_name(&name) {
        return call.fail(64, &format!("{name}: name contains characters not allowed in shell"));
    }
    let value = match Values::read(&files).get(&name) {
        Ok(value) => value.unwrap_or_default(),
        Err(why) => return call.fail(1, &why),
    };
    match yes_or_no(&value) {
        Some(true) => 0,
        Some(false) => 1,
        None => call.fail(1, &format!("WARNING: ${name} is not set properly - see rc.conf(5).")),
    }
}
