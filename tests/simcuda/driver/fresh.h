/* fresh.h: what memory holds that nobody has written yet, from SIMCUDA_FRESH.
 *
 * `zero` (the default) is for whole programs: values that kernels would have computed steer the host, and zeros lead it
 * astray the least. `poison` is for C tests: all bits set, a NaN in every format, so that who counts on zeros fails. */
#ifndef SIM_FRESH_H
#define SIM_FRESH_H

#include <stdbool.h>
#include <stddef.h>

/* Reads SIMCUDA_FRESH; false, with a message, when it is not understood. */
bool sim_fresh_start(void);
/* The byte that fresh memory consists of. */
int sim_fresh_byte(void);
/* Makes untouched private memory of the simulator's (whole pages of SIM_PAGE_BYTES) read as fresh bytes, without using
 * memory for it. What is dropped later (MADV_DONTNEED) is fresh again. */
bool sim_fresh_map(char *start, size_t bytes);
/* The same for memory that others map too, by writing, which makes each page that is written exist. All of it up to 1
 * GiB. Beyond, that would cost as much memory as a program asks for, which is often more than there is: 32768 pages of
 * 4 KiB are, spread evenly (one in 64 KiB of 2 GiB), and the last one. */
void sim_fresh_write(char *start, size_t bytes);

#endif
