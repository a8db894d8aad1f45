/* patcher.c: a library that patches functions in place, as comfy-aimdo does with funchook: a jump to a page of its own,
 * which jumps on to its code. -DMARKED: it exports what funchook's users may.
 *
 *     patch_in_place(function, form)     writes the jump in one of the forms below; the function then answers 77
 *     look_up(name), look_up_symbol(symbol)     what this library is given for a function of the driver */
#include <dlfcn.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT int patch_in_place(void *function, int form);
EXPORT void *look_up(const char *name);
EXPORT void *look_up_symbol(const char *symbol);
#ifdef MARKED
EXPORT int funchook_install(void);

int funchook_install(void)
{
    return 0;
}
#endif

void *look_up_symbol(const char *symbol)
{
    void *volatile found = dlsym(dlopen("libcuda.so.1", RTLD_NOW), symbol); /* not by a jump: it is asked who calls */
    return found;
}

void *look_up(const char *name)
{
    void *function = NULL;
    int (*get)(const char *, void **, int, unsigned long long) =
        (int (*)(const char *, void **, int, unsigned long long))look_up_symbol("cuGetProcAddress");
    return get(name, &function, 12060, 1) == 0 ? function : NULL;
}

static int answer(void)
{
    return 77;
}

static size_t absolute_jump(unsigned char *at, const void *to)
{
    memcpy(at, "\xff\x25\0\0\0\0", 6);
    memcpy(at + 6, &to, sizeof to);
    return 14;
}

static size_t jump_by_register(unsigned char *at, const void *to, int rax)
{
    memcpy(at, rax ? "\x48\xb8" : "\x49\xbb", 2);
    memcpy(at + 2, &to, sizeof to);
    memcpy(at + 10, rax ? "\xff\xe0\x90" : "\x41\xff\xe3", 3);
    return 13;
}

/* A page within reach of a relative jump. */
static unsigned char *near_page(uintptr_t function)
{
    for (uintptr_t step = 1; step < 4096; step++) {
        void *wanted = (void *)((function & ~(uintptr_t)0xfff) - (step << 16));
        void *page = mmap(
            wanted, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        if (page != MAP_FAILED)
            return page;
    }
    return NULL;
}

int patch_in_place(void *function, int form)
{
    uintptr_t page = (uintptr_t)function & ~(uintptr_t)0xfff;
    unsigned char code[16], *trampoline = near_page((uintptr_t)function);
    size_t bytes = 5;
    if (!trampoline || mprotect((void *)page, 8192, PROT_READ | PROT_WRITE | PROT_EXEC))
        return 1;
    absolute_jump(trampoline, (const void *)answer);
    if (form == 0) {
        int32_t distance = (int32_t)(trampoline - ((unsigned char *)function + 5));
        code[0] = 0xe9;
        memcpy(code + 1, &distance, sizeof distance);
    } else if (form == 1) {
        bytes = absolute_jump(code, trampoline);
    } else {
        bytes = jump_by_register(code, trampoline, form == 2);
    }
    memcpy(function, code, bytes);
    return mprotect((void *)page, 8192, PROT_READ | PROT_EXEC);
}
