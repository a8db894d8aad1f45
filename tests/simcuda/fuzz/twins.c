/* twins.c: copies and fills once more, in the forms for the per-thread default stream. */
#define FUZZ_TWINS
#include "calls_copy.c"
