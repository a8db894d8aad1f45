/* proof_result.c: see proof_result.h. */
#include "proof_result.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *word;
    const char *what;  /* is done, as a subject */
    const char *wrong; /* what other bytes mean then */
} steps[VS_PROOF_STEPS] = {
    [VS_PROOF_START] = {"start", "starting CUDA to try it", "starting CUDA went wrong"},
    [VS_PROOF_MAKE] = {"make", "making memory there", "memory there is not made"},
    [VS_PROOF_COPY] = {"copy", "a copy to it", "copies to it do not arrive"},
    [VS_PROOF_PINNED_COPY] = {"pinned-copy", "a copy to it from page-locked memory",
        "copies to it from page-locked memory do not arrive"},
    [VS_PROOF_READ] = {"kernel-read", "a kernel that reads it", "copies arrive, but kernels read other bytes there"},
    [VS_PROOF_SET] = {"set", "a memset of it", "a memset of it does not arrive"},
    [VS_PROOF_DEVICE_COPY] = {"device-copy", "a copy between it and the compute device",
        "copies between it and the compute device do not arrive"},
    [VS_PROOF_WRITE] = {"kernel-write", "a kernel that writes it", "what kernels write there does not arrive"},
    [VS_PROOF_GIVE_BACK] = {"give-back", "giving it back", "it cannot be given back"},
};

static const char *const outcomes[VS_PROOF_OUTCOMES] = {
    [VS_PROOF_WORKS] = "works",
    [VS_PROOF_FAILED] = "failed",
    [VS_PROOF_WRONG] = "wrong",
    [VS_PROOF_HUNG] = "hung",
    [VS_PROOF_DIED] = "died",
    [VS_PROOF_UNTRIED] = "untried",
    [VS_PROOF_FULL] = "full",
};

const char *vs_proof_step_word(enum vs_proof_step step)
{
    return steps[step].word;
}

const char *vs_proof_outcome_word(enum vs_proof_outcome outcome)
{
    return outcomes[outcome];
}

bool vs_proof_step_of(const char *word, enum vs_proof_step *step)
{
    for (int i = 0; i < VS_PROOF_STEPS; i++) {
        *step = (enum vs_proof_step)i;
        if (strcmp(word, steps[i].word) == 0)
            return true;
    }
    return false;
}

bool vs_proof_outcome_of(const char *word, enum vs_proof_outcome *outcome)
{
    for (int i = 0; i < VS_PROOF_OUTCOMES; i++) {
        *outcome = (enum vs_proof_outcome)i;
        if (strcmp(word, outcomes[i]) == 0)
            return true;
    }
    return false;
}

void vs_proof_set(
    struct vs_proof *proof, enum vs_proof_outcome outcome, enum vs_proof_step step, const char *format, ...)
{
    va_list arguments;
    proof->outcome = outcome;
    proof->step = step;
    va_start(arguments, format);
    vsnprintf(proof->detail, sizeof proof->detail, format, arguments);
    va_end(arguments);
}

bool vs_proof_is_lasting(const struct vs_proof *proof)
{
    return proof->outcome != VS_PROOF_UNTRIED && proof->outcome != VS_PROOF_FULL;
}

void vs_proof_reason(const struct vs_proof *proof, char *text, size_t bytes)
{
    switch (proof->outcome) {
    case VS_PROOF_FAILED:
        snprintf(text, bytes, "%s fails: %s", steps[proof->step].what, proof->detail);
        return;
    case VS_PROOF_WRONG:
        snprintf(text, bytes, "%s", steps[proof->step].wrong);
        return;
    case VS_PROOF_HUNG:
        snprintf(text, bytes, "%s does not end within %s", steps[proof->step].what, proof->detail);
        return;
    case VS_PROOF_DIED:
        snprintf(text, bytes, "%s ends the process: %s", steps[proof->step].what, proof->detail);
        return;
    case VS_PROOF_UNTRIED:
        snprintf(text, bytes, "it could not be tried: %s", proof->detail);
        return;
    case VS_PROOF_FULL:
        snprintf(text, bytes, "it is full");
        return;
    case VS_PROOF_WORKS:
    case VS_PROOF_OUTCOMES:
        break;
    }
    snprintf(text, bytes, "it works");
}
