//! The one table of commands: parser, help, man pages and completions all come from here.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use events::control::{Going, Wish};

use super::{
    Outcome, act, ask, call, check, completions, connection::socket_path, emit, graph, hooks, log, machine,
    order, pages, simulate, timers, tree, verbs, watch,
};

/// What is said behind the help of a command that talks to Onset.
const STATUSES: &str = "\
Exit status:
  0  done
  1  a job failed, or it was refused
  2  the command is wrong
  3  there is no such job, instance or variable
  4  only root may do it
  5  Onset cannot be reached
  6  not done in time; it goes on
  7  Onset restarted meanwhile, and whether it was done is not known";

/// Steers Onset, and shows what it does and would do.
///
/// Most commands talk to the Onset that runs. Everybody may ask it how things are; only root may change them.
/// `check`, `order`, `graph` and `simulate` work on files alone: on this machine's, on the root of an image, or on a
/// folder of job files. They need no rights, change nothing and execute nothing.
#[derive(Debug, Parser)]
#[command(name = "onsetctl", version, max_term_width = 100)]
pub(super) struct Cli {
    /// The socket at which Onset listens [default: $ONSET_CONTROL, or /run/onset/control]
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

/// One variant per command.
#[derive(Debug, Subcommand)]
enum Command {
    /// Starts jobs, and waits until they are up (tasks: until they have ended)
    #[command(after_help = STATUSES)]
    Start(act::Act),
    /// Stops jobs, and waits until they are down
    #[command(after_help = STATUSES)]
    Stop(act::Act),
    /// Stops jobs and starts them again, with what they were started with
    #[command(after_help = STATUSES)]
    Restart(act::Act),
    /// Has jobs read their configuration again
    #[command(after_help = STATUSES)]
    Reload(act::Act),
    /// Shows how jobs are, what they wait for, and how they ended
    #[command(after_help = STATUSES)]
    Status(ask::StatusCommand),
    /// Shows how all jobs are
    #[command(after_help = STATUSES)]
    List(ask::Plain),
    /// Shows which job needs and requires which
    #[command(after_help = STATUSES)]
    Tree(tree::TreeCommand),
    /// Shows why a job is as it is: what it waits for, what stopped it, or why it did not start
    #[command(after_help = STATUSES)]
    Why(ask::OneJob),
    /// Shows all that is known of a job
    #[command(after_help = STATUSES)]
    Show(ask::OneJob),
    /// Has an event happen, and waits until all that it causes is done
    #[command(after_help = STATUSES)]
    Emit(emit::Emit),
    /// Shows events, and what starts by each: hooks in their order, and how each ended last
    #[command(after_help = STATUSES)]
    Hooks(hooks::HooksCommand),
    /// Lets a fact hold from now on
    #[command(after_help = STATUSES)]
    Set(emit::SetFact),
    /// Lets a fact hold no longer
    #[command(after_help = STATUSES)]
    Unset(emit::FactCommand),
    /// Shows what holds
    #[command(after_help = STATUSES)]
    Facts(ask::FactsCommand),
    /// Shows all times that jobs ask for, and when they come next and came last
    #[command(after_help = STATUSES)]
    Timers(timers::TimersCommand),
    /// Shows everything that happens, as it happens
    #[command(after_help = STATUSES)]
    Events(watch::Events),
    /// Reads the job files again, and shows what is wrong in them
    #[command(after_help = STATUSES)]
    ReloadConfiguration(machine::ReloadConfiguration),
    /// Shows whether the boot has settled, and who is still on the way
    #[command(after_help = STATUSES)]
    Settled(machine::Settled),
    /// Changes to a mode, or shows the one that the machine is in
    #[command(after_help = STATUSES)]
    Mode(machine::Mode),
    /// Sets how much Onset logs, or shows it
    #[command(after_help = STATUSES)]
    LogLevel(machine::LogLevel),
    /// Shows every bound of Onset, and how far it is used
    #[command(after_help = STATUSES)]
    Limits(ask::Plain),
    /// Shows which version of Onset runs
    #[command(after_help = STATUSES)]
    Version(ask::Plain),
    /// Stops all jobs and switches the machine off
    #[command(after_help = STATUSES)]
    Poweroff(machine::Down),
    /// Stops all jobs and starts the machine again
    #[command(after_help = STATUSES)]
    Reboot(machine::Down),
    /// Stops all jobs and the machine, without switching it off
    #[command(after_help = STATUSES)]
    Halt(machine::Down),
    /// Stops all jobs and starts the kernel that kexec(8) has loaded
    #[command(after_help = STATUSES)]
    Kexec(machine::Down),
    /// Makes another file system the root, and hands over to its init
    #[command(after_help = STATUSES)]
    SwitchRoot(machine::SwitchRoot),
    /// Has Onset execute its program again, with all that runs: after an upgrade
    #[command(after_help = STATUSES)]
    Reexec,
    /// Calls a method of Onset's interface, and prints the answer as JSON
    #[command(after_help = STATUSES)]
    Call(call::Call),
    Calendar(timers::CalendarCommand),
    Check(check::Check),
    Order(order::OrderCommand),
    Graph(graph::Graph),
    Log(log::LogCommand),
    Simulate(simulate::Simulate),
    Completions(completions::Completions),
    Man(pages::Man),
    /// A verb of a script or job, and the job
    #[command(external_subcommand)]
    Verb(Vec<String>),
}

impl Cli {
    /// What plain words say, for commands that must be quick: the same as the table makes of them, without
    /// building it. `None` if the table has to be asked.
    pub(super) fn plain(words: &[String]) -> Option<Self> {
        let [_, command, words @ ..] = words else { return None };
        if words.is_empty() || words.iter().any(|word| word.starts_with('-')) {
            return None;
        }
        let words = words.to_vec();
        let command = match command.as_str() {
            "start" => Command::Start(act::Act::plain(words)),
            "stop" => Command::Stop(act::Act::plain(words)),
            "restart" => Command::Restart(act::Act::plain(words)),
            "reload" => Command::Reload(act::Act::plain(words)),
            "status" => Command::Status(ask::StatusCommand::plain(words)),
            "emit" => Command::Emit(emit::Emit::plain(words)?),
            _ => return None,
        };
        Some(Self { socket: None, command })
    }

    pub(super) fn run(&self) -> Result<Outcome, String> {
        let path = socket_path(self.socket.as_deref());
        let socket = path.as_path();
        Ok(match &self.command {
            Command::Start(act) => act.run(Wish::Start, socket),
            Command::Stop(act) => act.run(Wish::Stop, socket),
            Command::Restart(act) => act.run(Wish::Restart, socket),
            Command::Reload(act) => act.run(Wish::Reload, socket),
            Command::Status(status) => status.run(socket),
            Command::List(plain) => plain.list(socket),
            Command::Tree(tree) => tree.run(socket),
            Command::Why(job) => job.why(socket),
            Command::Show(job) => job.show(socket),
            Command::Emit(emit) => emit.run(socket),
            Command::Hooks(hooks) => hooks.run(socket),
            Command::Set(fact) => fact.run(socket),
            Command::Unset(fact) => fact.unset(socket),
            Command::Facts(facts) => facts.run(socket),
            Command::Timers(timers) => timers.run(socket),
            Command::Calendar(calendar) => return calendar.run(),
            Command::Events(events) => events.run(socket),
            Command::ReloadConfiguration(reload) => reload.run(socket),
            Command::Settled(settled) => settled.run(socket),
            Command::Mode(mode) => mode.run(socket),
            Command::LogLevel(level) => level.run(socket),
            Command::Limits(plain) => plain.limits(socket),
            Command::Version(plain) => plain.version(socket),
            Command::Poweroff(down) => down.run(Going::Poweroff, socket),
            Command::Reboot(down) => down.run(Going::Reboot, socket),
            Command::Halt(down) => down.run(Going::Halt, socket),
            Command::Kexec(down) => down.run(Going::Kexec, socket),
            Command::SwitchRoot(switch) => switch.run(socket),
            Command::Reexec => machine::reexec(socket),
            Command::Log(log) => return log.run(),
            Command::Call(call) => return call.run(socket),
            Command::Check(check) => return check.run(),
            Command::Order(order) => return order.run(),
            Command::Graph(graph) => return graph.run(),
            Command::Simulate(simulate) => return simulate.run(),
            Command::Completions(completions) => completions.run(),
            Command::Man(man) => return man.run(),
            Command::Verb(words) => verbs::external(words, &names(), socket),
        })
    }
}

/// The names of all commands.
fn names() -> Vec<String> {
    use clap::CommandFactory as _;
    Cli::command().get_subcommands().map(|command| command.get_name().into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| String::from(*word)).collect()
    }

    #[test]
    fn plain_words_mean_what_the_table_makes_of_them() {
        for words in [
            &["onsetctl", "start", "db"][..],
            &["onsetctl", "stop", "db", "web", "A=1"],
            &["onsetctl", "restart", "db"],
            &["onsetctl", "reload", "a", "B=c d"],
            &["onsetctl", "status", "db"],
            &["onsetctl", "emit", "net-up", "IFACE=eth0", "X="],
        ] {
            let plain = Cli::plain(&owned(words)).unwrap();
            let whole = Cli::try_parse_from(words).unwrap();
            assert_eq!(format!("{plain:?}"), format!("{whole:?}"), "{words:?}");
        }
        for words in
            [&["onsetctl"][..], &["onsetctl", "start"], &["onsetctl", "list"], &["onsetctl", "start", "-h"]]
        {
            assert!(Cli::plain(&owned(words)).is_none(), "{words:?}");
        }
    }

    #[test]
    fn the_table_is_one_that_clap_takes() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}
