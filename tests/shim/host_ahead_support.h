/* host_ahead_support.h: what the tests of memory made ahead share: models, and what the host and its thread do. */
#ifndef TESTS_SHIM_HOST_AHEAD_SUPPORT_H
#define TESTS_SHIM_HOST_AHEAD_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "fixture.h"

#define LARGE   (34 * MIB) /* a piece of its own */
#define SHARED  (32 * MIB)
#define WAIT_MS 10000

/* Waits until the host holds so much, and expects that it goes on doing so. */
void expect_host(size_t bytes);

/* Makes a policy with these keys for every model the one in force; memory is made ahead. */
void use_ahead(const char *models);

/* A model without bytes: of these sizes, or of `count` weights of one size. */
const char *hollow_model(const size_t *sizes, size_t count);
const char *model_of(size_t bytes, size_t count);

void *allocate(size_t bytes);

/* The end of a load: the program computes. */
void multiply(void);

/* The library's thread: its number, or 0; and what its status says behind a word. */
long thread_with(const char *word, char value[64]);
bool has_thread(void);
/* Waits for its end. */
void expect_no_thread(void);

#endif
