/*
 * Every policy in examples/ is read without a word. Whether the plans in their comments are true, tests/tools asks.
 */
#include "../support.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(examples, .fini = expect_no_leaks);

Test(examples, every_file_is_read_without_a_word)
{
    glob_t files;
    cr_assert_eq(glob(SOURCE_ROOT "/examples/*.yaml", 0, NULL, &files), 0);
    cr_expect_geq(files.gl_pathc, 7);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        struct vs_diags diags = {0};
        struct vs_policy policy;
        int result = vs_policy_load(files.gl_pathv[i], &policy, &diags);
        char *said = rendered(&diags);
        cr_expect_str_eq(said, "");
        free(said);
        cr_assert_eq(result, 0);
        cr_expect_gt(policy.section_count, 0, "%s names no model", files.gl_pathv[i]);
        vs_policy_free(&policy);
    }
    globfree(&files);
}
