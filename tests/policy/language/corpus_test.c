/*
 * The corpus of policies: in bad/ those that are refused, in warned/ those that are read with warnings, each with what
 * is said about it, word for word, in the file beside it; in good/ those that are read without a word.
 *
 * What is said is written for people: who changes a message makes the files anew (programs/policy_check.c says how),
 * and reads the difference.
 */
#include "../support.h"

#include "../../../policy/text/file.h"

#include <glob.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CORPUS SOURCE_ROOT "/tests/policy/"

TestSuite(corpus, .fini = expect_no_leaks);

/* Of a line that ends in a newline, or of the end. */
static int length_of_line(const char *line)
{
    return (int)strcspn(line, "\n");
}

/* Fails with the number of the first line that differs. */
static void compare(const char *name, const char *said, const char *stored)
{
    int line = 1;
    while (*said && *stored) {
        int a = length_of_line(said), b = length_of_line(stored);
        if (a != b || memcmp(said, stored, (size_t)a) != 0)
            break;
        said += a + (said[a] == '\n');
        stored += b + (stored[b] == '\n');
        line++;
    }
    cr_expect(!*said && !*stored, "%s: line %d of what is said is\n%.*s\nand in the .txt beside it\n%.*s", name, line,
        length_of_line(said), said, length_of_line(stored), stored);
}

static char *read_whole(const char *path, size_t *bytes)
{
    struct vs_diags diags = {0};
    char *text = NULL;
    cr_assert_eq(vs_file_read(path, "file", 1 << 20, &text, bytes, &diags), 0, "%s cannot be read", path);
    return text;
}

/* Reads a policy as its base name; what is said is the caller's. */
static char *read_policy(const char *path, struct vs_policy *policy, int *result)
{
    char copy[512];
    size_t bytes;
    struct vs_diags diags = {0};
    char *text = read_whole(path, &bytes);
    snprintf(copy, sizeof copy, "%s", path);
    *result = vs_policy_parse(basename(copy), text, bytes, policy, &diags);
    free(text);
    return rendered(&diags);
}

static void check_folder(const char *folder, size_t fewest, int wanted, bool with_messages)
{
    char pattern[512];
    glob_t files;
    snprintf(pattern, sizeof pattern, CORPUS "%s/*.yaml", folder);
    cr_assert_eq(glob(pattern, 0, NULL, &files), 0);
    cr_expect_geq(files.gl_pathc, fewest, "only %zu files in %s", files.gl_pathc, folder);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        struct vs_policy policy;
        int result;
        char *said = read_policy(files.gl_pathv[i], &policy, &result), *stored = NULL;
        cr_expect_eq(result, wanted, "%s is %s:\n%s", files.gl_pathv[i], result ? "refused" : "accepted", said);
        vs_policy_free(&policy);
        if (with_messages) {
            char path[512];
            size_t bytes;
            snprintf(path, sizeof path, "%.*s.txt", (int)strlen(files.gl_pathv[i]) - 5, files.gl_pathv[i]);
            stored = read_whole(path, &bytes);
            cr_expect(*stored, "%s is empty", path);
        }
        compare(files.gl_pathv[i], said, stored ? stored : "");
        free(stored);
        free(said);
    }
    globfree(&files);
}

Test(corpus, bad_policies_are_refused_with_the_words_that_are_stored_beside_them)
{
    check_folder("bad", 60, -1, true);
}

Test(corpus, policies_with_something_odd_are_read_with_the_warnings_that_are_stored_beside_them)
{
    check_folder("warned", 10, 0, true);
}

Test(corpus, good_policies_are_read_without_a_word)
{
    check_folder("good", 10, 0, false);
}

/* Each stored message belongs to a policy, and each diagnostic in it names that policy, says what to do about it, and
 * (but for those about the whole file) shows the line with a caret. */
Test(corpus, every_message_has_its_place_and_its_remedy)
{
    glob_t files;
    cr_assert_eq(glob(CORPUS "bad/*.txt", 0, NULL, &files), 0);
    cr_assert_eq(glob(CORPUS "warned/*.txt", GLOB_APPEND, NULL, &files), 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        char path[512];
        size_t bytes, places = 0, hints = 0, carets = 0, whole = 0;
        char *text = read_whole(files.gl_pathv[i], &bytes);
        snprintf(path, sizeof path, "%.*s.yaml", (int)strlen(files.gl_pathv[i]) - 4, files.gl_pathv[i]);
        FILE *policy = fopen(path, "r");
        cr_expect_not_null(policy, "%s is not there", path);
        fclose(policy);
        const char *name = basename(path);
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
            size_t blanks = strspn(line, " ");
            places += !strncmp(line, name, strlen(name));
            whole += !strncmp(line, name, strlen(name)) && !strncmp(line + strlen(name), ": ", 2);
            hints += !strncmp(line, "  hint: ", 8);
            carets += blanks >= 4 && !strcmp(line + blanks, "^");
        }
        cr_expect_gt(places, 0, "%s", path);
        cr_expect_eq(hints, places, "%s: %zu remedies for %zu diagnostics", path, hints, places);
        cr_expect_eq(carets, places - whole, "%s: %zu carets for %zu diagnostics", path, carets, places);
        free(text);
    }
    globfree(&files);
}
