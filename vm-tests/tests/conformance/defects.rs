//! What Upstart does wrong: a defect is mended if what its `must_be` says is so. Each is looked at by its own lines.

use super::{
    checks::{Checked, expect},
    play::{Case, Play, text},
};

/// Whether a defect is mended.
pub fn check(case: &Case, patience: u64) -> Checked {
    let more: &[(&str, &str)] = match case.id.as_str() {
        // The override's second line is no stanza.
        "df-020" => &[("etc/init/t.override", "exec /bin/two\nnice 77\n")],
        _ => &[],
    };
    let mut play = Play::with(&case.json, patience, more).map_err(|failure| failure.to_string())?;
    let steps = case.json["steps"].as_array().unwrap();
    match case.id.as_str() {
        "df-001" => {
            play.step(0, &steps[0]);
            play.step(1, &steps[3]);
            is_down(&mut play, 1)
        }
        "df-004" => {
            play.step(0, &steps[0]);
            play.until(|play| match play.initctl(&["status", "t"]).out.as_str() {
                "t stop/waiting\n" => alone(play),
                running if running.starts_with("t start/running") => Ok(()),
                other => Err(other.into()),
            })
        }
        "df-005" => {
            play.step(0, &steps[0]);
            play.until(|play| play.file("p").map(drop))?;
            play.step(1, &steps[2]);
            is_down(&mut play, 1)
        }
        "df-007" => {
            let ran = play.initctl(&["start", "t"]);
            expect("status", &(ran.status, ran.err.contains("Unknown job")), &(1, true))
        }
        "df-009" => stops_while(&mut play, steps, "t start/pre-start"),
        "df-010" => stops_while(&mut play, steps, "t start/post-start"),
        "df-013" => {
            // Upstart's own way, to hold the emitter until the job is up, has a limit of 30 s here.
            play.patience += 30;
            play.step(0, &steps[0]);
            play.until(|play| play.answer(0).map(drop).ok_or_else(|| "emit is held".into()))?;
            let condition = play.run(&["/sbin/onsetctl", "why", "t"]).out;
            match condition.contains("`a`: came") && condition.contains("`never`: has not come") {
                true => Ok(()),
                false => Err(condition),
            }
        }
        "df-017" => {
            play.step(0, &steps[0]);
            play.until(|play| match play.events().iter().any(|event| event.starts_with("started JOB=t")) {
                true => Ok(()),
                false => Err(format!("{:?}", play.events())),
            })
        }
        "df-020" => {
            let shown = play.run(&["/sbin/onsetctl", "show", "t"]).out;
            expect(
                "the job is as without it",
                &(shown.contains("/bin/one"), shown.contains("/bin/two")),
                &(true, false),
            )?;
            fault_is_shown(&play, "t.override", 2)
        }
        "df-021" => {
            play.step(0, &steps[0]);
            play.step(1, &steps[1]);
            play.until(|play| {
                expect("t", &play.list().get("t").map(String::as_str), &Some("start/running"))
            })?;
            fault_is_shown(&play, "t.conf", 2)
        }
        "df-023" => {
            play.step(0, &serde_json::json!({ "start": "t", "max": 0.5 }));
            play.step(1, &steps[1]);
            play.until(|play| {
                let ran = play.answer(0).ok_or("start has not come back")?;
                expect(&format!("status of start ({})", ran.err), &ran.status, &1)
            })?;
            is_down(&mut play, 1)
        }
        "df-024" => {
            play.step(0, &steps[0]);
            play.until(|play| {
                let seen = play.variables("log/t.log")?;
                for (key, value) in [("RESULT", "failed"), ("PROCESS", "main"), ("EXIT_STATUS", "3")] {
                    expect(key, &seen.get(key).map(String::as_str), &Some(value))?;
                }
                Ok(())
            })
        }
        "df-025" => {
            play.step(0, &steps[0]);
            play.signal_init("TERM");
            // Both ends are as they should be only if `a` is still held, and its emitter, too.
            play.step(2, &serde_json::json!({ "emit": "b" }));
            play.until(|play| {
                let ran = play.answer(0).ok_or("emit has not come back")?;
                expect(&format!("status of emit ({})", ran.err), &ran.status, &0)?;
                expect("w", &play.list().get("w").map(String::as_str), &Some("start/running"))
            })
        }
        "df-026" => {
            let nobody = "grep -q nobody /etc/passwd || echo nobody:x:65534:65534::/:/bin/sh >>/etc/passwd";
            play.run(&["/bin/sh", "-c", &format!("{nobody}; mkdir /run/drop && chmod 777 /run/drop")]);
            let file = text(&steps[0]["run"][1]);
            play.until(|play| {
                let started =
                    play.events().iter().any(|event| event.starts_with("started JOB=t INSTANCE=/run/drop/n"));
                if started {
                    return expect("init", &play.initctl(&["version"]).status, &0);
                }
                // Touched again until the folder is watched.
                let ran = play.run(&[
                    "/bin/busybox",
                    "su",
                    "-s",
                    "/bin/sh",
                    "nobody",
                    "-c",
                    &format!("touch {file}"),
                ]);
                Err(format!("{:?} {ran:?}", play.events()))
            })
        }
        other => Err(format!("{other} has no check")),
    }
}

/// A stop given in this state comes back, and nothing is left.
fn stops_while(play: &mut Play, steps: &[serde_json::Value], state: &str) -> Checked {
    play.ask(0, &["/sbin/initctl", "start", &text(&steps[0]["start"])]);
    play.until(|play| match play.initctl(&["status", "t"]).out {
        shown if shown.starts_with(state) => Ok(()),
        other => Err(format!("{other} and not {state}")),
    })?;
    play.step(1, &steps[1]);
    is_down(play, 1)
}

/// The stop of a step has come back, and no process of the job is left.
fn is_down(play: &mut Play, stop: usize) -> Checked {
    play.until(|play| {
        play.answer(stop).ok_or("stop has not come back")?;
        expect("status", &play.initctl(&["status", "t"]).out.lines().next(), &Some("t stop/waiting"))?;
        alone(play)
    })
}

/// No process that a job made is there.
fn alone(play: &Play) -> Checked {
    let left = play.run(&["/bin/sh", "-c", "ps -o pid,args | grep '[s]leep'"]).out;
    expect("left", &left.as_str(), &"")
}

/// The fault of a file is in the job's status, with its line.
fn fault_is_shown(play: &Play, file: &str, line: u32) -> Checked {
    let shown = play.run(&["/sbin/onsetctl", "status", "t"]).out;
    let place = format!("{file}:{line}");
    if shown.contains(&place) { Ok(()) } else { Err(format!("{shown:?} does not show {place}")) }
}
