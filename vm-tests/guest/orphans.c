/* orphans COUNT: makes so many orphans: children that make ten children each and end before they have waited for them,
 * so that the kernel gives these to PID 1, which has to reap them.
 *
 * What is tested is who reaps, so it costs next to nothing itself: no C library, and few pages to copy.
 * For x86-64; built with -nostdlib -static. */

enum { FORK = 57, EXIT = 60, WAIT4 = 61 };
enum { EACH = 10 };

static long call(long number, long first, long second, long third)
{
    long result;
    register long fourth __asm__("r10") = 0;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(first), "S"(second), "d"(third), "r"(fourth)
                     : "rcx", "r11", "memory");
    return result;
}

static int make(void)
{
    long child = call(FORK, 0, 0, 0);
    if (child == 0) {
        for (int left = EACH; left; left--)
            if (call(FORK, 0, 0, 0) == 0)
                break;
        call(EXIT, 0, 0, 0);
    }
    return child < 0 || call(WAIT4, child, 0, 0) != child;
}

/* The kernel leaves the number of words on the stack, and behind it where each of them is. */
__attribute__((used)) void begin(long *stack)
{
    long count = stack[0];
    char **words = (char **)(stack + 1);
    unsigned long left = 0;
    int failed = 0;

    for (const char *digit = count > 1 ? words[1] : ""; *digit; digit++)
        left = left * 10 + (unsigned long)(*digit - '0');
    for (; left >= EACH && !failed; left -= EACH)
        failed = make();
    call(EXIT, failed, 0, 0);
    __builtin_unreachable();
}

__asm__(".globl _start\n_start:\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall begin\n");
