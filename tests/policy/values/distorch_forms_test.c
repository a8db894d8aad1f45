/*
 * DisTorch allocation strings: every form, what DisTorch2 reads differently, and what is refused.
 */
#include "../support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int read_allocation(const char *string, struct vs_distorch *allocation, struct vs_diags *diags)
{
    struct vs_source source = {.name = "string", .text = string, .bytes = strlen(string)};
    return vs_distorch_read(string, strlen(string), vs_place_at(&source, 0), true, allocation, diags);
}

static struct vs_distorch expect_read(const char *string, const char *expected)
{
    struct vs_diags diags = {0};
    struct vs_distorch allocation;
    int result = read_allocation(string, &allocation, &diags);
    char *said = rendered(&diags);
    cr_expect_str_eq(said, expected, "%s: was said\n%s", string, said);
    free(said);
    cr_assert_eq(result, 0, "refused: %s", string);
    return allocation;
}

static void expect_refused(const char *string, const char *expected)
{
    struct vs_diags diags = {0};
    struct vs_distorch allocation;
    cr_expect_eq(read_allocation(string, &allocation, &diags), -1, "accepted: %s", string);
    char *said = rendered(&diags);
    cr_expect_str_eq(said, expected, "%s: was said\n%s", string, said);
    free(said);
}

static void expect_amount(
    const struct vs_distorch *allocation, size_t i, const char *device, double amount, bool wildcard)
{
    cr_assert_lt(i, allocation->count);
    cr_expect_str_eq(vs_device_format(allocation->shares[i].device).text, device);
    cr_expect(allocation->shares[i].amount == amount, "%s: %a", device, allocation->shares[i].amount);
    cr_expect_eq(allocation->shares[i].wildcard, wildcard, "%s", device);
}

TestSuite(distorch_forms, .fini = expect_no_leaks);

Test(distorch_forms, ratios_are_parts_whatever_they_sum_up_to)
{
    struct vs_distorch allocation = expect_read("cuda:0,8%;cuda:1, 8.5 % ;cpu,4", "");
    cr_expect_eq(allocation.form, VS_DISTORCH_RATIO);
    cr_expect_eq(allocation.count, 3);
    expect_amount(&allocation, 0, "cuda:0", 8, false);
    expect_amount(&allocation, 1, "cuda:1", 8.5, false);
    expect_amount(&allocation, 2, "cpu", 4, false);
}

Test(distorch_forms, plain_numbers_are_fractions_of_the_devices)
{
    struct vs_distorch allocation = expect_read("cuda:0,0.1;cpu,.5;cuda:1,1e-3", "");
    cr_expect_eq(allocation.form, VS_DISTORCH_FRACTION);
    cr_expect_eq(allocation.count, 3);
    expect_amount(&allocation, 0, "cuda:0", 0.1, false);
    expect_amount(&allocation, 1, "cpu", 0.5, false);
    expect_amount(&allocation, 2, "cuda:1", 0.001, false);
}

Test(distorch_forms, a_fraction_above_one_is_asked_about)
{
    struct vs_distorch allocation =
        expect_read("cuda:0,4;cpu,0.5", "string:1:8: warning: `4` means 4 times the whole memory of `cuda:0`\n"
                                        "    cuda:0,4;cpu,0.5\n"
                                        "           ^\n"
                                        "  hint: write `4gb` if gigabytes are meant\n");
    expect_amount(&allocation, 0, "cuda:0", 4, false);
    expect_read("cuda:0,1;cpu,1.0", "");
}

/* As Python's float("0.3") * 1024 ** 3, which is no whole number. */
Test(distorch_forms, bytes_keep_what_a_double_keeps)
{
    struct vs_distorch allocation = expect_read("cuda:0,0.3gb;cuda:1,500 MB;cuda:2,7k;cpu,*", "");
    cr_expect_eq(allocation.form, VS_DISTORCH_BYTES);
    expect_amount(&allocation, 0, "cuda:0", 0.3 * (1 << 30), false);
    expect_amount(&allocation, 1, "cuda:1", 524288000, false);
    expect_amount(&allocation, 2, "cuda:2", 7168, false);
    expect_amount(&allocation, 3, "cpu", 0, true);
}

Test(distorch_forms, virtual_vram_names_compute_device_gigabytes_and_donors)
{
    struct vs_distorch allocation = expect_read("#cuda:1;4.5;cuda:0,cpu", "");
    cr_expect_eq(allocation.form, VS_DISTORCH_VIRTUAL);
    cr_expect(allocation.has_compute && vs_device_equal(allocation.compute, cuda(1)));
    cr_expect_eq(allocation.virtual_gb, 4.5);
    cr_expect_eq(allocation.count, 2);
    expect_amount(&allocation, 0, "cuda:0", INFINITY, false);
    expect_amount(&allocation, 1, "cpu", INFINITY, false);
    allocation = expect_read("#cuda:0;2;", "");
    cr_expect_eq(allocation.count, 1);
    expect_amount(&allocation, 0, "cpu", INFINITY, false);
}

Test(distorch_forms, an_allocation_wins_over_the_virtual_vram_behind_it)
{
    static const char *const strings[] = {"cuda:0,2gb;cpu,*#cuda:1", "cuda:0,2gb;cpu,*#cuda:1;4.0;cpu"};
    for (size_t i = 0; i < COUNT(strings); i++) {
        struct vs_distorch allocation = expect_read(strings[i], "");
        cr_expect_eq(allocation.form, VS_DISTORCH_BYTES);
        cr_expect(allocation.has_compute && vs_device_equal(allocation.compute, cuda(1)));
        cr_expect_eq(allocation.count, 2);
        expect_amount(&allocation, 0, "cuda:0", 0x1p31, false);
    }
    cr_expect_not(expect_read("cuda:0,2gb#", "").has_compute);
}

/* DisTorch2 finds the m of `mlu` and `mps` and takes 50 for bytes. */
Test(distorch_forms, letters_of_a_device_name_are_no_units_and_the_difference_is_told)
{
    expect_refused("mlu:0,50%;cpu,50%",
        "string:1:1: warning: DisTorch2 would have taken the string for bytes, since the name `mlu:0` has a letter of "
        "a unit in it; here the values are parts of the model\n"
        "    mlu:0,50%;cpu,50%\n"
        "    ^\n"
        "string:1:1: error: `mlu:0` cannot be given memory: this build places memory on CUDA devices and in host "
        "memory only\n"
        "    mlu:0,50%;cpu,50%\n"
        "    ^\n"
        "  hint: use `cuda:N` or `cpu`; other families cannot be mapped into a CUDA device's addresses\n");
    expect_refused("cpu,0.5;mps,0.5",
        "string:1:9: warning: DisTorch2 would have taken the string for bytes, since the name `mps` has a letter of "
        "a unit in it; here the values are fractions of the devices' memory\n"
        "    cpu,0.5;mps,0.5\n"
        "            ^\n"
        "string:1:9: error: `mps` cannot be given memory: this build places memory on CUDA devices and in host "
        "memory only\n"
        "    cpu,0.5;mps,0.5\n"
        "            ^\n"
        "  hint: use `cuda:N` or `cpu`; other families cannot be mapped into a CUDA device's addresses\n");
}

Test(distorch_forms, a_part_beside_bytes_is_bytes_as_in_distorch2_and_is_told)
{
    struct vs_distorch allocation =
        expect_read("cuda:0,1gb;cpu,50%", "string:1:16: warning: `50%` beside bytes means 50 bytes, as in DisTorch2\n"
                                          "    cuda:0,1gb;cpu,50%\n"
                                          "                   ^\n"
                                          "  hint: give all devices bytes, or all of them parts\n");
    expect_amount(&allocation, 1, "cpu", 50, true);
}

Test(distorch_forms, terabytes_are_read_and_the_difference_is_told)
{
    struct vs_distorch allocation =
        expect_read("cpu,1.5tb", "string:1:5: warning: DisTorch2 would have taken `1.5tb` for that many bytes\n"
                                 "    cpu,1.5tb\n"
                                 "        ^\n"
                                 "  hint: it knows gb, mb and kb: write `1536gb`\n");
    expect_amount(&allocation, 0, "cpu", 0x1.8p40, true);
}

Test(distorch_forms, a_star_is_refused_where_there_are_no_bytes)
{
    expect_refused("cuda:0,40%;cpu,*",
        "string:1:16: error: a `*` takes the rest of bytes; it cannot stand beside parts (`%`)\n"
        "    cuda:0,40%;cpu,*\n"
        "                   ^\n"
        "  hint: give every device its number, or all of them bytes, for example "
        "\"cuda:0,600mb;cuda:1,500mb;cpu,*\"\n");
    expect_refused("cuda:0,0.4;cpu,*",
        "string:1:16: error: a `*` takes the rest of bytes; it cannot stand beside fractions\n"
        "    cuda:0,0.4;cpu,*\n"
        "                   ^\n"
        "  hint: give every device its number, or all of them bytes, for example "
        "\"cuda:0,600mb;cuda:1,500mb;cpu,*\"\n");
}

Test(distorch_forms, what_is_no_number_is_refused)
{
    static const char *const values[] = {"", "x", "-1", "+1", "0x10", "inf", "nan", "1.2.3", "1e", "1,5", "1e999"};
    for (size_t i = 0; i < COUNT(values); i++) {
        for (int ratio = 0; ratio < 2; ratio++) {
            char string[64] = "cuda:0,";
            struct vs_diags diags = {0};
            struct vs_distorch allocation;
            strcat(strcat(strcat(string, values[i]), ratio ? "%" : ""), ";cpu,0.5");
            cr_expect_eq(read_allocation(string, &allocation, &diags), -1, "accepted: %s", string);
            char *said = rendered(&diags);
            cr_expect_not_null(strstr(said, "string:1:8: error: `"), "%s", said);
            cr_expect_not_null(strstr(said, "is no number"), "%s", said);
            free(said);
        }
    }
    expect_refused("cuda:0,0%;cpu,0%", "string:1:1: error: no device has a part of the model\n"
                                       "    cuda:0,0%;cpu,0%\n"
                                       "    ^\n"
                                       "  hint: give at least one device a part: \"cuda:0,40%;cpu,60%\"\n");
}

Test(distorch_forms, a_wrong_combined_form_is_refused_at_its_place)
{
    expect_refused("#", "string:1:2: error: neither an allocation nor virtual VRAM is given\n"
                        "    #\n"
                        "     ^\n"
                        "  hint: write `#compute device;gigabytes;donors`, for example \"#cuda:0;4.0;cpu\"\n");
    expect_refused("#cuda:0", "string:1:2: error: neither an allocation nor virtual VRAM is given\n"
                              "    #cuda:0\n"
                              "     ^\n"
                              "  hint: write `#compute device;gigabytes;donors`, for example \"#cuda:0;4.0;cpu\"\n");
    expect_refused("#cuda:0;4.0;cuda:0,cpu",
        "string:1:13: error: `cuda:0` is named as compute device and as donor\n"
        "    #cuda:0;4.0;cuda:0,cpu\n"
        "                ^\n"
        "  hint: take it out of the donors: what the compute device has is used anyway\n");
    expect_refused("#cuda:0;4gb;cpu,gpu,cpu",
        "string:1:9: error: `4gb` is no number of gigabytes\n"
        "    #cuda:0;4gb;cpu,gpu,cpu\n"
        "            ^\n"
        "  hint: write a plain number, for example \"#cuda:0;4.0;cpu\"\n"
        "string:1:17: error: `gpu` cannot be given memory: there is no device family of that name\n"
        "    #cuda:0;4gb;cpu,gpu,cpu\n"
        "                    ^\n"
        "  hint: write `cuda:0`, `cuda:1`, ... for GPUs and `cpu` for host memory\n"
        "string:1:21: error: `cpu` is named twice\n"
        "    #cuda:0;4gb;cpu,gpu,cpu\n"
        "                        ^\n"
        "  hint: name each device once, with the sum of its bytes\n");
}
