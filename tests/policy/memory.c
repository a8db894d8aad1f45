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

static _Thread_local bool counting;
static _Thread_local size_t live_bytes, most_bytes;

void allocations_count(void)
{
    live_bytes = most_bytes = 0;
    counting = true;
}

size_t allocations_counted(void)
{
    counting = false;
    return most_bytes;
}

static void *counted(void *block)
{
    if (counting && block) {
        live_bytes += malloc_usable_size(block);
        most_bytes = live_bytes > most_bytes ? live_bytes : most_bytes;
    }
    return block;
}

/* What was there before counting began is not counted when it goes. */
static void uncount(void *block)
{
    size_t bytes = counting && block ? malloc_usable_size(block) : 0;
    live_bytes -= bytes < live_bytes ? bytes : live_bytes;
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

void *__real_malloc(size_t);
void *__real_calloc(size_t, size_t);
void *__real_realloc(void *, size_t);
char *__real_strdup(const char *);
int __real_vasprintf(char **, const char *, va_list);
void *__wrap_malloc(size_t);
void *__wrap_calloc(size_t, size_t);
void *__wrap_realloc(void *, size_t);
void __real_free(void *);
void __wrap_free(void *);
char *__wrap_strdup(const char *);
int __wrap_vasprintf(char **, const char *, va_list);

void *__wrap_malloc(size_t bytes)
{
    return refuses() ? NULL : counted(__real_malloc(bytes));
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    return refuses() ? NULL : counted(__real_calloc(count, bytes));
}

void *__wrap_realloc(void *block, size_t bytes)
{
    if (refuses())
        return NULL;
    /* Counted as if a new block were there before the old one goes, as it is when it has to be moved. */
    size_t before = counting && block ? malloc_usable_size(block) : 0;
    void *moved = counted(__real_realloc(block, bytes));
    if (moved)
        live_bytes -= before < live_bytes ? before : live_bytes;
    return moved;
}

void __wrap_free(void *block)
{
    uncount(block);
    __real_free(block);
}

char *__wrap_strdup(const char *string)
{
    return refuses() ? NULL : counted(__real_strdup(string));
}

int __wrap_vasprintf(char **text, const char *format, va_list arguments)
{
    if (!refuses())
        return __real_vasprintf(text, format, arguments);
    *text = (char *)8; /* the C library leaves it undefined: whoever frees it is found */
    return -1;
}
