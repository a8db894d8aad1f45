/*
 * policy_check [--verdicts] FILE...: what is said about policies, as it is stored beside those of the corpus (files by
 * their base names); with --verdicts instead a line "accepted" or "refused" for each.
 *
 *     for f in tests/policy/{bad,warned}/NAME.yaml; do build/tests/programs/policy_check $f >${f%.yaml}.txt; done
 *
 * Exit status 0, or 1 where a file could not be opened.
 */
#include "../../../policy/language/policy.h"
#include "../../../policy/text/file.h"

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int count, char **arguments)
{
    bool verdicts = count > 1 && !strcmp(arguments[1], "--verdicts");
    for (int i = 1 + verdicts; i < count; i++) {
        char *text;
        size_t bytes;
        struct vs_diags diags = {0};
        struct vs_text said = {0};
        struct vs_policy policy;
        if (vs_file_read(arguments[i], "policy", 1 << 20, &text, &bytes, &diags))
            return 1;
        int result = vs_policy_parse(basename(arguments[i]), text, bytes, &policy, &diags);
        vs_diags_render(&diags, &said);
        if (verdicts)
            puts(result ? "refused" : "accepted");
        else if (said.data)
            fputs(said.data, stdout);
        vs_text_free(&said);
        vs_diags_free(&diags);
        vs_policy_free(&policy);
        free(text);
    }
    return 0;
}
