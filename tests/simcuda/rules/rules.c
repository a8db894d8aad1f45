/* rules.c: reads SIMCUDA_WEAK; see rules.h. */
#include "rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool sim_rule_off[SIM_RULE_COUNT];

static const char *const names[SIM_RULE_COUNT] = {
#define RULE(name, sentence) #name,
#include "rules.def"
#undef RULE
};

static char unknown[64]; /* the first name that is no rule */

static void switch_off(const char *name, size_t length)
{
    for (size_t i = 0; i < SIM_RULE_COUNT; i++)
        if (strlen(names[i]) == length && memcmp(names[i], name, length) == 0) {
            sim_rule_off[i] = true;
            return;
        }
    if (unknown[0] == '\0')
        snprintf(unknown, sizeof unknown, "%.*s", (int)length, name);
}

__attribute__((constructor)) static void read_environment(void)
{
    const char *at = getenv("SIMCUDA_WEAK");

    while (at != NULL && *at != '\0') {
        size_t length = strcspn(at, ",");
        if (length > 0)
            switch_off(at, length);
        at += length + (at[length] == ',');
    }
}

bool sim_rules_understood(char *error, unsigned long error_bytes)
{
    if (unknown[0] != '\0')
        snprintf(error, error_bytes,
            "SIMCUDA_WEAK: there is no rule %s: the names are in tests/simcuda/rules/rules.def", unknown);
    return unknown[0] == '\0';
}
