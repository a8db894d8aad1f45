/* stub.h: a function of an NVIDIA library that is not simulated. generate.py writes one C file per library with a line
 * for each symbol that PyTorch needs of it; LIBRARY is that library's SONAME.
 *
 * A call says its name on stderr, once per symbol, and fails: a success that did nothing would be believed.
 */
#ifndef SIMCUDA_STUB_H
#define SIMCUDA_STUB_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>

#ifndef STUB_API
#define STUB_API __attribute__((visibility("default")))
#endif

static inline void stub_called(const char *symbol, atomic_flag *said)
{
    if (!atomic_flag_test_and_set(said))
        fprintf(stderr, "simcuda: %s: %s was called and is not simulated\n", LIBRARY, symbol);
}

/* `status` is returned in the whole register, for int, pointer, size and small structure results alike. */
#define STUB(name, status)                                                                                             \
    STUB_API long name(void);                                                                                          \
    long name(void)                                                                                                    \
    {                                                                                                                  \
        static atomic_flag said = ATOMIC_FLAG_INIT;                                                                    \
        stub_called(#name, &said);                                                                                     \
        return status;                                                                                                 \
    }

/* A function whose result is a text for people. */
#define STUB_TEXT(name)                                                                                                \
    STUB_API const char *name(void);                                                                                   \
    const char *name(void)                                                                                             \
    {                                                                                                                  \
        return LIBRARY " is not simulated";                                                                            \
    }

/* A variable: nothing to call, so nothing is said. */
#define STUB_DATA(name)                                                                                                \
    extern STUB_API char name[4096];                                                                                   \
    char name[4096];

/* Functions that answer. */
#define ANSWER_NUMBER(name, value)                                                                                     \
    STUB_API int name(int *number);                                                                                    \
    int name(int *number)                                                                                              \
    {                                                                                                                  \
        *number = value;                                                                                               \
        return 0;                                                                                                      \
    }

/* A text for people through a pointer. */
#define ANSWER_TEXT(name)                                                                                              \
    STUB_API int name(int status, const char **text);                                                                  \
    int name(int status, const char **text)                                                                            \
    {                                                                                                                  \
        (void)status;                                                                                                  \
        *text = LIBRARY " is not simulated";                                                                           \
        return 0;                                                                                                      \
    }

#endif
