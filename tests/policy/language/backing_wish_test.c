/*
 * --backends: which mechanisms may provide memory, and where.
 */
#include "../support.h"

#include "../../../policy/language/settings.h"

#include <stdlib.h>
#include <string.h>

TestSuite(backing_wish, .fini = expect_no_leaks);

static int load(const char *said, struct vs_settings *settings, const char *expected)
{
    struct vs_said all = {.options = {[VS_SETTING_BACKENDS] = *said ? said : NULL}};
    struct vs_diags diags = {0};
    int result = vs_settings_load(&all, settings, &diags);
    char *text = rendered(&diags);
    cr_expect_str_eq(text, expected, "%s: %s", said, text);
    free(text);
    return result;
}

/* "vmm|vmm|vmm,pinned": by place. */
static const char *backings_of(const struct vs_settings *settings)
{
    static char text[128];
    text[0] = '\0';
    for (int place = 0; place < VS_BACKING_PLACES; place++) {
        if (place > 0)
            strcat(text, "|");
        for (unsigned i = 0; i < settings->backings.places[place].count; i++) {
            if (i > 0)
                strcat(text, ",");
            strcat(text, vs_backing_kind_name(settings->backings.places[place].kinds[i]));
        }
    }
    return text;
}

Test(backing_wish, backings_are_chosen_in_order_or_left_out)
{
    static const struct {
        const char *said, *wanted; /* local|peer|host */
    } cases[] = {
        {"", "vmm|vmm|vmm,pinned"},
        {"vmm,pinned", "vmm|vmm|vmm,pinned"},
        {"pinned,vmm", "vmm|vmm|pinned,vmm"},
        {"pinned", "||pinned"},
        {"vmm", "vmm|vmm|vmm"},
        {"-vmm:peer", "vmm||vmm,pinned"},
        {"-vmm:host", "vmm|vmm|pinned"},
        {"-vmm:local,-vmm:host", "|vmm|pinned"},
        {"-pinned", "vmm|vmm|vmm"},
        {"-vmm", "||pinned"},
        {"vmm:peer, pinned:host", "|vmm|pinned"},
        {"vmm,-vmm:host", "vmm|vmm|"},
        {"-vmm:peer,vmm,pinned", "vmm||vmm,pinned"},
        {"vmm,vmm:host,pinned", "vmm|vmm|vmm,pinned"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct vs_settings settings;
        cr_expect_eq(load(cases[i].said, &settings, ""), 0);
        cr_expect_str_eq(backings_of(&settings), cases[i].wanted, "%s: %s", cases[i].said, backings_of(&settings));
        vs_settings_free(&settings);
    }
}

Test(backing_wish, a_backing_that_is_none_is_refused_with_what_where_and_what_to_do)
{
    static const struct {
        const char *said, *wanted; /* its first line, and the hint */
    } cases[] = {
        {"vm", "--backends:1:1: error: `vm` is no backing\n    vm\n    ^\n  hint: did you mean `vmm`?\n"},
        {"vmm,-pind", "--backends:1:6: error: `pind` is no backing\n    vmm,-pind\n         ^\n  hint: did you mean "
                      "`pinned`?\n"},
        {"-vmm:pear", "--backends:1:6: error: `pear` is no place of a backing\n    -vmm:pear\n         ^\n  hint: "
                      "did you mean `peer`?\n"},
        {"pinned:peer", "--backends:1:1: error: `pinned` cannot serve `peer`: it is memory of the host\n"
                        "    pinned:peer\n    ^\n  hint: write `pinned`, or `vmm:peer`\n"},
        {"vmm,vmm", "--backends:1:5: error: `vmm` is named twice\n    vmm,vmm\n        ^\n  hint: leave one of the "
                    "two out\n"},
        {"vmm,-vmm", "--backends:1:5: error: `-vmm` contradicts what stands before it\n    vmm,-vmm\n        ^\n"
                     "  hint: leave one of the two out\n"},
        {"vmm,", "--backends:1:5: error: a backing is missing here\n    vmm,\n        ^\n  hint: name them in order "
                 "(`vmm,pinned`), or what is not to be used behind a `-` (`-vmm:peer`); places are local, peer and "
                 "host\n"},
        {"-vmm,-pinned", "--backends:1:1: error: this leaves nothing that could provide memory\n    -vmm,-pinned\n"
                         "    ^\n  hint: name them in order (`vmm,pinned`), or what is not to be used behind a `-` "
                         "(`-vmm:peer`); places are local, peer and host\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct vs_settings settings;
        cr_expect_eq(load(cases[i].said, &settings, cases[i].wanted), -1);
    }
}
