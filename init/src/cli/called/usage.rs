//! What `--help` says under each of the other names.

/// The help of a name.
pub(super) fn usage(name: &str) -> &'static str {
    match name {
        "initctl" => {
            "\
Usage: initctl [OPTION]... COMMAND [OPTION]... [ARG]...

Commands:
  start JOB [KEY=VALUE]...      start a job, and wait until it is up
  stop JOB [KEY=VALUE]...       stop a job, and wait until it is down
  restart JOB [KEY=VALUE]...    stop a job and start it again
  reload JOB [KEY=VALUE]...     have a job read its configuration again
  status JOB [KEY=VALUE]...     show how a job is
  list                          show how all jobs are
  emit EVENT [KEY=VALUE]...     have an event happen, and wait until all is done
  reload-configuration          read the job files again
  version                       show the version of init
  log-priority [PRIORITY]       show or set how much is logged
  show-config [-e] [JOB]        show conditions and the events that jobs emit
  check-config [-i EVENT,...] [-w] [JOB]
                                look for conditions that can never come true
  usage JOB                     show how a job wants to be started
  set-env [-g] [-r] KEY=VALUE...   set variables of all jobs
  unset-env [-g] KEY...         unset them
  get-env [-g] KEY              show one
  list-env [-g]                 show all
  reset-env [-g]                forget all that were set
  notify-disk-writeable         nothing to do: it is seen

Options:
  -n, --no-wait                 do not wait (start, stop, restart, emit)
  -q, --quiet                   say nothing but what is wrong
      --user, --session, --system, --dest=NAME   taken, and without meaning
"
        }
        "start" | "stop" | "restart" | "reload" | "status" => {
            "\
Usage: start|stop|restart|reload|status [OPTION]... JOB [KEY=VALUE]...

The same as the command of initctl of this name; see `initctl --help'.
"
        }
        "telinit" | "init" => {
            "\
Usage: telinit [OPTION]... RUNLEVEL

RUNLEVEL is 0 to 6, s or S, q or Q (read the job files again), or u or U (execute init again).

Options:
  -e KEY=VALUE                  a variable of the event
  -t SECONDS                    taken, and without meaning
"
        }
        "runlevel" => {
            "\
Usage: runlevel

Shows the run level before this one, or N, and this one.
"
        }
        "shutdown" => {
            "\
Usage: shutdown [OPTION]... TIME [MESSAGE]

TIME is now, +MINUTES or HH:MM. Without an option the machine goes to run level 1.

Options:
  -r                            reboot
  -h                            power off, or halt with -H
  -P                            power off
  -H                            halt
  -c                            cancel a shutdown that waits
  -k                            only warn
  -f, -F, -n, -a, -t SECONDS    taken, and without meaning
"
        }
        "halt" | "poweroff" | "reboot" => {
            "\
Usage: halt|poweroff|reboot [OPTION]...

Options:
  -f, --force                   at once, without stopping jobs
  -p, --poweroff                power off (halt)
      --reboot, --halt          reboot, or halt, whatever the name
  -n, --no-sync                 do not write the disks first (with -f)
  -w, --wtmp-only               do nothing: no record is kept
  -d, -i, -h                    taken, and without meaning
"
        }
        "service" => {
            "\
Usage: service JOB start|stop|restart|reload|force-reload|try-restart|status [KEY=VALUE]...
       service --status-all

A name that is no job is looked for in /etc/init.d.
"
        }
        _ => "",
    }
}
