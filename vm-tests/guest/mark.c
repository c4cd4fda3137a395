/* mark ID [stay]: appends to /bench/marks when it was executed, as two 64-bit numbers: ID, and nanoseconds since
 * boot. Then it exits, or, with a second argument, stays until a signal ends it.
 *
 * What is measured is the init that starts it, so it costs next to nothing itself: no C library, six system calls.
 * For x86-64; built with -nostdlib -static. */

enum { WRITE = 1, OPEN = 2, PAUSE = 34, EXIT = 60, CLOCK_GETTIME = 228 };
enum { BOOTTIME = 7, WRITE_ONLY = 1, CREATE = 0100, APPEND = 02000 };

static long call(long number, long first, long second, long third)
{
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(first), "S"(second), "d"(third)
                     : "rcx", "r11", "memory");
    return result;
}

/* The kernel leaves the number of words on the stack, and behind it where each of them is. */
__attribute__((used)) void begin(long *stack)
{
    long count = stack[0];
    char **words = (char **)(stack + 1);
    long time[2] = { 0, 0 };
    unsigned long mark[2] = { 0, 0 };

    call(CLOCK_GETTIME, BOOTTIME, (long)time, 0);
    for (const char *digit = count > 1 ? words[1] : ""; *digit; digit++)
        mark[0] = mark[0] * 10 + (unsigned long)(*digit - '0');
    mark[1] = (unsigned long)time[0] * 1000000000ul + (unsigned long)time[1];
    long file = call(OPEN, (long)"/bench/marks", WRITE_ONLY | CREATE | APPEND, 0644);
    long written = call(WRITE, file, (long)mark, sizeof mark);
    while (count > 2)
        call(PAUSE, 0, 0, 0);
    call(EXIT, written != sizeof mark, 0, 0);
    __builtin_unreachable();
}

__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall begin\n");
