/*
 * The YAML under a policy: what of it is refused, text that is none, and texts made to cost time or memory.
 */
#include "../support.h"

#include "../../../policy/text/yaml_tree.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

TestSuite(yaml, .fini = expect_no_leaks);

/* With what else is wrong: a reader that gave up there would say less. */
Test(yaml, what_a_settings_file_does_not_need_is_refused_beside_the_other_errors)
{
    static const struct {
        const char *yaml, *said[3];
    } cases[] = {
        {"version: &one 1\nxyzzy: 1\n", {"p.yaml:1:10: error: anchors", "p.yaml:2:1: error: unknown key `xyzzy`"}},
        {"version: *one\nxyzzy: 1\n", {"p.yaml:1:10: error: aliases", "p.yaml:2:1: error: unknown key `xyzzy`"}},
        {"version: 1\n*one : 2\nxyzzy: 1\n", {"p.yaml:2:1: error: aliases", "p.yaml:3:1: error: unknown key `xyzzy`"}},
        {"version: !!int 1\nxyzzy: 1\n", {"p.yaml:1:10: error: tags", "p.yaml:2:1: error: unknown key `xyzzy`"}},
        {"version: 1\nmodels: &all [a]\n", {"p.yaml:2:9: error: anchors", "p.yaml:2:15: error: the model's section"}},
        {"version: 1\nmodels: *all\nxyzzy: 1\n", {"p.yaml:2:9: error: aliases", "p.yaml:3:1: error: unknown key"}},
        {"!!map {version: 1, a: b}\n", {"p.yaml:1:1: error: tags", "p.yaml:1:20: error: unknown key `a`"}},
        {"&a version: 1\nxyzzy: 1\n", {"p.yaml:1:1: error: anchors", "p.yaml:2:1: error: unknown key `xyzzy`"}},
        {"xyzzy: 1\nversion: 1\n---\nversion: 1\n",
            {"p.yaml:1:1: error: unknown key", "p.yaml:3:1: error: the file has"}},
        {"%TAG ! tag:x,2000:\n---\nversion: 1\na: b\n", {"p.yaml:1:1: error: tags", "p.yaml:4:1: error: unknown key"}},
        {"version: \"1\\0\"\na: b\n", {"p.yaml:1:10: error: a word contains the character NUL", "p.yaml:2:1: error"}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct vs_diags diags = {0};
        struct vs_policy policy;
        cr_expect_eq(vs_policy_parse("p.yaml", cases[i].yaml, strlen(cases[i].yaml), &policy, &diags), -1);
        cr_expect_eq(diags.error_count, 2, "%zu in %s", diags.error_count, cases[i].yaml);
        char *said = rendered(&diags);
        for (size_t k = 0; cases[i].said[k]; k++)
            cr_expect_not_null(strstr(said, cases[i].said[k]), "no %s in %s", cases[i].said[k], said);
        free(said);
    }
}

/* What no YAML reader of another kind takes for a text is no text here. */
Test(yaml, numbers_and_truth_values_are_no_text)
{
    static const struct {
        const char *word;
        bool is_text;
    } cases[] = {{"~", false}, {"null", false}, {"NULL", false}, {"nUll", true}, {"true", false}, {"False", false},
        {"yes", true}, {"on", true}, {"0", false}, {"-12", false}, {"+3", false}, {"12a", true}, {"1.5", false},
        {"1.", false}, {".5", false}, {".", true}, {"-", true}, {"-.", true}, {"1e3", false}, {"1e", true},
        {"1e+", true}, {"1.5E-3", false}, {"0x1F", false}, {"0x", true}, {"0xg", true}, {"0o17", false}, {"0o8", true},
        {"-0x1", true}, {".inf", false}, {"-.INF", false}, {".nan", false}, {".Inf*", true}, {"1_000", true},
        {"2026-01-01", true}, {"cuda:0", true}, {"1.2.3", true}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct vs_yaml_node node = {.text = (char *)cases[i].word, .length = strlen(cases[i].word)};
        cr_expect_eq(vs_yaml_is_text(&node), cases[i].is_text, "%s", cases[i].word);
        node.quoted = true;
        cr_expect(vs_yaml_is_text(&node));
    }
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
        {"version: \"", "x", 1000000, "the quote that opens here is not closed"},
        {"version: [\"", "x\", \"y", 100000, "too many entries"},
        {"", "a: b\n", 300000, "larger than 1048576 bytes"},
        {"", "? ", 300000, "a key must be a single word"},
        {"version: 1\nmodels: [{match: a, distorch: \"", "cpu,1gb;", 120000, "the quote that opens here is not closed"},
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
