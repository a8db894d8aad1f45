/*
 * The YAML under a policy: what of it is refused, text that is none, and texts made to cost time or memory.
 */
#include "support.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

TestSuite(yaml, .fini = expect_no_leaks);

Test(yaml, yaml_that_a_settings_file_does_not_need_is_refused)
{
    expect_policy_errors("version: &one 1\n",
        "p.yaml:1:10: error: anchors (`&name`) are not used in this file\n    version: &one 1\n             ^\n"
        "  hint: write the value out; if a text begins with `&`, put it in quotes\n");
    expect_policy_errors("version: 1\nmodels: [{match: *.safetensors, distorch: a}]\n",
        "p.yaml:2:18: error: this is not YAML: while scanning an alias, did not find expected alphabetic or numeric "
        "character\n"
        "    models: [{match: *.safetensors, distorch: a}]\n                     ^\n"
        "  hint: put a text that begins with `*` in quotes: \"*...\"\n");
    expect_policy_errors("version: *one\n",
        "p.yaml:1:10: error: aliases (`*name`) are not used in this file\n    version: *one\n             ^\n"
        "  hint: write the value out; if a text begins with `*`, put it in quotes: \"*.safetensors\"\n");
    expect_policy_errors("version: !!int 1\n",
        "p.yaml:1:10: error: tags (`!name`) are not used in this file\n    version: !!int 1\n             ^\n"
        "  hint: remove the tag; if a text begins with `!`, put it in quotes\n");
    expect_policy_errors("version: 1\nmodels: &all []\n",
        "p.yaml:2:9: error: anchors (`&name`) are not used in this file\n    models: &all []\n            ^\n"
        "  hint: write the value out; if a text begins with `&`, put it in quotes\n");
    expect_policy_errors("!!map {version: 1}\n",
        "p.yaml:1:1: error: tags (`!name`) are not used in this file\n    !!map {version: 1}\n    ^\n"
        "  hint: remove the tag; if a text begins with `!`, put it in quotes\n");
    expect_policy_errors("&a version: 1\n",
        "p.yaml:1:1: error: anchors (`&name`) are not used in this file\n    &a version: 1\n    ^\n"
        "  hint: write the value out; if a text begins with `&`, put it in quotes\n");
    expect_policy_errors("version: 1\n---\nversion: 1\n",
        "p.yaml:2:1: error: the file has more than one document\n    ---\n    ^\n"
        "  hint: remove the `---` line and what follows it\n");
    expect_policy_errors("%TAG ! tag:x,2000:\n---\nversion: 1\n",
        "p.yaml:1:1: error: tags are not used in this file\n    %TAG ! "
        "tag:x,2000:\n    ^\n  hint: remove the `%TAG` line\n");
    expect_policy_errors("version: \"1\\0\"\n",
        "p.yaml:1:10: error: a word contains the character NUL\n    version: \"1\\0\"\n             ^\n"
        "  hint: take the `\\0` out of it\n");
}

Test(yaml, text_that_is_not_yaml_is_refused_with_its_place)
{
    expect_policy_errors("version: 1\nmodels:\n\t- match: a\n",
        "p.yaml:3:1: error: this is not YAML: while scanning for the next token, found character that cannot start any "
        "token\n"
        "     - match: a\n    ^\n  hint: indent with spaces: YAML takes no tabs there\n");
    expect_policy_errors("version: 1\ncompute: \"cuda:0\n",
        "p.yaml:3:1: error: this is not YAML: while scanning a quoted scalar, found unexpected end of stream\n"
        "  hint: check the indentation, the quotes and the `: ` behind each key, here and just above\n");
    expect_policy_errors("version: 1\ncompute: \xff\n",
        "p.yaml:2:10: error: this is not YAML: invalid leading UTF-8 octet\n    compute: ?\n             ^\n"
        "  hint: save the file as plain UTF-8 text\n");
    expect_policy_errors("version: @1\n",
        "p.yaml:1:10: error: this is not YAML: while scanning for the next token, found character that cannot start "
        "any token\n"
        "    version: @1\n             ^\n  hint: put a text that begins with `@` in quotes: \"@...\"\n");
}

Test(yaml, an_empty_file_is_an_error_and_a_byte_order_mark_is_none)
{
    static const char said[] = "p.yaml: error: the policy is empty\n  hint: begin the file with `version: 1`\n";
    expect_policy_errors("", said);
    expect_policy_errors("# nothing\n", said);
    struct vs_policy policy = expect_policy("\xef\xbb\xbfversion: 1\n", "");
    vs_policy_free(&policy);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Texts made to cost time or memory: refused, each within two seconds of the CPU, also in a sanitised build. */
Test(yaml, hostile_texts_are_refused_quickly)
{
    static const struct {
        const char *head, *repeated;
        size_t times;
        const char *said;
    } cases[] = {
        {"", "[", 100000, "nested too deeply"},
        {"a: ", "{a: ", 100000, "nested too deeply"},
        {"", "- - - - - - - - - ", 10000, "nested too deeply"},
        {"models: [", "a, ", 340000, "too many entries"},
        {"", "a: b\n", 200000, "too many entries"},
        {"version: \"", "x", 1000000, "end of stream"},
        {"version: [\"", "x\", \"y", 100000, "too many entries"},
        {"", "a: b\n", 300000, "larger than 1048576 bytes"},
        {"", "? ", 300000, "a key must be a single word"},
        {"version: 1\nmodels: [{match: a, distorch: \"", "cpu,1gb;", 120000, "end of stream"},
        {"", "&a ", 300000, "anchors"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct vs_text text = {0};
        struct vs_diags diags = {0};
        struct vs_policy policy;
        vs_text_append(&text, cases[i].head, strlen(cases[i].head));
        for (size_t k = 0; k < cases[i].times; k++)
            vs_text_append(&text, cases[i].repeated, strlen(cases[i].repeated));
        double start = seconds();
        cr_expect_eq(vs_policy_parse("p.yaml", text.data, text.length, &policy, &diags), -1, "case %zu", i);
        cr_expect_lt(seconds() - start, 2.0, "case %zu took %f s", i, seconds() - start);
        char *said = rendered(&diags);
        cr_expect_not_null(strstr(said, cases[i].said), "case %zu: %s", i, said);
        free(said);
        vs_text_free(&text);
    }
}
