/* plug in NAME ID: makes a network card that is connected to nothing, and appends to /bench/marks when the kernel had done
 * so: ID, and nanoseconds since boot. plug out NAME: removes it. plug load FILE: loads a module.
 *
 * The kernel has told of the card by then, and nobody has heard it yet: there is one processor, and until this program
 * sleeps nobody who is not of the real-time classes, as it is, gets it.
 *
 * No C library. For x86-64; built with -nostdlib -static. */

enum { WRITE = 1, OPEN = 2, NANOSLEEP = 35, SOCKET = 41, SENDTO = 44, RECVFROM = 45, EXIT = 60 };
enum { SETSCHEDULER = 144, CLOCK_GETTIME = 228, FINIT_MODULE = 313 };
enum { BOOTTIME = 7, FIFO = 1, WRITE_ONLY = 1, CREATE = 0100, APPEND = 02000 };
enum { NETLINK = 16, RAW = 3, ROUTE = 0, NEWLINK = 16, DELLINK = 17 };
enum { REQUEST = 1, ACK = 4, CREATE_LINK = 0x400, EXCLUSIVE = 0x200, IFNAME = 3, LINKINFO = 18, KIND = 1 };

struct {
    unsigned length;
    unsigned short type, flags;
    unsigned number, port;
    unsigned char family, pad;
    unsigned short device;
    unsigned index, state, change;
    unsigned char attributes[64];
} message;

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

static unsigned char *attribute(unsigned char *at, unsigned kind, const char *text, unsigned within)
{
    unsigned length = 4;
    for (; text && *text; text++)
        at[length++] = (unsigned char)*text;
    if (text)
        at[length++] = 0;
    length += within;
    at[0] = (unsigned char)length;
    at[1] = 0;
    at[2] = (unsigned char)kind;
    at[3] = 0;
    return at + (text ? (length + 3) / 4 * 4 : 4);
}

__attribute__((used)) void begin(long *stack)
{
    char **words = (char **)(stack + 1);
    struct { unsigned short family, pad; unsigned pid, groups; } kernel = { NETLINK, 0, 0, 0 };
    int priority = 50;
    long time[2] = { 0, 0 };
    long nap[2] = { 0, 20000000 };
    unsigned long mark[2] = { 0, 0 };
    static char answer[4096];

    if (stack[0] < 3)
        call(EXIT, 2, 0, 0, 0, 0, 0);
    if (words[1][0] == 'l') {
        long file = call(OPEN, (long)words[2], 0, 0, 0, 0, 0);
        call(EXIT, call(FINIT_MODULE, file, (long)"", 0, 0, 0, 0) != 0, 0, 0, 0, 0, 0);
    }
    int is_in = words[1][0] == 'i';
    unsigned char *end = attribute(message.attributes, IFNAME, words[2], 0);
    if (is_in) {
        unsigned char *info = attribute(end, LINKINFO, 0, 12);
        end = attribute(info, KIND, "dummy", 0);
    }
    message.length = (unsigned)(end - (unsigned char *)&message);
    message.type = is_in ? NEWLINK : DELLINK;
    message.flags = REQUEST | ACK | (is_in ? CREATE_LINK | EXCLUSIVE : 0);

    call(SETSCHEDULER, 0, FIFO, (long)&priority, 0, 0, 0);
    long fd = call(SOCKET, NETLINK, RAW, ROUTE, 0, 0, 0);
    long sent = call(SENDTO, fd, (long)&message, message.length, 0, (long)&kernel, sizeof kernel);
    call(CLOCK_GETTIME, BOOTTIME, (long)time, 0, 0, 0, 0);
    /* From here on others get the processor. */
    call(NANOSLEEP, (long)nap, 0, 0, 0, 0, 0);
    long got = call(RECVFROM, fd, (long)answer, sizeof answer, 0, 0, 0);
    if (sent < 0 || got < 20 || *(int *)(answer + 16) != 0)
        call(EXIT, 1, 0, 0, 0, 0, 0);
    if (is_in && stack[0] > 3) {
        for (const char *digit = words[3]; *digit; digit++)
            mark[0] = mark[0] * 10 + (unsigned long)(*digit - '0');
        mark[1] = (unsigned long)time[0] * 1000000000ul + (unsigned long)time[1];
        long file = call(OPEN, (long)"/bench/marks", WRITE_ONLY | CREATE | APPEND, 0644, 0, 0, 0);
        call(WRITE, file, (long)mark, sizeof mark, 0, 0, 0);
    }
    call(EXIT, 0, 0, 0, 0, 0, 0);
    __builtin_unreachable();
}

__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall begin\n");
