/* tally.h: what was called, with which results, over all episodes; kept in memory that the processes share. */
#ifndef FUZZ_TALLY_H
#define FUZZ_TALLY_H

#include "fuzz.h"

#define TALLY_ENDING ((size_t)-1) /* no call: the episode's end */

void tally_start(size_t call_count);
void tally_begin(size_t call); /* before a call: a crash tells which */
void tally_end(size_t call, int result);
void tally_failure(const char *sentence);
unsigned long tally_total(void);

/* The name of a result, or NULL: driver and runtime share their numbers, where both have them. */
const char *tally_name(int result);

void tally_print_failure(const struct call *calls, size_t count);
/* Prints all functions. False where too few calls succeeded or, with `both`, one only ever failed or succeeded that can
 * do otherwise. */
bool tally_print(const struct call *calls, size_t count, bool both);

#endif
