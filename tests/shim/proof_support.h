/* proof_support.h: what the tests of proofs in processes of their own share: a folder in which proofs are kept. */
#ifndef TESTS_SHIM_PROOF_SUPPORT_H
#define TESTS_SHIM_PROOF_SUPPORT_H

#include <stddef.h>

/* The folder of this test, empty at first; it lives until the process ends. */
const char *proof_cache(void);
/* Proofs are kept there from here on. */
void use_new_proof_cache(void);

/* How many files a folder holds; 0 where it cannot be read. */
size_t files_in(const char *folder);

#endif
