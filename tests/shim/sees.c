/* sees.c: see sees.h. */
#include "sees.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"

const char *three_cards(void)
{
    static char path[] = "/tmp/vramspan-cards-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    cr_assert(file);
    fputs("peer-access: all\n"
          "devices:\n"
          "  - {name: Middle, memory: 2gb, capability: 7.5, pci: '0000:41:00.0'}\n"
          "  - {name: Last, memory: 3gb, capability: 8.9, pci: '0001:01:00.0'}\n"
          "  - {name: First, memory: 1gb, capability: 8.6, pci: '0000:01:00.0'}\n",
        file);
    fclose(file);
    return path;
}

void use_two_gpus(void)
{
    use_policy_text("version: 1\nmodels:\n  - {match: \"*.safetensors\", distorch: \"cuda:0,4mb;cuda:1,4mb;cpu,*\", "
                    "order: listed}\n");
}

int see(const char *variables, const char *steps, char output[8192])
{
    char command[1024];
    const char *way = getenv("SEES");
    setenv("VRAMSPAN_LOG", "warn", 0);
    snprintf(command, sizeof command, "env %s %s %s", variables, program(way ? way : "sees"), steps);
    return run(command, output);
}

void expect_seen(const char *variables, const char *steps, const char *expected)
{
    char output[8192];
    cr_expect_eq(see(variables, steps, output), 0, "%s %s: %s", variables, steps, output);
    cr_expect_str_eq(output, expected, "%s %s:\n%s", variables, steps, output);
}

const char *seen(const char *environment, const char *names, const char *shown)
{
    static char line[512];
    snprintf(line, sizeof line, "env=%s runtime=%s driver=%s shown=%s current=0\n", environment, names, names, shown);
    return line;
}
