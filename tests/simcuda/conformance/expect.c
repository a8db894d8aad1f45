/* expect.c: expectations of a check; the first that is not met ends its process. */
#include "expect.h"
#include "apart.h"
#include "conformance.h"

#include <stdio.h>
#include <string.h>

static const struct conformance_check *running;
static bool rules_required;

void expect_for(const struct conformance_check *check, bool require_rules)
{
    running = check;
    rules_required = require_rules;
}

/* What must fail can be proved to be noticed only where the check names a rule. */
static void require_rules(const char *call)
{
    char text[512];
    if (!rules_required || running->rules[0] != NULL)
        return;
    snprintf(text, sizeof text, "%s must not be, and the check names no rule of rules.def that it would miss", call);
    apart_fail(text);
}

static const char *error_name(int error)
{
    const char *name;
    return cuGetErrorName((CUresult)error, &name) == CUDA_SUCCESS ? name : cudaGetErrorName((cudaError_t)error);
}

static const char *base_name(const char *file)
{
    const char *slash = strrchr(file, '/');
    return slash ? slash + 1 : file;
}

void conformance_expect(int result, int expected, const char *call, const char *file, int line)
{
    if (expected != 0)
        require_rules(call);
    if (result == expected)
        return;
    char text[512];
    snprintf(text, sizeof text, "%s:%d: %s gave %d (%s), not %d (%s)", base_name(file), line, call, result,
        error_name(result), expected, error_name(expected));
    apart_fail(text);
}

void conformance_expect_failure(int result, const char *call, const char *file, int line)
{
    require_rules(call);
    if (result)
        return;
    char text[512];
    snprintf(text, sizeof text, "%s:%d: %s succeeded and must not", base_name(file), line, call);
    apart_fail(text);
}

void conformance_require(bool condition, const char *condition_text, const char *file, int line)
{
    if (condition)
        return;
    char text[512];
    snprintf(text, sizeof text, "%s:%d: not true: %s", base_name(file), line, condition_text);
    apart_fail(text);
}

void conformance_forbid(bool condition, const char *condition_text, const char *file, int line)
{
    require_rules(condition_text);
    if (!condition)
        return;
    char text[512];
    snprintf(text, sizeof text, "%s:%d: true and must not be: %s", base_name(file), line, condition_text);
    apart_fail(text);
}

void conformance_skip(const char *reason)
{
    apart_skip(reason);
}
