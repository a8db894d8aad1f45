/*
 * Diagnostics: rendering, bounds, hostile words; the text builder and the guess at a mistyped word under them.
 */
#include "../support.h"

#include "../../../policy/text/suggest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *said_at(const char *text, size_t line, size_t column)
{
    struct vs_source source = {.name = "f", .text = text, .bytes = strlen(text)};
    struct vs_diags diags = {0};
    vs_diag_add(&diags, VS_ERROR, (struct vs_place){&source, line, column}, "wrong");
    return rendered(&diags);
}

static void expect_at(const char *text, size_t line, size_t column, const char *expected)
{
    char *said = said_at(text, line, column);
    cr_expect_str_eq(said, expected);
    free(said);
}

TestSuite(diag, .fini = expect_no_leaks);

Test(diag, shows_the_line_and_a_caret_under_the_place)
{
    expect_at("one\ntwo\nthree", 2, 1, "f:2:1: error: wrong\n    two\n    ^\n");
    expect_at("one\ntwo\nthree", 3, 5, "f:3:5: error: wrong\n    three\n        ^\n");
    expect_at("one\ntwo\nthree", 3, 6, "f:3:6: error: wrong\n    three\n         ^\n"); /* behind the last letter */
    expect_at("one\r\ntwo\rthree", 3, 1, "f:3:1: error: wrong\n    three\n    ^\n");
    expect_at("one\ntwo", 2, 0, "f:2: error: wrong\n    two\n");
    expect_at("one\ntwo", 0, 0, "f: error: wrong\n");
    expect_at("one\n", 2, 1, "f:2:1: error: wrong\n"); /* an empty line shows nothing */
    expect_at("one\n", 9, 1, "f:9:1: error: wrong\n");
}

Test(diag, the_caret_counts_characters_not_bytes)
{
    expect_at("\xc3\xa4\xc3\xb6: x", 1, 5, "f:1:5: error: wrong\n    \xc3\xa4\xc3\xb6: x\n        ^\n");
}

Test(diag, a_tab_a_control_character_and_a_broken_byte_take_one_column)
{
    expect_at("\ta\x1b[31m\xff"
              "b",
        1, 9, "f:1:9: error: wrong\n     a?[31m?b\n            ^\n");
}

Test(diag, a_long_line_is_shown_around_the_place)
{
    char text[301];
    memset(text, 'a', 300);
    text[300] = '\0';
    text[249] = 'X';
    char *said = said_at(text, 1, 250);
    char *line = strchr(said, '\n') + 1, *caret = strchr(line, '^');
    cr_expect_lt(strcspn(line, "\n"), 120);
    cr_assert_not_null(caret);
    cr_expect_eq((size_t)(strchr(line, 'X') - line), (size_t)(caret - (strchr(line, '\n') + 1)));
    free(said);
}

Test(diag, hints_go_to_the_last_diagnostic_and_warnings_are_no_errors)
{
    struct vs_source source = {.name = "f"};
    struct vs_diags diags = {0};
    vs_diag_hint(&diags, "nobody's");
    vs_diag_add(&diags, VS_WARNING, vs_place_of_file(&source), "odd %d", 1);
    vs_diag_hint(&diags, "look %s", "here");
    vs_diag_add(&diags, VS_ERROR, vs_place_of_file(&source), "bad");
    cr_expect_eq(diags.error_count, 1);
    char *said = rendered(&diags);
    cr_expect_str_eq(said, "f: warning: odd 1\n  hint: look here\nf: error: bad\n");
    free(said);
}

Test(diag, a_list_is_bounded_and_counts_what_it_does_not_keep)
{
    struct vs_source source = {.name = "f"};
    struct vs_diags diags = {0};
    for (int i = 0; i < VS_DIAGS_MAX + 7; i++) {
        vs_diag_add(&diags, VS_ERROR, vs_place_of_file(&source), "number %d", i);
        vs_diag_hint(&diags, "hint %d", i);
    }
    cr_expect_eq(diags.count, VS_DIAGS_MAX);
    cr_expect_eq(diags.error_count, VS_DIAGS_MAX + 7);
    cr_expect_str_eq(diags.items[VS_DIAGS_MAX - 1].hint, "hint 49"); /* not that of one which was not kept */
    char *said = rendered(&diags);
    cr_expect_not_null(strstr(said, "\n7 further errors and warnings are not shown\n"));
    free(said);
}

/* However many warnings come first, the errors that make a reading fail are shown. */
Test(diag, an_error_takes_the_place_of_a_warning_in_a_full_list)
{
    struct vs_source source = {.name = "f"};
    struct vs_diags diags = {0};
    vs_diag_add(&diags, VS_ERROR, vs_place_of_file(&source), "first");
    for (int i = 0; i < VS_DIAGS_MAX; i++)
        vs_diag_add(&diags, VS_WARNING, vs_place_of_file(&source), "warning %d", i);
    vs_diag_add(&diags, VS_ERROR, vs_place_of_file(&source), "last");
    vs_diag_hint(&diags, "of the last");
    cr_expect_eq(diags.count, VS_DIAGS_MAX);
    cr_expect_eq(diags.error_count, 2);
    cr_expect_eq(diags.dropped, 2);
    cr_expect_str_eq(diags.items[0].message, "first");
    cr_expect_str_eq(diags.items[VS_DIAGS_MAX - 2].message, "warning 47");
    cr_expect_str_eq(diags.items[VS_DIAGS_MAX - 1].message, "last");
    cr_expect_str_eq(diags.items[VS_DIAGS_MAX - 1].hint, "of the last");
    vs_diags_free(&diags);
}

Test(diag, a_list_is_sorted_by_place_and_keeps_the_order_within_one)
{
    struct vs_source source = {.name = "f", .text = "ab\ncd\nef\n", .bytes = 9};
    static const size_t offsets[] = {6, 3, 7, 3, 0, 4};
    struct vs_diags diags = {0};
    for (size_t i = 0; i < COUNT(offsets); i++)
        vs_diag_add(&diags, VS_ERROR, vs_place_at(&source, offsets[i]), "%zu", i);
    vs_diags_sort(&diags, 1); /* the first belongs to another file */
    static const char expected[] = "041352";
    for (size_t i = 0; i < COUNT(offsets); i++)
        cr_expect_eq(diags.items[i].message[0], expected[i], "%zu: %s", i, diags.items[i].message);
    vs_diags_free(&diags);
}

TestSuite(text, .fini = expect_no_leaks);

Test(text, quotes_what_a_terminal_must_not_get)
{
    cr_expect_str_eq(vs_quote("plain", 5).text, "plain");
    cr_expect_str_eq(vs_quote("a\nb\x1b", 4).text, "a\\x0ab\\x1b");
    cr_expect_str_eq(vs_quote("\x80\xff", 2).text, "\\x80\\xff");
    cr_expect_str_eq(vs_quote("\xc3\xa4", 2).text, "\xc3\xa4");
    cr_expect_str_eq(vs_quote("\xc3\xa4", 1).text, "\\xc3");               /* cut in the middle */
    cr_expect_str_eq(vs_quote("\xc2\x9b", 2).text, "\\xc2\\x9b");          /* the C1 form of ESC [ */
    cr_expect_str_eq(vs_quote("\xe2\x80\xae", 3).text, "\\xe2\\x80\\xae"); /* right-to-left override */
    cr_expect_str_eq(vs_quote("\xed\xa0\x80", 3).text, "\\xed\\xa0\\x80"); /* a surrogate */
    cr_expect_str_eq(vs_quote("\xe4\xba\xbf", 3).text, "\xe4\xba\xbf");    /* a last byte at the top of its range */
    cr_expect_str_eq(vs_quote("\xe2\x80\x93", 3).text, "\xe2\x80\x93");    /* a dash, neighbour of what is escaped */
    char longer[200];
    memset(longer, 'x', sizeof longer);
    struct vs_quoted quoted = vs_quote(longer, sizeof longer);
    cr_expect_lt(strlen(quoted.text), sizeof quoted.text);
    cr_expect_str_eq(quoted.text + strlen(quoted.text) - 3, "...");
    for (size_t length = 80; length < 110; length++) { /* multi-byte characters at the edge of the buffer */
        memset(longer, 'x', length);
        memcpy(longer + length, "\xf0\x9f\x98\x80\x01", 5);
        cr_expect_lt(strlen(vs_quote(longer, length + 5).text), sizeof quoted.text);
    }
}

Test(text, counts_characters)
{
    cr_expect_eq(vs_utf8_count("abc", 3), 3);
    cr_expect_eq(vs_utf8_count("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9), 3);
    cr_expect_eq(vs_utf8_count("\xff\xfe", 2), 2);
}

TestSuite(source, .fini = expect_no_leaks);

Test(source, places_and_offsets_are_each_others_reverse)
{
    static const char text[] = "ab\n\xc3\xa4"
                               "c\r\nd\n\nlast";
    struct vs_source source = {.name = "f", .text = text, .bytes = sizeof text - 1};
    struct vs_cursor cursor = VS_CURSOR_START;
    for (size_t offset = 0; offset <= source.bytes; offset++) {
        if (offset == 4 || offset == 7) /* inside the two-byte letter, and inside CR LF */
            continue;
        struct vs_place place = vs_place_at(&source, offset);
        cr_expect_eq(vs_place_offset(place), offset, "%zu -> %zu:%zu", offset, place.line, place.column);
        cr_expect_eq(vs_cursor_seek(&cursor, place), offset, "%zu", offset);
    }
    cr_expect_eq(vs_place_at(&source, 5).line, 2);
    cr_expect_eq(vs_place_at(&source, 5).column, 2);
    cr_expect_eq(vs_place_at(&source, source.bytes).line, 5);
    cr_expect_eq(vs_cursor_seek(&cursor, vs_place_at(&source, 1)), 1);   /* backwards */
    cr_expect_eq(vs_place_offset((struct vs_place){&source, 1, 99}), 2); /* beyond its line */
    cr_expect_eq(vs_place_offset((struct vs_place){&source, 99, 1}), source.bytes);
}

TestSuite(suggest, .fini = expect_no_leaks);

Test(suggest, finds_the_nearest_word_and_none_where_all_are_far)
{
    static const char *const words[] = {"version", "compute", "on-error", "models"};
    static const struct {
        const char *word, *meant;
    } cases[] = {{"verison", "version"}, {"Version", "version"}, {"on_error", "on-error"}, {"onerror", "on-error"},
        {"model", "models"}, {"modles", "models"}, {"computer", "compute"}, {"compute_device", "compute"},
        {"On-Error-Do-This", "on-error"}, {"computexdevice", NULL}, {"xyz", NULL}, {"devices", NULL}, {"", NULL},
        {"a word that is much longer than any key there could be", NULL}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *meant = vs_suggest(cases[i].word, strlen(cases[i].word), words, COUNT(words));
        cr_expect_eq(!meant, !cases[i].meant, "%s: %s", cases[i].word, meant ? meant : "none");
        if (meant && cases[i].meant)
            cr_expect_str_eq(meant, cases[i].meant, "%s", cases[i].word);
    }
}

Test(suggest, counts_two_swapped_letters_as_one_edit)
{
    static const char *const words[] = {"bxxd", "abcd"};
    cr_expect_str_eq(vs_suggest("bacd", 4, words, COUNT(words)), "abcd");
}

Test(suggest, takes_words_up_to_its_longest)
{
    static const char *const words[] = {"a-word-of-exactly-forty-letters-for-a-key"};
    cr_assert_eq(strlen(words[0]), 41);
    cr_expect_null(vs_suggest(words[0], 41, words, 1));
    static const char *const shorter[] = {"a-word-of-exactly-forty-letters-for-akey"};
    cr_expect_not_null(vs_suggest("a-word-of-exactly-forty-letters-for-akex", 40, shorter, 1));
}

Test(diag, a_file_name_cannot_steer_the_terminal)
{
    struct vs_source source = {.name = "a\x1b[2J.yaml"};
    struct vs_diags diags = {0};
    vs_diag_add(&diags, VS_ERROR, vs_place_of_file(&source), "bad");
    char *said = rendered(&diags);
    cr_expect_str_eq(said, "a\\x1b[2J.yaml: error: bad\n");
    free(said);
}

Test(diag, a_long_path_is_shown_whole)
{
    char path[301], expected[400];
    memset(path, 'p', 300);
    path[299] = '\x1b'; /* far behind where other quotes are cut */
    path[300] = '\0';
    struct vs_source source = {.name = path};
    struct vs_diags diags = {0};
    vs_diag_add(&diags, VS_ERROR, vs_place_of_file(&source), "bad");
    char *said = rendered(&diags);
    snprintf(expected, sizeof expected, "%.299s\\x1b: error: bad\n", path);
    cr_expect_str_eq(said, expected);
    free(said);
}
