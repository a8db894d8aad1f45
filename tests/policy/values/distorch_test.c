/*
 * DisTorch allocation strings: what is read, and every error with its place and hint.
 */
#include "../support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MB   (UINT64_C(1) << 20)
#define GB   (UINT64_C(1) << 30)
#define MORE "for example \"cuda:0,600mb;cuda:1,500mb;cpu,*\"\n"

static void expect_share(
    const struct vs_distorch *allocation, size_t i, const char *device, double bytes, bool wildcard)
{
    cr_assert_lt(i, allocation->count);
    const struct vs_distorch_share *share = &allocation->shares[i];
    cr_expect_eq(allocation->form, VS_DISTORCH_BYTES);
    cr_expect_str_eq(vs_device_format(share->device).text, device);
    cr_expect_eq(share->amount, bytes, "%s: %.0f", device, share->amount);
    cr_expect_eq(share->wildcard, wildcard, "%s", device);
}

TestSuite(distorch, .fini = expect_no_leaks);

Test(distorch, keeps_devices_in_the_order_written)
{
    struct vs_distorch allocation = expect_distorch("cuda:1,500mb;cuda:0,2.5gb;cpu,*", "");
    cr_expect_eq(allocation.count, 3);
    expect_share(&allocation, 0, "cuda:1", 500 * MB, false);
    expect_share(&allocation, 1, "cuda:0", 2 * GB + 512 * MB, false);
    expect_share(&allocation, 2, "cpu", 0, true);
}

Test(distorch, a_star_anywhere_makes_the_wildcard_and_its_number_is_ignored)
{
    static const char *const spellings[] = {"*", "5gb*", "*5gb", "5*gb", " * "};
    for (size_t i = 0; i < COUNT(spellings); i++) {
        char string[64];
        snprintf(string, sizeof string, "cuda:0,1gb;cuda:1,%s", spellings[i]);
        struct vs_distorch allocation = expect_distorch(string, "");
        cr_expect_eq(allocation.count, 2);
        expect_share(&allocation, 0, "cuda:0", GB, false);
        expect_share(&allocation, 1, "cuda:1", 0, true);
    }
}

Test(distorch, without_a_wildcard_cpu_takes_the_rest)
{
    struct vs_distorch allocation = expect_distorch("cuda:0,4gb;cuda:1,10gb", "");
    cr_expect_eq(allocation.count, 3);
    expect_share(&allocation, 0, "cuda:0", 4 * GB, false);
    expect_share(&allocation, 1, "cuda:1", 10 * GB, false);
    expect_share(&allocation, 2, "cpu", 0, true);
}

Test(distorch, without_a_wildcard_cpu_keeps_its_place_and_bytes_and_takes_the_rest_too)
{
    struct vs_distorch allocation = expect_distorch("cpu,2gb;cuda:1,1gb", "");
    cr_expect_eq(allocation.count, 2);
    expect_share(&allocation, 0, "cpu", 2 * GB, true);
    expect_share(&allocation, 1, "cuda:1", GB, false);
}

Test(distorch, a_wildcard_elsewhere_keeps_cpu_to_its_bytes)
{
    struct vs_distorch allocation = expect_distorch("cpu,2gb;cuda:0,*", "");
    cr_expect_eq(allocation.count, 2);
    expect_share(&allocation, 0, "cpu", 2 * GB, false);
    expect_share(&allocation, 1, "cuda:0", 0, true);
}

Test(distorch, blanks_and_a_last_semicolon_do_not_matter)
{
    struct vs_distorch allocation = expect_distorch("  cuda:0 , 600 mb ;\tcpu,*; ", "");
    cr_expect_eq(allocation.count, 2);
    expect_share(&allocation, 0, "cuda:0", 600 * MB, false);
    expect_share(&allocation, 1, "cpu", 0, true);
}

Test(distorch, a_wildcard_alone_is_in_bytes)
{
    struct vs_distorch allocation = expect_distorch("cuda:1,*", "");
    cr_expect_eq(allocation.count, 1);
    expect_share(&allocation, 0, "cuda:1", 0, true);
}

Test(distorch, beside_a_unit_a_plain_number_is_bytes_and_a_small_one_is_asked_about)
{
    struct vs_distorch allocation = expect_distorch("cuda:0,1gb;cuda:1,536870912", "");
    expect_share(&allocation, 1, "cuda:1", 512 * MB, false);
    allocation =
        expect_distorch("cuda:0,1gb;cuda:1,500", "string:1:19: warning: `500` has no unit and means 500 bytes\n"
                                                 "    cuda:0,1gb;cuda:1,500\n"
                                                 "                      ^\n"
                                                 "  hint: write `500mb` if megabytes are meant\n");
    expect_share(&allocation, 1, "cuda:1", 500, false);
}

Test(distorch, every_wrong_entry_is_reported_at_its_place)
{
    expect_distorch_errors("cuda:0 600mb;gpu:1,5gb;cuda:2,5qb;cuda:3,;,1gb",
        "string:1:1: error: `cuda:0 600mb` has no comma between device and bytes\n"
        "    cuda:0 600mb;gpu:1,5gb;cuda:2,5qb;cuda:3,;,1gb\n"
        "    ^\n"
        "  hint: write `device,bytes`, " MORE
        "string:1:14: error: `gpu:1` cannot be given memory: there is no device family of that name\n"
        "    cuda:0 600mb;gpu:1,5gb;cuda:2,5qb;cuda:3,;,1gb\n"
        "                 ^\n"
        "  hint: write `cuda:0`, `cuda:1`, ... for GPUs and `cpu` for host memory\n"
        "string:1:32: error: `5qb` is no size: the unit is not one of b, kb, mb, gb, tb (or kib, mib, gib, tib, or one "
        "letter)\n"
        "    cuda:0 600mb;gpu:1,5gb;cuda:2,5qb;cuda:3,;,1gb\n"
        "                                   ^\n"
        "  hint: write a number with a unit (`600mb`, `8gb`), or `*` for the rest of the model\n"
        "string:1:42: error: `` is no size: nothing is written there\n"
        "    cuda:0 600mb;gpu:1,5gb;cuda:2,5qb;cuda:3,;,1gb\n"
        "                                             ^\n"
        "  hint: write a number with a unit (`600mb`, `8gb`), or `*` for the rest of the model\n"
        "string:1:43: error: a device name is missing here\n"
        "    cuda:0 600mb;gpu:1,5gb;cuda:2,5qb;cuda:3,;,1gb\n"
        "                                              ^\n"
        "  hint: write `device,bytes`, " MORE);
}

Test(distorch, a_device_twice_and_a_second_wildcard_are_errors)
{
    expect_distorch_errors("cuda:0,1gb;cuda:0,2gb", "string:1:12: error: `cuda:0` is named twice\n"
                                                    "    cuda:0,1gb;cuda:0,2gb\n"
                                                    "               ^\n"
                                                    "  hint: name each device once, with the sum of its bytes\n");
    expect_distorch_errors("cuda:0,*;cpu,*",
        "string:1:14: error: two devices take the rest of the model: `cuda:0` and `cpu`\n"
        "    cuda:0,*;cpu,*\n"
        "                 ^\n"
        "  hint: leave the `*` with one of them and give the other its bytes\n");
}

Test(distorch, a_device_whose_value_is_wrong_still_counts_as_named)
{
    expect_distorch_errors("cuda:0,1gb;cpu,-1gb;cpu,*",
        "string:1:16: error: `-1gb` is no size: a size cannot be negative\n"
        "    cuda:0,1gb;cpu,-1gb;cpu,*\n"
        "                   ^\n"
        "  hint: write a number with a unit (`600mb`, `8gb`), or `*` for the rest of the model\n"
        "string:1:21: error: `cpu` is named twice\n"
        "    cuda:0,1gb;cpu,-1gb;cpu,*\n"
        "                        ^\n"
        "  hint: name each device once, with the sum of its bytes\n");
}

Test(distorch, an_empty_string_is_an_error)
{
    static const char *const strings[] = {"", "  ", ";;"};
    for (size_t i = 0; i < COUNT(strings); i++) {
        struct vs_source source = {.name = "string"};
        struct vs_diags diags = {0};
        struct vs_distorch allocation;
        cr_expect_eq(
            vs_distorch_read(strings[i], strlen(strings[i]), vs_place_of_file(&source), true, &allocation, &diags), -1);
        char *said = rendered(&diags);
        cr_expect_str_eq(said, "string: error: the allocation is empty\n  hint: give each device its bytes, " MORE);
        free(said);
    }
}

Test(distorch, the_number_of_devices_is_bounded_and_the_last_allowed_one_works)
{
    char string[1024] = "";
    for (int i = 0; i < VS_SHARES_MAX; i++)
        sprintf(string + strlen(string), "cuda:%d,1gb;", i);
    struct vs_distorch allocation = expect_distorch(string, "");
    cr_expect_eq(allocation.count, VS_SHARES_MAX + 1); /* and cpu, which is implied */
    expect_share(&allocation, VS_SHARES_MAX, "cpu", 0, true);
    strcat(string, "cpu,*");
    struct vs_diags diags = {0};
    struct vs_source source = {.name = "string"};
    cr_expect_eq(vs_distorch_read(string, strlen(string), vs_place_of_file(&source), true, &allocation, &diags), -1);
    char *said = rendered(&diags);
    cr_expect_str_eq(said,
        "string: error: more than 32 devices are named\n  hint: name the devices that matter; `cpu` takes the rest\n");
    free(said);
}

Test(distorch, a_text_without_end_is_read_to_its_length_and_may_hold_nuls)
{
    static const char string[] = "cuda:0,1gb\0;cpu,*";
    struct vs_source source = {.name = "string"};
    struct vs_diags diags = {0};
    struct vs_distorch allocation;
    cr_expect_eq(vs_distorch_read(string, sizeof string - 1, vs_place_of_file(&source), true, &allocation, &diags), -1);
    char *said = rendered(&diags);
    cr_expect_not_null(strstr(said, "`1gb\\x00` is no size"));
    free(said);
}
