/* A daemon for tests. It tells what it was started with, and what reaches it.
 *
 *   toyd [-p PIDFILE] [-o REPORT] [-n FIFO] [-t TITLE] [-e STATUS] [-f] [-q PIDFILE] [WORD...]
 *
 *   -p  the number of the daemon is written there before the parent ends; the file goes when the daemon does
 *   -o  what it was started with: words, user, group, umask, nice value above PID 1's, folder, and variables that begin with TOY
 *   -n  a pipe that is told each signal, and `up` at the start
 *   -t  what it shows in the place of its command line
 *   -e  it ends with this status, and there is no daemon
 *   -f  it stays in the foreground
 *   -q  like -p, but written only when USR1 comes
 *
 * A signal ends it, but for HUP, USR1 and USR2. Until then it waits.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static void write_pid(const char *path)
{
	FILE *file = fopen(path, "w");
	if (!file) {
		perror(path);
		exit(1);
	}
	fprintf(file, "%d\n", getpid());
	fclose(file);
}

static void report(const char *path, int count, char **words)
{
	FILE *file = fopen(path, "w");
	if (!file) {
		perror(path);
		exit(1);
	}
	fprintf(file, "words:");
	for (int i = 0; i < count; i++)
		fprintf(file, " [%s]", words[i]);
	mode_t mask = umask(0);
	umask(mask);
	char folder[4096];
	fprintf(file, "\nuser %d group %d umask %03o nice %d in %s\n", geteuid(), getegid(), mask,
		getpriority(PRIO_PROCESS, 0) - getpriority(PRIO_PROCESS, 1), getcwd(folder, sizeof folder) ? folder : "?");
	for (char **variable = environ; *variable; variable++)
		if (!strncmp(*variable, "TOY", 3))
			fprintf(file, "%s\n", *variable);
	fclose(file);
}

static void tell(int fifo, const char *what)
{
	if (fifo >= 0 && write(fifo, what, strlen(what)) < 0)
		exit(1);
}

int main(int count, char **words)
{
	const char *pidfile = 0, *late = 0, *where = 0, *title = 0;
	int foreground = 0, fifo = -1, option;
	/* The title is written over the words, so they are kept. */
	char **kept = calloc(count + 1, sizeof *kept);
	for (int i = 0; i < count; i++)
		kept[i] = strdup(words[i]);
	while ((option = getopt(count, kept, "+p:o:n:t:e:fq:")) != -1) {
		switch (option) {
		case 'p': pidfile = optarg; break;
		case 'o': where = optarg; break;
		case 'n': fifo = open(optarg, O_RDWR | O_CLOEXEC); break;
		case 't': title = optarg; break;
		case 'e': return atoi(optarg);
		case 'f': foreground = 1; break;
		case 'q': late = optarg; break;
		default: return 64;
		}
	}
	sigset_t signals;
	sigfillset(&signals);
	sigprocmask(SIG_BLOCK, &signals, 0);
	int up[2];
	if (!foreground) {
		if (pipe(up) < 0)
			return 1;
		if (fork()) {
			char byte;
			close(up[1]);
			_exit(read(up[0], &byte, 1) == 1 ? 0 : 1);
		}
		close(up[0]);
		setsid();
	}
	if (title) {
		char *end = words[count - 1] + strlen(words[count - 1]);
		memset(words[0], 0, end - words[0]);
		strncpy(words[0], title, end - words[0] - 1);
	}
	if (where)
		report(where, count - optind, kept + optind);
	if (pidfile)
		write_pid(pidfile);
	tell(fifo, "up\n");
	if (!foreground) {
		int null = open("/dev/null", O_RDWR);
		dup2(null, 0);
		dup2(null, 1);
		dup2(null, 2);
		if (write(up[1], "", 1) < 0)
			return 1;
		close(up[1]);
	}
	for (;;) {
		int number;
		char line[64];
		if (sigwait(&signals, &number))
			return 1;
		snprintf(line, sizeof line, "%s\n", sigabbrev_np(number));
		tell(fifo, line);
		if (number == SIGUSR1 && late)
			write_pid(late);
		if (number != SIGHUP && number != SIGUSR1 && number != SIGUSR2 && number != SIGCHLD)
			break;
	}
	if (pidfile)
		unlink(pidfile);
	return 0;
}
