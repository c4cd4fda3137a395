//! What people write, and how it reaches the job.

use events::Condition;
use jobs::{Command, Console, ProcessKind, Ready, Resource, formats::Role};

use crate::{codes, reading};

#[test]
fn events_and_the_jobs_in_them_are_mentioned() {
    let conf = "start on (started dbus and starting JOB=\"web\" PORT=1) or stopped $X or go b\nstop on stopping JOB!=c or started [d]\n";
    let described = reading(conf).described.unwrap();
    let mentions: Vec<_> = described
        .mentions
        .iter()
        .map(|mention| (mention.role, mention.name.as_str(), &conf[mention.span.clone()]))
        .collect();
    use Role::{JobOfEvent, StartOn, StopOn};
    assert_eq!(
        mentions,
        [
            (StartOn, "started", "started"),
            (JobOfEvent, "dbus", "dbus"),
            (StartOn, "starting", "starting"),
            (JobOfEvent, "web", "JOB=\"web\""),
            (StartOn, "stopped", "stopped"),
            (StartOn, "go", "go"),
            (StopOn, "stopping", "stopping"),
            (StopOn, "started", "started"),
        ]
    );
    let described = reading("start on started JOB=web\n").described.unwrap();
    assert_eq!(described.mentions[1].span, 21..24);
}

#[test]
fn respawn_without_end_is_said_in_either_part() {
    for (conf, limit, within) in [
        ("respawn\n", 10, 5),
        ("respawn\nrespawn limit 3 20\n", 3, 20),
        ("respawn limit 0 20\nrespawn\n", 0, 0),
        ("respawn\nrespawn limit 3 0\n", 0, 0),
        ("respawn\nrespawn limit unlimited\n", 0, 0),
    ] {
        let respawn = reading(conf).described.unwrap().job.respawn.unwrap();
        assert_eq!((respawn.limit, respawn.within.as_secs()), (limit, within), "{conf:?}");
        assert!(respawn.backoff.is_zero() && respawn.backoff_max.is_zero());
    }
}

#[test]
fn each_word_of_a_choice_means_its_own() {
    for (word, ready) in [
        ("none", Ready::Spawned),
        ("stop", Ready::Stopped),
        ("fork", Ready::Forked),
        ("daemon", Ready::Forked),
    ] {
        assert_eq!(reading(&format!("expect {word}\n")).described.unwrap().job.ready, ready, "{word}");
    }
    for (word, console) in [
        ("none", Console::None),
        ("log", Console::Log),
        ("output", Console::Output),
        ("owner", Console::Owner),
    ] {
        assert_eq!(reading(&format!("console {word}\n")).described.unwrap().work.console, console, "{word}");
    }
    for (hook, kind) in [
        ("pre-start", ProcessKind::PreStart),
        ("post-start", ProcessKind::PostStart),
        ("pre-stop", ProcessKind::PreStop),
        ("post-stop", ProcessKind::PostStop),
    ] {
        let processes = reading(&format!("{hook} exec a\n")).described.unwrap().work.processes;
        assert_eq!(processes, [(kind, Command::Exec("a".into()))]);
    }
}

#[test]
fn every_resource_is_known_by_its_name() {
    let names = "as core cpu data fsize memlock msgqueue nice nofile nproc rss rtprio sigpending stack";
    for name in names.split(' ') {
        let work = reading(&format!("limit {name} 1 unlimited\n")).described.unwrap().work;
        let [(resource, limit)] = work.limits[..] else { panic!("{name}") };
        assert_eq!(serde_json::to_value(resource).unwrap(), name);
        assert_eq!((limit.soft, limit.hard), (Some(1), None));
    }
}

#[test]
fn the_stanzas_of_chrome_os_are_read() {
    let conf = "import DEVICE\nimport A B\ntmpfiles /usr/lib/tmpfiles.d/a.conf /usr/lib/tmpfiles.d/b.conf\n";
    let work = reading(conf).described.unwrap().work;
    assert_eq!(work.imports, ["DEVICE", "A", "B"]);
    assert_eq!(work.tmpfiles, ["/usr/lib/tmpfiles.d/a.conf", "/usr/lib/tmpfiles.d/b.conf"]);
}

#[test]
fn every_stanza_reaches_the_job() {
    let conf = "\
expect daemon\nkill timeout 7\nkill signal INT\nreload signal 10\ninstance $A-${B:-c}\nconsole owner\numask 027\n\
nice -5\noom score -999\nlimit as 1 unlimited\nlimit rtprio 5 5\nchroot /r\nchdir /d\nsetuid u\nsetgid g\n\
apparmor load /etc/apparmor.d/p\napparmor switch p\nversion 1\nusage 't A=a'\nauthor x\ndescription d\n\
emits a b-*\nexport A B A\ntask\n";
    let reading = reading(conf);
    assert_eq!(codes(&reading), Vec::<&str>::new());
    let described = reading.described.unwrap();
    let (job, work) = (described.job, described.work);
    assert_eq!((job.ready, job.task, job.kill.timeout.as_secs()), (Ready::Forked, true, 7));
    assert_eq!((job.kill.signal.number(), job.reload_signal.number(), job.kill.leave), (2, 10, false));
    assert_eq!(job.instance.unwrap().as_str(), "$A-${B:-c}");
    assert_eq!((job.settle, job.start_timeout), (jobs::SETTLE, None));
    assert_eq!(job.export.iter().map(|key| key.as_str()).collect::<Vec<_>>(), ["A", "B"]);
    assert_eq!((work.umask, work.nice, work.oom_score), (Some(0o027), Some(-5), Some(-999)));
    assert_eq!(work.console, Console::Owner);
    assert_eq!(
        work.limits.iter().map(|(resource, _)| *resource).collect::<Vec<_>>(),
        [Resource::As, Resource::Rtprio]
    );
    let texts = [
        &work.chroot,
        &work.chdir,
        &work.user,
        &work.group,
        &work.version,
        &work.usage,
        &work.author,
        &work.description,
    ];
    let texts: Vec<_> = texts.into_iter().map(|text| text.as_deref().unwrap()).collect();
    assert_eq!(texts, ["/r", "/d", "u", "g", "1", "t A=a", "x", "d"]);
    let apparmor = work.apparmor.unwrap();
    assert_eq!(
        (apparmor.load.as_deref(), apparmor.switch.as_deref()),
        (Some("/etc/apparmor.d/p"), Some("p"))
    );
    assert_eq!(work.emits, ["a", "b-*"]);
}

/// Jobs in the manner of those that people have: the text, and its conditions fully bracketed.
const IDIOMS: &[(&str, &str, &str)] = &[
    ("start on started db\nstop on stopping db\nexec /bin/a\n", "started db", "stopping db"),
    ("start on starting db\nstop on stopped db\nexec /bin/a\n", "starting db", "stopped db"),
    ("task\nstart on starting db\nexec /bin/a\n", "starting db", ""),
    ("stop on starting db\nexec /bin/a\n", "", "starting db"),
    (
        "start on runlevel [2345]\nstop on runlevel [!2345]\nrespawn\nexec /bin/a\n",
        "runlevel [2345]",
        "runlevel [!2345]",
    ),
    (
        "start on runlevel [0123456]\nstop on runlevel [!$RUNLEVEL]\nexport RUNLEVEL PREVLEVEL\nenv INIT_VERBOSE\ntask\nexec /bin/rc $RUNLEVEL\n",
        "runlevel [0123456]",
        "runlevel [!$RUNLEVEL]",
    ),
    (
        "start on (filesystem and static-network-up) or failsafe-boot\nstop on runlevel\nemits late\nconsole output\ntask\nscript\n  emit late\nend script\n",
        "((filesystem and static-network-up) or failsafe-boot)",
        "runlevel",
    ),
    (
        "start on stopped rc RUNLEVEL=[2345] and (\n            not-container or\n            container CONTAINER=lxc or\n            container CONTAINER=lxc-libvirt)\nstop on runlevel [!2345]\nrespawn\nexec /sbin/getty -8 38400 tty1\n",
        "(stopped rc RUNLEVEL=[2345] and ((not-container or container CONTAINER=lxc) or container CONTAINER=lxc-libvirt))",
        "runlevel [!2345]",
    ),
    (
        "stop on started $WAIT_FOR or stopped $WAIT_FOR\ntask\nnormal exit 2\ninstance $WAITER$WAIT_FOR\nenv WAIT_FOR\nenv TIMEOUT=30\nscript\n  sleep $TIMEOUT\nend script\n",
        "",
        "(started $WAIT_FOR or stopped $WAIT_FOR)",
    ),
    (
        "start on filesystem and net-device-up IFACE=lo\nstop on static-network-up or starting rc-sysinit\nscript\n\tsleep 20\nend script\npost-start exec touch /run/up\n",
        "(filesystem and net-device-up IFACE=lo)",
        "(static-network-up or starting rc-sysinit)",
    ),
    (
        "start on mounted MOUNTPOINT=/run\nenv container\nemits container not-container\npre-start script\n  test -n \"$container\" || { stop; exit 0; }\nend script\n",
        "mounted MOUNTPOINT=/run",
        "",
    ),
    (
        "emits *-device-added\nemits *-device-removed\nstart on starting udev\nstop on stopped udev\nexpect daemon\nrespawn\nexec bridge --daemon\n",
        "starting udev",
        "stopped udev",
    ),
    (
        "start on store\nstop on runlevel [!2345]\ninstance ${cluster:-main}/$id\nexport cluster id\nrespawn\nrespawn limit 5 30\npre-start script\n  set -e\nend script\nexec /bin/store --cluster=${cluster:-main} -i \"$id\" -f\n",
        "store",
        "runlevel [!2345]",
    ),
    (
        "start on (net-device-up\n          and local-filesystems\n          and runlevel [2345])\nrespawn\nexec minion\n",
        "((net-device-up and local-filesystems) and runlevel [2345])",
        "",
    ),
    (
        "setuid bus\nsetgid bus\numask 007\nlimit nofile 65536 65536\nlimit nproc 524288 1048576\nkill timeout 300\nscript\n  . /etc/default/bus\n  exec bus\nend script\n",
        "",
        "",
    ),
    (
        "start on stopped boot-services or started ui PHASE!=lock\noom score -100\noom never\nexpect fork\nimport MODE\ntmpfiles /usr/lib/tmpfiles.d/ui.conf\npost-start exec gdbus wait --system --timeout 15 org.example.Ui\npost-stop exec cleanup\nexec ui\n",
        "(stopped boot-services or started ui PHASE!=lock)",
        "",
    ),
    ("start on starting pre-boot\nstop on stopping system\n", "starting pre-boot", "stopping system"),
    (
        "start on net-device-added INTERFACE=eth*\nstop on net-device-removed INTERFACE=$INTERFACE\ninstance $INTERFACE\nexec client -i $INTERFACE\n",
        "net-device-added INTERFACE=eth*",
        "net-device-removed INTERFACE=$INTERFACE",
    ),
    (
        "start on socket PROTO=unix SOCKET_PATH=/run/a.sock\nexec /bin/a\n",
        "socket PROTO=unix SOCKET_PATH=/run/a.sock",
        "",
    ),
    ("start on virtual-filesystems\n\n\n# End of file, without a newline", "virtual-filesystems", ""),
];

#[test]
fn the_idioms_that_users_know_are_read_without_a_word() {
    for (conf, start_on, stop_on) in IDIOMS {
        let reading = reading(conf);
        // The old and the new scale in one file, on purpose.
        let expected: &[&str] = if conf.contains("oom never") { &["given-twice"] } else { &[] };
        assert_eq!(codes(&reading), expected, "{conf}");
        let job = reading.described.unwrap().job;
        let shown =
            |condition: &Option<Condition>| condition.as_ref().map_or(String::new(), ToString::to_string);
        assert_eq!(
            (shown(&job.start_on), shown(&job.stop_on)),
            ((*start_on).into(), (*stop_on).into()),
            "{conf}"
        );
    }
}
