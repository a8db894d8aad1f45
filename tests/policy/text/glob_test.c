/*
 * What is told about globs without a name at hand, judged by what fnmatch says about names.
 */
#include "../support.h"

#include "../../../policy/text/glob.h"

#include <fnmatch.h>
#include <string.h>

TestSuite(glob, .fini = expect_no_leaks);

static bool covers(const char *wider, const char *narrower)
{
    size_t steps = 1000000;
    return vs_glob_covers(wider, narrower, &steps);
}

Test(glob, one_that_takes_all_of_another_covers_it)
{
    static const char *const covered[][2] = {{"*", "*"}, {"*", ""}, {"*", "flux1-dev"}, {"*", "a*b?[cd]"},
        {"flux1-*", "flux1-dev*.safetensors"}, {"*norm*", "*.norm?.weight"}, {"?", "a"}, {"?", "[a-z]"},
        {"[a-z]", "[bc]"}, {"[!a]", "b"}, {"[!a]", "[b-d]"}, {"[^a-c]*", "[^a-d]x"}, {"a?*", "a*?"}, {"a*?b", "a?*b"},
        {"**", "a"}, {"a\\*", "a[*]"}, {"[[:digit:]]", "[[:digit:]]"}, {"?", "[[:digit:]]"}, {"*\xc3\xa4", "x\xc3\xa4"},
        {"*a*a*", "aa"}, {"*a*b*c*", "xxaxxbxxcxx"}, {"*ab", "aab"}, {"[]a]", "]"}, {"[a-]", "-"}, {"[", "\\["}};
    static const char *const others[][2] = {{"", "*"}, {"", "a"}, {"a*", "*"}, {"flux1-*", "flux*"}, {"?", "*"},
        {"?", "??"}, {"a", "[ab]"}, {"[a-c]", "?"}, {"[!a]", "?"}, {"[!a]", "[a-c]"}, {"a*b", "a*c"},
        {"*.sft", "*.safetensors"}, {"[[:digit:]]", "1"}, {"[[:digit:]]", "[[:alpha:]]"}, {"?", "\xc3\xa4"},
        {"??", "\xc3\xa4"}, {"[\xc3\xa4]", "\xc3"}, {"a\\*", "ab"}, {"*a*a*", "a"}, {"a?*", "a*"}};
    for (size_t i = 0; i < COUNT(covered); i++)
        cr_expect(covers(covered[i][0], covered[i][1]), "%s does not cover %s", covered[i][0], covered[i][1]);
    for (size_t i = 0; i < COUNT(others); i++)
        cr_expect_not(covers(others[i][0], others[i][1]), "%s covers %s", others[i][0], others[i][1]);
}

enum { GLOBS = 3000, LONGEST = 6 };

static void make_glob(char *glob, uint64_t *random)
{
    static const char *const pieces[] = {
        "a", "b", "]", "*", "*", "?", "[ab]", "[!a]", "[]b]", "[a-b]", "\\*", "\\a", "[", "-", "[b-a]", "[[:alpha:]]"};
    glob[0] = '\0';
    for (uint64_t count = next_random(random) % 5; count-- > 0;)
        strcat(glob, pieces[next_random(random) % COUNT(pieces)]);
}

/* The next text over a small alphabet, shorter ones first; false after the last one of LONGEST letters. */
static bool next_text(char *text)
{
    static const char letters[] = "ab]*-[";
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++) {
        const char *next = strchr(letters, text[i]) + 1;
        if (*next) {
            text[i] = *next;
            return true;
        }
        text[i] = letters[0];
    }
    if (length == LONGEST - 2)
        return false;
    text[length] = letters[0];
    text[length + 1] = '\0';
    return true;
}

/* A glob that is said to cover another matches every text that the other matches; and of pairs where no text of the
 * small alphabet stands against it, most are found. */
Test(glob, covering_agrees_with_fnmatch, .timeout = 300)
{
    uint64_t random = 11;
    size_t said = 0, possible = 0;
    for (int i = 0; i < GLOBS; i++) {
        char wider[64], narrower[64], text[LONGEST + 1] = "", against[LONGEST + 1] = "";
        bool found = false, matches = false;
        make_glob(wider, &random);
        make_glob(narrower, &random);
        do {
            bool fits = !fnmatch(narrower, text, 0);
            matches = matches || fits;
            if (fits && !found && fnmatch(wider, text, 0) != 0) {
                found = true;
                strcpy(against, text);
            }
        } while (next_text(text));
        bool is_covered = covers(wider, narrower);
        cr_assert(!is_covered || !found, "%s is said to cover %s, which matches %s", wider, narrower, against);
        if (matches && !strstr(wider, "[[:")) { /* of which the alphabet has too few to tell */
            said += is_covered;
            possible += !found;
        }
    }
    cr_expect_gt(said, possible * 8 / 10, "%zu of %zu", said, possible);
    cr_expect_gt(possible, (size_t)GLOBS / 40, "%zu", possible);
}

Test(glob, an_ending_that_fnmatch_finds_is_found, .timeout = 300)
{
    static const char *const endings[] = {"ab", "]"}, *const cases[] = {"ab", "Ab", "aB", "AB", "]"};
    uint64_t random = 12;
    size_t can = 0, cannot = 0;
    for (int i = 0; i < GLOBS; i++) {
        char glob[64], text[LONGEST + 4] = "";
        make_glob(glob, &random);
        bool told = vs_glob_can_end_in(glob, endings, COUNT(endings)), found = false;
        do {
            for (size_t k = 0; k < COUNT(cases); k++) {
                char whole[LONGEST + 4];
                strcpy(whole, text);
                strcat(whole, cases[k]);
                found = found || !fnmatch(glob, whole, 0);
            }
        } while (next_text(text));
        cr_assert(told || !found, "%s matches something with one of the endings", glob);
        /* The other way round, a text of the small alphabet is there, unless a bracket is empty or not looked into. */
        cr_assert(!told || found || strstr(glob, "[b-a]") || strstr(glob, "[[:"), "%s can end so?", glob);
        *(told ? &can : &cannot) += 1;
    }
    cr_expect_gt(can, 100);
    cr_expect_gt(cannot, 100);
}

Test(glob, endings_are_compared_in_any_case)
{
    static const char *const endings[] = {".sft", ".gguf"};
    static const char *const can[] = {"*", "x*", "*.SFT", "*.[sS]ft", "a.gg?f", "?*f"};
    static const char *const cannot[] = {"", "flux1-dev", "*.sf", "*.sftx", "sft", "*.bin", "?ft"};
    for (size_t i = 0; i < COUNT(can); i++)
        cr_expect(vs_glob_can_end_in(can[i], endings, COUNT(endings)), "%s", can[i]);
    for (size_t i = 0; i < COUNT(cannot); i++)
        cr_expect_not(vs_glob_can_end_in(cannot[i], endings, COUNT(endings)), "%s", cannot[i]);
}

Test(glob, flaws_are_found_with_their_place)
{
    static const struct {
        const char *glob;
        enum vs_glob_flaw flaw;
        size_t offset;
    } cases[] = {{"", VS_GLOB_SOUND, 0}, {"a*[b-c]?\\*", VS_GLOB_SOUND, 0}, {"[]]", VS_GLOB_SOUND, 0},
        {"[!]]", VS_GLOB_SOUND, 0}, {"[[:alpha:]]", VS_GLOB_SOUND, 0}, {"ab[cd", VS_GLOB_UNCLOSED, 2},
        {"[]", VS_GLOB_UNCLOSED, 0}, {"a]b[", VS_GLOB_UNCLOSED, 3}, {"x[b-a]", VS_GLOB_EMPTY_SET, 1},
        {"ab\\", VS_GLOB_CUT_OFF, 2}, {"ab\\\\", VS_GLOB_SOUND, 0}, {"[\xc3\xa4]", VS_GLOB_SOUND, 0}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t offset = 99;
        cr_expect_eq(vs_glob_flaw(cases[i].glob, &offset), cases[i].flaw, "%s", cases[i].glob);
        if (cases[i].flaw != VS_GLOB_SOUND)
            cr_expect_eq(offset, cases[i].offset, "%s: %zu", cases[i].glob, offset);
    }
    cr_expect_not(vs_glob_matches("ab\\", "ab\\"));
    cr_expect(vs_glob_matches("ab[cd", "ab[cd"));
    cr_expect_not(vs_glob_matches("x[b-a]", "xa"));
}

Test(glob, comparing_ends_when_its_steps_are_used_up)
{
    size_t steps = 10;
    cr_expect_not(vs_glob_covers("*aaaaaaaaaaaaaaaaaaaaaaaaaa", "*aaaaaaaaaaaaaaaaaaaaaaaaaaa", &steps));
    cr_expect_eq(steps, 0);
    steps = 1000;
    cr_expect(vs_glob_covers("*aaaa", "*aaaaa", &steps));
    cr_expect(steps > 0 && steps < 1000);
}
