/*
 * Memory that runs out on demand, and is counted: the linker's --wrap sends every allocation of this program, policy/,
 * libyaml and jansson (not of Criterion's library) through here. See allocations_begin in support.h.
 */
#include "support.h"

#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>

static _Thread_local bool armed, later, failed;
static _Thread_local long countdown;

void allocations_begin(long fail_at, bool all_later)
{
    countdown = fail_at;
    later = all_later;
    failed = false;
    armed = true;
}

bool allocations_end(void)
{
    armed = false;
    return failed;
}

static bool refuses(void)
{
    if (!armed || countdown-- > 0)
        return false;
    if (failed && !later)
        return false;
    failed = true;
    errno = ENOMEM;
    return true;
}

static _Thread_local bool counting;
static _Thread_local size_t used_bytes, peak_bytes;

void allocations_count(void)
{
    used_bytes = peak_bytes = 0;
    counting = true;
}

size_t allocations_peak(void)
{
    counting = false;
    return peak_bytes;
}

static void *count(void *block)
{
    if (counting && block)
        used_bytes += malloc_usable_size(block);
    if (used_bytes > peak_bytes)
        peak_bytes = used_bytes;
    return block;
}

static void discount(void *block)
{
    if (counting && block)
        used_bytes -= malloc_usable_size(block);
}

void *__real_malloc(size_t);
void *__real_calloc(size_t, size_t);
void *__real_realloc(void *, size_t);
char *__real_strdup(const char *);
void __real_free(void *);
int __real_vasprintf(char **, const char *, va_list);
void *__wrap_malloc(size_t);
void *__wrap_calloc(size_t, size_t);
void *__wrap_realloc(void *, size_t);
char *__wrap_strdup(const char *);
void __wrap_free(void *);
int __wrap_vasprintf(char **, const char *, va_list);

void *__wrap_malloc(size_t bytes)
{
    return refuses() ? NULL : count(__real_malloc(bytes));
}

void *__wrap_calloc(size_t number, size_t bytes)
{
    return refuses() ? NULL : count(__real_calloc(number, bytes));
}

void *__wrap_realloc(void *block, size_t bytes)
{
    if (refuses())
        return NULL;
    discount(block);
    return count(__real_realloc(block, bytes));
}

char *__wrap_strdup(const char *string)
{
    return refuses() ? NULL : count(__real_strdup(string));
}

void __wrap_free(void *block)
{
    discount(block);
    __real_free(block);
}

int __wrap_vasprintf(char **text, const char *format, va_list arguments)
{
    if (!refuses())
        return __real_vasprintf(text, format, arguments);
    *text = (char *)8; /* the C library leaves it undefined: whoever frees it is found */
    return -1;
}
