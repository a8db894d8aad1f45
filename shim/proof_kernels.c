/* proof_kernels.c: see proof_kernels.h. The constants are those of MurmurHash3's 64-bit finalizer; a tests' interpreter
 * holds the text against the C. */
#include "proof_kernels.h"

#define PLACE_FACTOR 0xFF51AFD7ED558CCDu
#define WORD_FACTOR  0xC4CEB9FE1A85EC53u

const char vs_proof_sum_name[] = "_Z12vs_proof_sumPKyyPy";
const char vs_proof_fill_name[] = "_Z13vs_proof_fillPyyy";

/* Both begin alike: the thread's first place in %i, the places between two of its own in %step, the end in %count.
 * Reads are volatile, so that each is made. */
#define EACH_PLACE                                                                                                     \
    "    .reg .pred %done;\n"                                                                                          \
    "    .reg .b32 %thread, %threads, %block, %blocks, %first;\n"                                                      \
    "    .reg .b64 %words, %count, %i, %step, %at, %word, %mixed, %folded, %more;\n"                                   \
    "    ld.param.u64 %words, [words];\n"                                                                              \
    "    ld.param.u64 %count, [count];\n"                                                                              \
    "    cvta.to.global.u64 %words, %words;\n"                                                                         \
    "    mov.u32 %thread, %tid.x;\n"                                                                                   \
    "    mov.u32 %threads, %ntid.x;\n"                                                                                 \
    "    mov.u32 %block, %ctaid.x;\n"                                                                                  \
    "    mov.u32 %blocks, %nctaid.x;\n"                                                                                \
    "    mad.lo.u32 %first, %block, %threads, %thread;\n"                                                              \
    "    cvt.u64.u32 %i, %first;\n"                                                                                    \
    "    mul.wide.u32 %step, %threads, %blocks;\n"
#define NEXT_PLACE                                                                                                     \
    "next:\n"                                                                                                          \
    "    setp.ge.u64 %done, %i, %count;\n"                                                                             \
    "    @%done bra end;\n"                                                                                            \
    "    shl.b64 %at, %i, 3;\n"                                                                                        \
    "    add.u64 %at, %words, %at;\n"

const char vs_proof_ptx[] =
    ".version 6.0\n"
    ".target sm_50\n"
    ".address_size 64\n"
    ".visible .entry _Z12vs_proof_sumPKyyPy(.param .u64 words, .param .u64 count, .param .u64 sum)\n"
    "{\n" EACH_PLACE "    ld.param.u64 %more, [sum];\n"
    "    cvta.to.global.u64 %more, %more;\n"
    "    mov.u64 %folded, 0;\n" NEXT_PLACE "    ld.volatile.global.u64 %word, [%at];\n"
    "    mul.lo.u64 %mixed, %i, 0xFF51AFD7ED558CCD;\n"
    "    xor.b64 %mixed, %mixed, %word;\n"
    "    mul.lo.u64 %mixed, %mixed, 0xC4CEB9FE1A85EC53;\n"
    "    shr.u64 %word, %mixed, 33;\n"
    "    xor.b64 %mixed, %mixed, %word;\n"
    "    add.u64 %folded, %folded, %mixed;\n"
    "    add.u64 %i, %i, %step;\n"
    "    bra next;\n"
    "end:\n"
    "    red.global.add.u64 [%more], %folded;\n"
    "    ret;\n"
    "}\n"
    ".visible .entry _Z13vs_proof_fillPyyy(.param .u64 words, .param .u64 count, .param .u64 seed)\n"
    "{\n" EACH_PLACE "    ld.param.u64 %more, [seed];\n" NEXT_PLACE "    add.u64 %mixed, %i, %more;\n"
    "    mul.lo.u64 %mixed, %mixed, 0xFF51AFD7ED558CCD;\n"
    "    shr.u64 %folded, %mixed, 33;\n"
    "    xor.b64 %word, %mixed, %folded;\n"
    "    st.global.u64 [%at], %word;\n"
    "    add.u64 %i, %i, %step;\n"
    "    bra next;\n"
    "end:\n"
    "    ret;\n"
    "}\n";

static uint64_t fold(uint64_t value)
{
    return value ^ value >> 33;
}

uint64_t vs_proof_sum(const uint64_t *words, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += fold((i * PLACE_FACTOR ^ words[i]) * WORD_FACTOR);
    return sum;
}

void vs_proof_fill(uint64_t *words, size_t count, uint64_t seed)
{
    for (size_t i = 0; i < count; i++)
        words[i] = fold((i + seed) * PLACE_FACTOR);
}
