/*
 * Sizes. Expected figures are written as arithmetic on powers of 1024.
 */
#include "../support.h"

#include "../../../policy/values/size.h"

#include <locale.h>
#include <string.h>

#define KB UINT64_C(1024)
#define MB (KB * 1024)
#define GB (MB * 1024)

TestSuite(size, .fini = expect_no_leaks);

Test(size, reads_every_documented_spelling)
{
    static const struct {
        const char *text;
        uint64_t bytes;
        bool has_unit;
    } cases[] = {
        {"600mb", 600 * MB, true}, {"8gb", 8 * GB, true}, {"8GiB", 8 * GB, true}, {"500m", 500 * MB, true},
        {"8192mb", 8 * GB, true}, {"8G", 8 * GB, true}, {"3k", 3 * KB, true}, {"3KB", 3 * KB, true},
        {"3kib", 3 * KB, true}, {"7b", 7, true}, {"2t", 2048 * GB, true}, {"2tb", 2048 * GB, true},
        {"1073741824", GB, false}, {"0", 0, false}, {"0mb", 0, true}, {"007mb", 7 * MB, true},
        {"2.5gb", 2 * GB + 512 * MB, true}, {"3.0g", 3 * GB, true}, {"5.gb", 5 * GB, true},
        {"0.1gb", 107374182, true}, /* 107374182.4 */
        {"0.5k", 512, true}, {"600 mb", 600 * MB, true},
        {"0.0000000000000000001t", 0, true}, /* more digits than are kept */
        {"18446744073709551615", UINT64_MAX, false}, {"17179869183gb", 17179869183 * GB, true}, /* 2^34 - 1 */
        {"16777215.5t", UINT64_MAX - (UINT64_C(1) << 39) + 1, true},                            /* 2^64 - 2^39 */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct vs_size size = {.bytes = 12345};
        size_t offset;
        cr_expect_eq(
            vs_size_parse(cases[i].text, strlen(cases[i].text), &size, &offset), VS_SIZE_OK, "%s", cases[i].text);
        cr_expect_eq(size.bytes, cases[i].bytes, "%s: %lu", cases[i].text, size.bytes);
        cr_expect_eq(size.has_unit, cases[i].has_unit, "%s", cases[i].text);
    }
}

Test(size, refuses_junk_and_says_where)
{
    static const struct {
        const char *text;
        enum vs_size_error error;
        size_t offset;
    } cases[] = {
        {"", VS_SIZE_EMPTY, 0},
        {"mb", VS_SIZE_NO_NUMBER, 0},
        {".5gb", VS_SIZE_NO_NUMBER, 0},
        {"+5gb", VS_SIZE_NO_NUMBER, 0},
        {" 5gb", VS_SIZE_NO_NUMBER, 0},
        {"-5gb", VS_SIZE_NEGATIVE, 0},
        {"5x", VS_SIZE_UNKNOWN_UNIT, 1},
        {"5gbb", VS_SIZE_UNKNOWN_UNIT, 1},
        {"5gigabytes", VS_SIZE_UNKNOWN_UNIT, 1},
        {"5gi", VS_SIZE_UNKNOWN_UNIT, 1},
        {"5bb", VS_SIZE_UNKNOWN_UNIT, 1},
        {"5bib", VS_SIZE_UNKNOWN_UNIT, 1},
        {"5 gb ", VS_SIZE_UNKNOWN_UNIT, 2},
        {"5e9", VS_SIZE_UNKNOWN_UNIT, 1},
        {"0x10", VS_SIZE_UNKNOWN_UNIT, 1},
        {"1,5gb", VS_SIZE_UNKNOWN_UNIT, 1},
        {"1.5.5gb", VS_SIZE_UNKNOWN_UNIT, 3},
        {"5g%", VS_SIZE_UNKNOWN_UNIT, 1},
        {"5%%", VS_SIZE_UNKNOWN_UNIT, 1},
        {"5%", VS_SIZE_PERCENT, 1},
        {"0.5", VS_SIZE_PART_OF_BYTE, 3},
        {"1.5b", VS_SIZE_PART_OF_BYTE, 3},
        {"18446744073709551616", VS_SIZE_TOO_LARGE, 0},
        {"17179869184gb", VS_SIZE_TOO_LARGE, 0}, /* 2^34 */
        {"99999999999999999999999999999999gb", VS_SIZE_TOO_LARGE, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct vs_size size = {.bytes = 12345};
        size_t offset = 99;
        enum vs_size_error error = vs_size_parse(cases[i].text, strlen(cases[i].text), &size, &offset);
        cr_expect_eq(error, cases[i].error, "%s: %d (%s)", cases[i].text, error, vs_size_error_text(error));
        cr_expect_eq(offset, cases[i].offset, "%s: %zu", cases[i].text, offset);
        cr_expect_eq(size.bytes, 12345, "%s", cases[i].text);
    }
}

Test(size, stops_at_the_given_length)
{
    struct vs_size size;
    size_t offset;
    cr_expect_eq(vs_size_parse("600mb;cpu", 3, &size, &offset), VS_SIZE_OK);
    cr_expect_eq(size.bytes, 600);
}

/* In a German locale strtod would stop at the point. The locale may not be installed; then this says nothing new. */
Test(size, does_not_ask_the_locale)
{
    struct vs_size size;
    size_t offset;
    setlocale(LC_ALL, "de_DE.UTF-8");
    cr_expect_eq(vs_size_parse("2.5gb", 5, &size, &offset), VS_SIZE_OK);
    cr_expect_eq(size.bytes, 2 * GB + 512 * MB);
}

Test(size, an_amount_is_a_size_or_a_part_of_the_whole)
{
    static const struct {
        const char *text;
        uint64_t whole_bytes, bytes;
    } cases[] = {
        {"8gb", 5, 8 * GB},
        {"40%", 1000, 400},
        {"0%", 1000, 0},
        {"100%", UINT64_MAX, UINT64_MAX},
        {"12.5 %", 1000, 125},
        {"33.3333333%", 3000000000, 999999999},
        {"33.33333339%", 3000000000, 999999999}, /* the eighth digit is dropped */
        {"100.0%", 7, 7},
        {"50%", UINT64_MAX, UINT64_MAX / 2},
        {"1%", 99, 0},
        {"007%", 100, 7},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct vs_amount amount;
        size_t offset;
        cr_expect_eq(
            vs_amount_parse(cases[i].text, strlen(cases[i].text), &amount, &offset), VS_SIZE_OK, "%s", cases[i].text);
        cr_expect_eq(vs_amount_bytes(&amount, cases[i].whole_bytes), cases[i].bytes, "%s: %lu", cases[i].text,
            vs_amount_bytes(&amount, cases[i].whole_bytes));
    }
}

Test(size, an_amount_is_at_most_the_whole)
{
    static const struct {
        const char *text;
        enum vs_size_error error;
    } cases[] = {{"101%", VS_SIZE_OVER_WHOLE}, {"100.000000000001%", VS_SIZE_OVER_WHOLE},
        {"18446744073709551615%", VS_SIZE_OVER_WHOLE}, {"18446744073709551616%", VS_SIZE_TOO_LARGE},
        {"-5%", VS_SIZE_NEGATIVE}, {"%", VS_SIZE_NO_NUMBER}, {"5 %%", VS_SIZE_UNKNOWN_UNIT}, {"", VS_SIZE_EMPTY}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct vs_amount amount;
        size_t offset;
        enum vs_size_error error = vs_amount_parse(cases[i].text, strlen(cases[i].text), &amount, &offset);
        cr_expect_eq(error, cases[i].error, "%s: %d (%s)", cases[i].text, error, vs_size_error_text(error));
    }
}
