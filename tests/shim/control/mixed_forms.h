/* mixed_forms.h: every form of a copy and of a memset that a program may call, as a table. */
#ifndef TESTS_SHIM_CONTROL_MIXED_FORMS_H
#define TESTS_SHIM_CONTROL_MIXED_FORMS_H

#include "movable.h"

/* Two weights, and memory of three other kinds. */
enum { FIRST, SECOND, PLAIN, PINNED, PAGEABLE, PLACES };
extern unsigned char *places[PLACES];
extern cudaStream_t mixed_stream; /* of the asynchronous forms */

static inline bool is_host(int place)
{
    return place >= PINNED;
}

/* One call: `width` bytes a row. All offsets are from a place's beginning; a memset has no source. */
struct request {
    int to, from;
    size_t to_at, from_at, width, height, to_pitch, from_pitch;
    unsigned value;
};

struct form {
    const char *name;
    int (*call)(const struct request *request);
    size_t element; /* of a memset; 0: a copy */
    bool rows;
    bool devices; /* both sides are device memory to the program */
};
extern const struct form forms[];
extern const size_t form_count;

#endif
