//! The demo: a machine boots with Onset and the examples, a card is plugged in while it runs, and a job starts for it.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use vm_tests::{
    failure::{Doing as _, Failure, Result},
    folder::Folder,
    guest,
    kernel::Kernel,
    limit::{Limit, timed},
    programs,
    qemu::{Clock, Machine, Plan},
    session::{Ran, Session},
    terminal,
};

/// Seconds that each of its steps may take, on a machine that is very busy.
const STEP: u64 = 120;

/// Shows the job that is there for the card.
const CARD: &str = "onsetctl status card INTERFACE=eth0";

/// What the person at the console is told.
const HINTS: &str = "\
Try:  onsetctl list            how all jobs are
      onsetctl why database    why a job is as it is
      onsetctl stop shop       and `start`, `restart`, `status`
      onsetctl events          everything that happens, as it happens (Ctrl-C ends it)
      kill -9 1                process 1 cannot be killed, only asked
      poweroff                 ends the machine (Ctrl-] leaves it at once)
";

/// A machine that is shown to somebody.
struct Show {
    machine: Machine,
    session: Session,
}

/// Plays it. With `console` it ends at a shell in the machine.
pub fn play(console: bool) -> Result<u8> {
    let folder = Folder::new("demo")?;
    let plan = plan(&folder)?;
    headline("A machine boots: Onset is its process 1, and runs the examples");
    let (whole, told) = timed(|| -> Result<Told> {
        let (up, show) = timed(|| Show::begin(&plan));
        let mut show = show?;
        headline(&format!("The boot has settled, {} after the machine was switched on", seconds(up)));
        show.print("onsetctl list")?;
        headline("A network card is plugged in");
        let plugged = show.plug()?;
        show.print("onsetctl why card INTERFACE=eth0")?;
        if console {
            show.console()?;
            return Ok(Told { up, plugged, unplugged: None });
        }
        headline("It is pulled out");
        let unplugged = show.unplug()?;
        headline("The machine is switched off");
        show.power_off()?;
        Ok(Told { up, plugged, unplugged: Some(unplugged) })
    });
    let Told { up, plugged, unplugged } = told?;
    headline("What was seen");
    say(&format!("  boot until settled          {}\n", seconds(up)));
    say(&format!("  card plugged in, job up     {}\n", seconds(plugged)));
    if let Some(unplugged) = unplugged {
        say(&format!("  card pulled out, job down   {}\n", seconds(unplugged)));
    }
    say("  switched off                cleanly\n");
    say(&format!("  all of it                   {}\n", seconds(whole)));
    Ok(0)
}

/// How long things took.
struct Told {
    up: Duration,
    plugged: Duration,
    unplugged: Option<Duration>,
}

fn plan(folder: &Folder) -> Result<Plan> {
    let kernel = Kernel::find()?;
    let mut tree = guest::machine(&kernel)?;
    let tests = programs::workspace().join("vm-tests");
    guest::add_files(&mut tree, &tests.join("scenarios").join("examples"))?;
    guest::add_files(&mut tree, &tests.join("demo"))?;
    let initrd = folder.join("initrd");
    tree.write_cpio(&initrd)?;
    Ok(Plan {
        kernel: kernel.image,
        initrd,
        disk: None,
        is_kept: false,
        port: true,
        append: "rdinit=/sbin/init quiet".into(),
        memory: 512,
        processors: 2,
        clock: Clock::Host,
    })
}

impl Show {
    fn begin(plan: &Plan) -> Result<Self> {
        let mut machine = Machine::start(plan)?;
        machine.show();
        let session = Session::open(&mut machine, Limit::seconds(STEP))?;
        let mut show = Self { machine, session };
        show.until("onsetctl settled", |ran| ran.status == 0)?;
        Ok(show)
    }

    /// Runs a command in the machine again and again until it gives what is wanted.
    fn until(&mut self, command: &str, wanted: impl Fn(&Ran) -> bool) -> Result<()> {
        let limit = Limit::seconds(STEP);
        loop {
            let ran = self.session.run(&mut self.machine, command, limit)?;
            if wanted(&ran) {
                return Ok(());
            }
            limit.left().doing(format!("`{command}` did not come to it: {}", ran.output))?;
        }
    }

    /// Runs a command in the machine, and shows what it prints.
    fn print(&mut self, command: &str) -> Result<()> {
        let ran = self.session.run(&mut self.machine, command, Limit::seconds(STEP))?;
        say(&format!("\n# {command}\n{}", ran.output));
        if ran.status == 0 { Ok(()) } else { Err(Failure(format!("`{command}` gave {}", ran.status))) }
    }

    fn plug(&mut self) -> Result<Duration> {
        let (took, done) = timed(|| {
            self.machine.plug_card("card")?;
            self.until(CARD, |ran| ran.output.contains("running"))
        });
        done.map(|()| took)
    }

    fn unplug(&mut self) -> Result<Duration> {
        let (took, done) = timed(|| {
            self.machine.unplug("card")?;
            self.until(CARD, |ran| !ran.output.contains("running"))
        });
        done.map(|()| took)
    }

    fn power_off(&mut self) -> Result<()> {
        // The answer may be cut off by the machine's end, which is what is waited for.
        let _ = self.session.run(&mut self.machine, "onsetctl poweroff", Limit::seconds(STEP));
        let end = self.machine.until_end(Limit::seconds(STEP))?;
        if end == "guest-shutdown" { Ok(()) } else { Err(Failure(format!("the machine ended by {end}"))) }
    }

    /// A shell on the console, until the machine ends or the person leaves.
    fn console(&mut self) -> Result<()> {
        if !io::stdin().is_terminal() {
            headline("There is no terminal, so the machine is switched off");
            return self.power_off();
        }
        self.session.run(&mut self.machine, "onsetctl stop event-log", Limit::seconds(STEP))?;
        headline("The console is yours");
        say(HINTS);
        self.session.run(
            &mut self.machine,
            "onsetctl emit --no-wait console-wanted",
            Limit::seconds(STEP),
        )?;
        let ended = terminal::attach(&mut self.machine)?;
        say("\r\n");
        if ended { Ok(()) } else { self.power_off() }
    }
}

fn headline(text: &str) {
    let (bold, plain) = if io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() {
        ("\x1b[1m", "\x1b[0m")
    } else {
        ("", "")
    };
    say(&format!("\n{bold}=== {text}{plain}\n"));
}

fn say(text: &str) {
    // Whoever closes our output does not want to see more.
    let _ = io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush());
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
