/* settings_support.h: what the tests of settings share: an environment of their own, and what loading from it says. */
#ifndef TESTS_POLICY_LANGUAGE_SETTINGS_SUPPORT_H
#define TESTS_POLICY_LANGUAGE_SETTINGS_SUPPORT_H

#include "../support.h"

#include "../../../policy/language/settings.h"

/* An environment without variables. */
#define NONE                                                                                                           \
    (const char *const[])                                                                                              \
    {                                                                                                                  \
        NULL                                                                                                           \
    }

/* What an environment says: "NAME=value" up to NULL, which is to outlive the answer. */
struct vs_said said_in(const char *const *environment);

/* Loads, compares what is said, and fails the test unless the result is `wanted`. */
struct vs_settings load_settings(const struct vs_said *said, int wanted, const char *expected);
/* The same, of what is right and says nothing. */
struct vs_settings load_environment(const char *const *environment);
/* The same, of what is wrong. */
void expect_refused(const char *const *environment, const char *expected);

/* Writes a policy file of its own, whose name goes into `path` (64 bytes); the caller removes it. */
void write_policy(char *path, const char *text);

/* Both texts, in `buffer`. */
const char *joined(char *buffer, const char *a, const char *b);

#endif
