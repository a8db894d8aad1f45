/* proof_result.h: what came of trying whether memory can be used, in words that a process, a file and a person can
 * read.
 */
#ifndef VS_PROOF_RESULT_H
#define VS_PROOF_RESULT_H

#include <stdbool.h>
#include <stddef.h>

/* In the order in which they are done. */
enum vs_proof_step {
    VS_PROOF_START,       /* the driver, a context, the kernels: nothing of the memory yet */
    VS_PROOF_MAKE,        /* create, map, give access */
    VS_PROOF_COPY,        /* to it from pageable host memory, and back */
    VS_PROOF_PINNED_COPY, /* from page-locked host memory, and back */
    VS_PROOF_READ,        /* by a kernel */
    VS_PROOF_SET,         /* memset */
    VS_PROOF_DEVICE_COPY, /* from and to the compute device's own memory */
    VS_PROOF_WRITE,       /* by a kernel */
    VS_PROOF_GIVE_BACK,
    VS_PROOF_STEPS,
};

enum vs_proof_outcome {
    VS_PROOF_WORKS,
    VS_PROOF_FAILED,  /* a call: `detail` is the error */
    VS_PROOF_WRONG,   /* other bytes */
    VS_PROOF_HUNG,    /* `detail`: "20 s" */
    VS_PROOF_DIED,    /* the process that tried it: `detail` is how */
    VS_PROOF_UNTRIED, /* it says nothing about the memory: `detail` is the reason */
    VS_PROOF_FULL,    /* nothing is free there at the moment */
    VS_PROOF_OUTCOMES,
};

struct vs_proof {
    enum vs_proof_outcome outcome;
    enum vs_proof_step step; /* that it ended in */
    char detail[128];        /* or empty */
};

/* One word each, for machines. The reverse is false where the word is none. */
const char *vs_proof_step_word(enum vs_proof_step step);
const char *vs_proof_outcome_word(enum vs_proof_outcome outcome);
bool vs_proof_step_of(const char *word, enum vs_proof_step *step);
bool vs_proof_outcome_of(const char *word, enum vs_proof_outcome *outcome);

void vs_proof_set(struct vs_proof *proof, enum vs_proof_outcome outcome, enum vs_proof_step step, const char *format,
    ...) __attribute__((format(printf, 4, 5)));

/* Whether the same would come of it again, here and with this driver: it may be kept. */
bool vs_proof_is_lasting(const struct vs_proof *proof);

/* What is wrong, as a part of a sentence: "copies arrive, but kernels read other bytes there". */
void vs_proof_reason(const struct vs_proof *proof, char *text, size_t bytes);

#endif
