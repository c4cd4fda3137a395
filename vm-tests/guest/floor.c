/* floor PROGRAM ID: what must be done at the very least to start a program when a network card is there: reads the
 * kernel's messages about devices, and of those that say that a card has been added makes a process of it, which executes
 * PROGRAM ID. First it runs PROGRAM 0, so that whoever looks on knows that it listens. It decides nothing, and keeps
 * nothing.
 *
 * No C library. For x86-64; built with -nostdlib -static. */

enum { SOCKET = 41, RECVFROM = 45, BIND = 49, SETSOCKOPT = 54, FORK = 57, EXECVE = 59, EXIT = 60, WAIT4 = 61 };
enum { NETLINK = 16, RAW = 3, CLOSE_ON_EXEC = 02000000, KOBJECT_UEVENT = 15, KERNEL_GROUP = 1 };
enum { SOL_SOCKET = 1, RCVBUFFORCE = 33 };

static long call(long number, long first, long second, long third, long fourth, long fifth, long sixth)
{
    long result;
    register long r10 __asm__("r10") = fourth;
    register long r8 __asm__("r8") = fifth;
    register long r9 __asm__("r9") = sixth;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(first), "S"(second), "d"(third), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

static int begins(const char *text, const char *with)
{
    while (*with)
        if (*text++ != *with++)
            return 0;
    return 1;
}

static void run(char *program, char *id)
{
    char *words[] = { program, id, 0 };
    char *environment[] = { 0 };
    long pid = call(FORK, 0, 0, 0, 0, 0, 0);
    if (pid == 0) {
        call(EXECVE, (long)program, (long)words, (long)environment, 0, 0, 0);
        call(EXIT, 127, 0, 0, 0, 0, 0);
    }
    call(WAIT4, pid, 0, 0, 0, 0, 0);
}

/* Whether one of the properties of a message is this one. */
static int has(const char *message, long length, const char *property)
{
    for (const char *at = message; at < message + length; at++) {
        if (begins(at, property))
            return 1;
        while (*at)
            at++;
    }
    return 0;
}

__attribute__((used)) void begin(long *stack)
{
    char **words = (char **)(stack + 1);
    static char message[8192 + 1];
    struct { unsigned short family, pad; unsigned pid, groups; } address = { NETLINK, 0, 0, KERNEL_GROUP };
    int room = 8 << 20;
    long fd = call(SOCKET, NETLINK, RAW | CLOSE_ON_EXEC, KOBJECT_UEVENT, 0, 0, 0);

    if (stack[0] < 3 || fd < 0 || call(BIND, fd, (long)&address, sizeof address, 0, 0, 0) < 0)
        call(EXIT, 1, 0, 0, 0, 0, 0);
    call(SETSOCKOPT, fd, SOL_SOCKET, RCVBUFFORCE, (long)&room, sizeof room, 0);
    run(words[1], "0");
    for (;;) {
        long length = call(RECVFROM, fd, (long)message, sizeof message - 1, 0, 0, 0);
        if (length <= 0)
            continue;
        message[length] = 0;
        if (begins(message, "add@") && has(message, length, "SUBSYSTEM=net"))
            run(words[1], words[2]);
    }
}

__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall begin\n");
