//! What the kernel, udevd and its database say of devices, and somebody who is none of them.

use events::{Args, Event, MAX_ARGS, UdevRecord, Uevent, Value, device_event, lasting, uevent_file};

/// A message becomes an event that can be written and read, and what lasts of it is within bounds.
pub(super) fn uevent(input: &[u8]) {
    let messages = [Uevent::of_kernel(input), Uevent::of_udevd(input)];
    for message in messages.into_iter().flatten() {
        assert!(message.path.starts_with('/'));
        if let Some(event) = message.event() {
            check(&event);
        }
        let args = message.lasting();
        lasts(&args);
        if let Some(event) = device_event(&args, "add") {
            check(&event);
        }
    }
}

/// So do a record of udevd's database, and a file of `/sys`.
pub(super) fn record(input: &[u8]) {
    let record = UdevRecord::read(input);
    let properties = record.properties.into_iter().chain(uevent_file(input));
    lasts(&lasting(&Value::escaped(b"/devices/x").0, &Value::escaped(b"x").0, properties));
}

fn check(event: &Event) {
    assert!(event.args.len() <= MAX_ARGS);
    assert_eq!(event.to_string().parse().as_ref(), Ok(event));
    assert!(event.args.iter().all(|(key, _)| !key.is_reserved()));
}

/// Each key stands once, and none that only tells what has happened.
fn lasts(args: &Args) {
    assert!(args.len() <= MAX_ARGS);
    let mut keys: Vec<&str> = args.iter().map(|(key, _)| key.as_str()).collect();
    let all = keys.len();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), all, "{args}");
    assert!(!keys.contains(&"SEQNUM") && !keys.contains(&"ACTION"));
}
