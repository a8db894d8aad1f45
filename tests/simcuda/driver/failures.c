/* failures.c: see failures.h.
 *
 *     SIMCUDA_FAIL=cuMemCreate:17                    the 17th call returns CUDA_ERROR_OUT_OF_MEMORY
 *     SIMCUDA_FAIL=cuMemMap:1:INVALID_VALUE,cuMemAlloc:3:2
 */
#include "failures.h"
#include "api.h"
#include "errors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAILURE_COUNT 64

static struct failure {
    unsigned api, left; /* left = 0: a free slot */
    CUresult result;
} failures[FAILURE_COUNT];
static unsigned pending;
static bool environment_read;

bool sim_failure_set(const char *symbol, unsigned n, CUresult result)
{
    int api = sim_api_find(symbol);
    struct failure *slot = NULL;

    if (api < 0)
        return false;
    for (int i = 0; i < FAILURE_COUNT; i++) {
        struct failure *failure = &failures[i];
        if (n == 0 && failure->left > 0 && failure->api == (unsigned)api) {
            failure->left = 0;
            pending--;
        }
        if (slot == NULL && failure->left == 0)
            slot = failure;
    }
    if (n == 0)
        return true;
    if (slot == NULL)
        return false;
    *slot = (struct failure){(unsigned)api, n, result};
    pending++;
    return true;
}

static bool parse_one(char *text)
{
    char *colon = strchr(text, ':'), *end;
    CUresult result = CUDA_ERROR_OUT_OF_MEMORY;
    unsigned long n;

    if (colon == NULL)
        return false;
    *colon = '\0';
    n = strtoul(colon + 1, &end, 10);
    if (end == colon + 1 || n == 0)
        return false;
    if (*end == ':')
        return sim_error_parse(end + 1, &result) && sim_failure_set(text, (unsigned)n, result);
    return *end == '\0' && sim_failure_set(text, (unsigned)n, result);
}

static void read_environment(void)
{
    const char *text = getenv("SIMCUDA_FAIL");
    char *copy = text != NULL ? strdup(text) : NULL, *save = NULL;

    environment_read = true;
    for (char *part = copy != NULL ? strtok_r(copy, ",", &save) : NULL; part != NULL;
         part = strtok_r(NULL, ",", &save)) {
        char shown[128];
        snprintf(shown, sizeof shown, "%s", part);
        if (!parse_one(part))
            sim_say("SIMCUDA_FAIL: `%s` is not understood: function:n or function:n:result is expected, with a "
                    "simulated driver function, n from 1, and a CUresult as number or name",
                shown);
    }
    free(copy);
}

CUresult sim_failure_due(unsigned api)
{
    CUresult result = CUDA_SUCCESS;

    if (!environment_read)
        read_environment();
    for (int i = 0; pending > 0 && i < FAILURE_COUNT; i++) {
        struct failure *failure = &failures[i];
        if (failure->left > 0 && failure->api == api && --failure->left == 0) {
            pending--;
            result = failure->result;
        }
    }
    return result;
}
