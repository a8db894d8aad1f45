/*
 * What the tests of policy/ share: reading a text and comparing everything that was said about it, making headers, and
 * memory that runs out on demand.
 */
#ifndef VRAMSPAN_TESTS_POLICY_SUPPORT_H
#define VRAMSPAN_TESTS_POLICY_SUPPORT_H

#include "../../policy/language/policy.h"
#include "../../policy/model/safetensors.h"
#include "../../policy/text/diag.h"
#include "../../policy/values/distorch.h"

#include <criterion/criterion.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Everything that was said, as one text; frees the list. The text is to be freed by the caller. */
char *rendered(struct vs_diags *diags);

/* Reads "p.yaml" from a text. Fails the test unless reading fails and exactly `expected` is said. */
void expect_policy_errors(const char *yaml, const char *expected);
/* Fails the test unless it is read and exactly `expected` ("" for nothing) is said. The policy is the caller's. */
struct vs_policy expect_policy(const char *yaml, const char *expected);

/* The same for an allocation string, which stands at line 1, column 1 of a text called "string". */
void expect_distorch_errors(const char *string, const char *expected);
struct vs_distorch expect_distorch(const char *string, const char *expected);

/* The same for the JSON of a header and the number of data bytes behind it, called "m". */
void expect_header_errors(const char *json, uint64_t data_bytes, const char *expected);
struct vs_header expect_header(const char *json, uint64_t data_bytes);

struct vs_device_id cuda(unsigned ordinal);
extern const struct vs_device_id cpu_device;

/* Random numbers that are the same on every machine (xorshift64*). */
uint64_t next_random(uint64_t *state);

/*
 * Lets the n-th allocation from now (0: the next one), and all later ones where `all_later`, fail in this thread, in
 * policy/, libyaml and jansson alike. allocations_end returns whether one was failed.
 */
void allocations_begin(long fail_at, bool all_later);
bool allocations_end(void);
/* Counts the bytes that this thread allocates there, less those that it frees. allocations_counted ends it and returns
 * the most that there were at once. */
void allocations_count(void);
size_t allocations_counted(void);

/* Tests that take long have a .timeout of 300 s, all of them the same: of different ones that run at once, Criterion
 * forgets to free one. */

/* The .fini of every suite: in a sanitised build, fails a test that left memory behind (the sanitiser's own report at
 * exit does not make Criterion fail). */
void expect_no_leaks(void);

/* The reader of a file (header.h) that holds the struct vs_text at `context`, and zeros behind it without end. */
ssize_t read_text_and_zeros(void *context, void *buffer, size_t bytes, uint64_t offset);

#endif
