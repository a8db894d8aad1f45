/* report.h: calls that fail, bytes that differ. */
#ifndef STRESS_REPORT_H
#define STRESS_REPORT_H

#include "stress.h"

/* Makes a call that must succeed. Where faults are injected it may fail with the injected error and is made again. */
#define TRY(worker, call) TRY_NAMED(worker, #call, call)
#define TRY_NAMED(worker, name, call)                                                                                  \
    do {                                                                                                               \
        int try_result;                                                                                                \
        unsigned try_count = 0;                                                                                        \
        do                                                                                                             \
            try_result = (int)(call);                                                                                  \
        while (try_result != 0 && may_try_again(worker, name, try_result, ++try_count));                               \
    } while (0)

/* Ends the program where the call should have succeeded, or the thread's last error is not what CUDA makes it. */
bool may_try_again(struct worker *worker, const char *call, int result, unsigned tries);

/* Whether a call may have got this error because it was made to fail. */
bool is_injected(int result);

/* Compares what came back with what must be there; ends the program with a report where they differ. */
void expect_bytes(struct worker *worker, const struct allocation *allocation, size_t offset, const void *found,
    const void *expected, size_t bytes, uint64_t operation, const char *how);

/* Ends the program with a report of this sentence; `allocation` may be NULL. */
void fail(struct worker *worker, const struct allocation *allocation, const char *format, ...)
    __attribute__((format(printf, 3, 4), noreturn));

/* A line of the allocation's history. */
void note(struct worker *worker, struct allocation *allocation, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Before and after each operation: a driver function that the library uses is made to fail now and then. */
void arm_fault(struct worker *worker);
/* The operation that is to come next, so that the fault has something to hit; NULL: any. */
const char *operation_for_fault(struct worker *worker);
void look_for_fault(struct worker *worker);
/* No call fails any more. */
void end_faults(void);
/* How many faults hit a call, and how many pairs of function and turn there are. */
void tell_faults(void);

#endif
