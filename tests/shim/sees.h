/* sees.h: what the tests of devices share: machines of unlike cards, and what programs/sees.c tells on them. */
#ifndef TESTS_SHIM_SEES_H
#define TESTS_SHIM_SEES_H

/* Two unlike cards; A is cuda:0 to the driver. */
#define A    "Simulated GPU 8 GB"
#define B    "Simulated GPU 24 GB"
#define PAIR "8gb+24gb"

/* A machine file, to be removed, of three cards whose order is First, Middle, Last by PCI address, and Last, First,
 * Middle by generation, which is the driver's own order. */
const char *three_cards(void);
#define UUID_FIRST  "GPU-00000100-7369-6d75-6c61-746564475055"
#define UUID_MIDDLE "GPU-00004100-7369-6d75-6c61-746564475055"
#define UUID_LAST   "GPU-00010100-7369-6d75-6c61-746564475055"

/* A policy that places on two GPUs and in the host; numbers are the user's. */
void use_two_gpus(void);

/* Runs `sees` with these variables and steps; returns the status. SEES chooses another way to CUDA: `sees_by_look_up`
 * or `sees_static`. */
int see(const char *variables, const char *steps, char output[8192]);
/* The same, and it shall succeed and tell this. */
void expect_seen(const char *variables, const char *steps, const char *expected);
/* The line of `look` where the program sees `names` and the driver shows `shown`; valid until the next call. */
const char *seen(const char *environment, const char *names, const char *shown);

#endif
