#!/bin/sh
# PROVIDE: toybox
# KEYWORD: shutdown

. /etc/rc.subr
name=toy
desc="Sleeps"
rcvar=toy_enable
pidfile=/run/toy.pid
command=/bin/sleep
command_args="1000000 & echo \$! >/run/toy.pid"
extra_commands="reload rotate"
rotate_cmd="toy_rotate"
toy_rotate()
{
	echo "rotated $*"
	sleep 1000001 &
	return 0
}
load_rc_config $name
run_rc_command "$@"
