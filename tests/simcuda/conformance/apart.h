/* apart.h: runs a function in a child process and learns how it ended.
 *
 * Checks and measurements each get a process of their own: the parent never calls CUDA, which does not survive a fork,
 * and a child may leave CUDA in any state. The child writes text (why it failed, what it measured) into a pipe. */
#ifndef CONFORMANCE_APART_H
#define CONFORMANCE_APART_H

#define APART_SECONDS 60 /* a child that runs longer has failed */

enum apart_result { APART_PASSED, APART_FAILED, APART_SKIPPED };

struct apart_outcome {
    enum apart_result result;
    char text[65536]; /* what the child said, or why it has no end of its own */
};

/* Ends the program where no child can be made. */
void apart_run(void (*body)(const void *argument), const void *argument, struct apart_outcome *outcome);

/* In the child. A body that returns has passed. */
void apart_say(const char *text);
__attribute__((noreturn)) void apart_fail(const char *text);
__attribute__((noreturn)) void apart_skip(const char *text);
__attribute__((noreturn)) void apart_pass(const char *text);

#endif
