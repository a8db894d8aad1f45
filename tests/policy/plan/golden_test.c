/*
 * The 23 cases that DisTorch2 itself computed, letter by letter, however the tensors come; and that a planner which is
 * one letter off is told from one that is right.
 */
#include "../support.h"
#include "golden_cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(golden, .fini = expect_no_leaks);

#define CASES SOURCE_ROOT "/tests/policy/golden/cases.json"

Test(golden, every_case_comes_out_to_the_letter_however_the_tensors_come)
{
    for (int source = 0; source < GOLDEN_SOURCES; source++) {
        struct vs_text said = {0};
        size_t count, right = golden_run(CASES, (enum golden_source)source, true, 20 + (uint64_t)source, &said, &count);
        cr_expect_eq(count, 23);
        cr_expect_eq(right, 23, "source %d:\n%s", source, said.data);
        vs_text_free(&said);
    }
}

/* Copies the cases with one text replaced, beside a link to the models. */
static void expect_wrong(const char *from, const char *to, const char *expected)
{
    char folder[] = "/tmp/golden-XXXXXX", path[64], models[64];
    cr_assert_not_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/cases.json", folder);
    snprintf(models, sizeof models, "%s/models", folder);
    cr_assert_eq(symlink(SOURCE_ROOT "/tests/policy/golden/models", models), 0);
    char *text = calloc(1, 1 << 20);
    FILE *in = fopen(CASES, "r"), *out = fopen(path, "w");
    cr_assert(in && out && text);
    fread(text, 1, (1 << 20) - 1, in);
    char *found = strstr(text, from);
    cr_assert_not_null(found);
    cr_assert_eq(strlen(from), strlen(to));
    memcpy(found, to, strlen(to));
    fputs(text, out);
    fclose(in);
    fclose(out);
    struct vs_text said = {0};
    size_t count, right = golden_run(path, GOLDEN_MODULES, false, 1, &said, &count);
    cr_expect_eq(right, 22);
    cr_expect_not_null(strstr(said.data, expected), "%s", said.data);
    vs_text_free(&said);
    free(text);
    unlink(path);
    unlink(models);
    rmdir(folder);
}

Test(golden, one_wrong_letter_or_total_is_found)
{
    expect_wrong("bbbaabaaababbabaaababbabaaababbabaaababb", "bbbaabaaababbabaaababbabaaababbabaaababa",
        "case 1: module 39, double_blocks.1.txt_attn.norm.key_norm: on cuda:0 and not on cpu");
    expect_wrong("2703681664", "2703681665", "case 1: cuda:0 has 303 modules and 2703681664 bytes");
}
