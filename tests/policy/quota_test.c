/*
 * The placing rule and its table. Where it matters, figures are those that DisTorch itself gives (facts of its
 * behaviour: each device at most what is left, the wildcard the rest).
 */
#include "support.h"

#include "../../policy/summary.h"

#include <stdlib.h>
#include <string.h>

#define MB (UINT64_C(1) << 20)

static struct vs_quota quota_of(const char *string, uint64_t total_bytes, struct vs_device_id compute)
{
    struct vs_shares shares = expect_distorch(string, "");
    struct vs_quota quota;
    vs_quota_init(&quota, &shares, total_bytes, compute);
    return quota;
}

/* What an entry may still take in turn. */
static uint64_t remaining(const struct vs_quota *quota, size_t entry)
{
    const struct vs_quota_entry *e = &quota->entries[entry];
    return e->dropped || e->taken_bytes >= e->allowance_bytes ? 0 : e->allowance_bytes - e->taken_bytes;
}

/* The device that the next allocation goes to. */
static const char *take(struct vs_quota *quota, uint64_t bytes)
{
    static struct vs_device_name name;
    name = vs_device_format(quota->entries[vs_quota_take(quota, bytes)].device);
    return name.text;
}

static uint64_t planned(const struct vs_quota *quota, struct vs_device_id device)
{
    for (size_t i = 0; i < quota->count; i++)
        if (vs_device_equal(quota->entries[i].device, device))
            return quota->entries[i].planned_bytes;
    return UINT64_MAX;
}

TestSuite(quota, .fini = expect_no_leaks);

Test(quota, devices_plan_their_bytes_in_order_and_the_wildcard_the_rest)
{
    struct vs_quota quota = quota_of("cuda:0,600mb;cuda:1,500mb;cpu,*", 1719041928, cuda(0));
    cr_expect_eq(quota.count, 3);
    cr_expect_eq(planned(&quota, cuda(0)), 600 * MB);
    cr_expect_eq(planned(&quota, cuda(1)), 500 * MB);
    cr_expect_eq(planned(&quota, cpu_device), 1719041928 - 1100 * MB);
    quota = quota_of("cuda:0,600mb;cuda:1,500mb;cpu,*", 700 * MB, cuda(0)); /* at most what is left */
    cr_expect_eq(planned(&quota, cuda(0)), 600 * MB);
    cr_expect_eq(planned(&quota, cuda(1)), 100 * MB);
    cr_expect_eq(planned(&quota, cpu_device), 0);
    quota = quota_of("cuda:1,*;cuda:0,1gb", 3072 * MB, cuda(0)); /* a wildcard written first takes the rest only */
    cr_expect_eq(planned(&quota, cuda(1)), 2048 * MB);
    cr_expect_eq(planned(&quota, cuda(0)), 1024 * MB);
    quota = quota_of("cpu,2gb;cuda:1,2gb", 3072 * MB, cuda(0)); /* cpu has its turn, and the rest */
    cr_expect_eq(planned(&quota, cpu_device), 2048 * MB);
    cr_expect_eq(planned(&quota, cuda(1)), 1024 * MB);
    quota = quota_of("cpu,2gb;cuda:1,2gb", 5120 * MB, cuda(0));
    cr_expect_eq(planned(&quota, cpu_device), 3072 * MB);
    cr_expect_eq(quota.count, 3);
    cr_expect(vs_device_equal(quota.entries[quota.compute].device, cuda(0)));           /* though it was not written */
    quota = quota_of("cuda:0,17179869183gb;cuda:1,17179869183gb", UINT64_MAX, cuda(0)); /* nothing wraps around */
    cr_expect_eq(planned(&quota, cuda(1)), UINT64_MAX - 17179869183 * 1024 * MB);
}

Test(quota, an_allocation_goes_to_the_first_device_that_holds_it)
{
    struct vs_quota quota = quota_of("cuda:0,100b;cuda:1,50b;cpu,*", 1000, cuda(0));
    cr_expect_str_eq(take(&quota, 60), "cuda:0");
    cr_expect_str_eq(take(&quota, 41), "cuda:1"); /* 40 are left on cuda:0 */
    cr_expect_str_eq(take(&quota, 40), "cuda:0"); /* exactly what is left there */
    cr_expect_str_eq(take(&quota, 10), "cpu");    /* cuda:1 has 9 */
    cr_expect_str_eq(take(&quota, 9), "cuda:1");
    cr_expect_str_eq(take(&quota, 1), "cpu");
    cr_expect_str_eq(take(&quota, 5000), "cpu"); /* a wildcard holds anything */
    cr_expect_eq(quota.entries[0].taken_bytes, 100);
    cr_expect_eq(quota.entries[0].taken_count, 2);
    cr_expect_eq(quota.entries[1].taken_bytes, 50);
    cr_expect_eq(quota.entries[2].taken_bytes, 5011);
    cr_expect_eq(quota.entries[2].taken_count, 3);
}

Test(quota, a_wildcard_written_first_is_asked_last)
{
    struct vs_quota quota = quota_of("cuda:1,*;cuda:0,100b", 1000, cuda(0));
    cr_expect_str_eq(take(&quota, 100), "cuda:0");
    cr_expect_str_eq(take(&quota, 100), "cuda:1");
}

Test(quota, cpu_without_a_star_takes_its_bytes_in_turn_and_then_the_rest)
{
    struct vs_quota quota = quota_of("cpu,100b;cuda:1,50b", 1000, cuda(0));
    cr_expect_str_eq(take(&quota, 100), "cpu");
    cr_expect_str_eq(take(&quota, 50), "cuda:1");
    cr_expect_str_eq(take(&quota, 50), "cpu");
}

Test(quota, what_is_given_back_can_be_taken_again)
{
    struct vs_quota quota = quota_of("cuda:0,100b;cpu,*", 1000, cuda(0));
    cr_expect_str_eq(take(&quota, 100), "cuda:0");
    vs_quota_give_back(&quota, 0, 100);
    cr_expect_eq(quota.entries[0].taken_count, 0);
    cr_expect_eq(remaining(&quota, 0), 100);
    cr_expect_str_eq(take(&quota, 70), "cuda:0");
    cr_expect_str_eq(take(&quota, 900), "cpu");
    vs_quota_give_back(&quota, 1, 900);
    cr_expect_eq(quota.entries[1].taken_bytes, 0);
}

Test(quota, a_donor_that_cannot_be_mapped_passes_its_rest_to_the_next_one)
{
    struct vs_quota quota = quota_of("cuda:1,100b;cuda:0,30b;cuda:2,50b;cpu,*", 1000, cuda(0));
    cr_expect_str_eq(take(&quota, 40), "cuda:1");
    cr_expect_eq(vs_quota_pass_on(&quota, 0), 2); /* cuda:2, not the compute device between them */
    cr_expect_eq(remaining(&quota, 0), 0);
    cr_expect_eq(remaining(&quota, 1), 30);
    cr_expect_eq(remaining(&quota, 2), 110); /* 50 and the 60 that were left */
    cr_expect_str_eq(take(&quota, 110), "cuda:2");
    cr_expect_str_eq(take(&quota, 1), "cuda:0");  /* not cuda:1 */
    cr_expect_eq(vs_quota_pass_on(&quota, 2), 3); /* nothing is left to pass on, but it is dropped */
    cr_expect_str_eq(take(&quota, 60), "cpu");
    cr_expect_eq(planned(&quota, cuda(1)), 100); /* the plan stays what it was */
}

Test(quota, at_last_cpu_is_added)
{
    struct vs_quota quota = quota_of("cuda:1,100b;cuda:0,*", 1000, cuda(0));
    cr_expect_eq(quota.count, 2);
    size_t heir = vs_quota_pass_on(&quota, 0);
    cr_expect_eq(heir, 2);
    cr_expect(vs_device_equal(quota.entries[heir].device, cpu_device));
    cr_expect_str_eq(take(&quota, 100), "cpu");
    cr_expect_str_eq(take(&quota, 1), "cuda:0"); /* cpu got the bytes, not the star */
}

Test(quota, cpu_before_its_donor_inherits_too)
{
    struct vs_quota quota = quota_of("cpu,10b;cuda:1,100b;cuda:0,*", 1000, cuda(0));
    cr_expect_eq(vs_quota_pass_on(&quota, 1), 0);
    cr_expect_eq(remaining(&quota, 0), 110);
}

Test(quota, a_wildcard_that_cannot_be_mapped_passes_the_star_on)
{
    struct vs_quota quota = quota_of("cuda:0,10b;cuda:1,*", 1000, cuda(0));
    size_t heir = vs_quota_pass_on(&quota, 1);
    cr_expect(vs_device_equal(quota.entries[heir].device, cpu_device));
    cr_expect_str_eq(take(&quota, 11), "cpu");
    cr_expect_str_eq(take(&quota, 100000), "cpu");
    cr_expect_str_eq(take(&quota, 10), "cuda:0");
}

Test(quota, without_any_donor_everything_goes_to_the_compute_device)
{
    struct vs_quota quota = quota_of("cuda:1,100b;cpu,*", 1000, cuda(0));
    cr_expect_eq(vs_quota_pass_on(&quota, 0), 1);
    cr_expect_eq(vs_quota_pass_on(&quota, 1), VS_QUOTA_NOWHERE);
    cr_expect_eq(vs_quota_pass_on(&quota, quota.compute), VS_QUOTA_NOWHERE);
    cr_expect_str_eq(take(&quota, 50), "cuda:0");
    cr_expect_not(quota.entries[quota.compute].dropped);
}

/* Two threads took from a donor before either saw that it fails. */
Test(quota, what_a_second_loser_gives_back_is_passed_on_too)
{
    struct vs_quota quota = quota_of("cuda:1,100b;cuda:2,5b;cpu,*", 1000, cuda(0));
    cr_expect_str_eq(take(&quota, 60), "cuda:1");
    cr_expect_str_eq(take(&quota, 40), "cuda:1");
    vs_quota_give_back(&quota, 0, 60);
    cr_expect_eq(vs_quota_pass_on(&quota, 0), 1);
    cr_expect_eq(remaining(&quota, 1), 65);
    vs_quota_give_back(&quota, 0, 40);
    cr_expect_eq(vs_quota_pass_on(&quota, 0), 1);
    cr_expect_eq(remaining(&quota, 1), 105);
    cr_expect_eq(quota.entries[0].taken_bytes, 0);
    cr_expect_eq(vs_quota_pass_on(&quota, 0), 1); /* once more changes nothing */
    cr_expect_eq(remaining(&quota, 1), 105);
}

/* Many allocations at random: bounded devices never exceed their bytes, and nothing gets lost. */
Test(quota, no_bounded_device_ever_exceeds_its_allowance)
{
    uint64_t seed = 20240601;
    for (int round = 0; round < 200; round++) {
        struct vs_quota quota = quota_of("cuda:0,5000b;cuda:1,7000b;cuda:2,300b;cpu,*", 20000, cuda(0));
        uint64_t sum = 0, count = 0;
        for (int i = 0; i < 300; i++) {
            uint64_t bytes = next_random(&seed) % 400 + 1;
            size_t entry = vs_quota_take(&quota, bytes);
            if (next_random(&seed) % 4 == 0) {
                vs_quota_give_back(&quota, entry, bytes);
                if (entry != quota.compute && entry != 3 && next_random(&seed) % 20 == 0)
                    cr_assert_neq(vs_quota_pass_on(&quota, entry), VS_QUOTA_NOWHERE);
            } else {
                sum += bytes;
                count++;
            }
        }
        uint64_t taken = 0, taken_count = 0, allowed = 0;
        for (size_t i = 0; i < quota.count; i++) {
            taken += quota.entries[i].taken_bytes;
            taken_count += quota.entries[i].taken_count;
            allowed += quota.entries[i].allowance_bytes;
            if (!quota.entries[i].wildcard)
                cr_assert_leq(quota.entries[i].taken_bytes, quota.entries[i].allowance_bytes);
        }
        cr_assert_eq(taken, sum);
        cr_assert_eq(taken_count, count);
        cr_assert_eq(allowed, 12300);
    }
}

static void expect_summary(const struct vs_summary *summary, const char *expected)
{
    struct vs_text text = {0};
    vs_summary_render(summary, &text);
    cr_expect_str_eq(text.data, expected);
    vs_text_free(&text);
}

TestSuite(summary, .fini = expect_no_leaks);

Test(summary, shows_planned_beside_real_bytes)
{
    struct vs_quota quota = quota_of("cuda:0,600mb;cuda:1,500mb;cpu,*", 1640 * MB, cuda(0));
    for (int i = 0; i < 20; i++)
        vs_quota_take(&quota, 50 * MB + 12345);
    struct vs_summary summary = {.model_name = "v1-5.safetensors", .tensor_count = 686, .quota = &quota};
    /* 50 MiB and 12345 bytes: 11 fit into 600 MB, 9 into 500 MB. 12345 bytes are 0.01177 MB. */
    expect_summary(&summary, "v1-5.safetensors: 686 tensors, 1640.00 MB\n"
                             "Device              Layers    Memory (MB)    % Total   Planned (MB)\n"
                             "-------------------------------------------------------------------\n"
                             "cuda:0                  11         550.13      33.5%         600.00\n"
                             "cuda:1                   9         450.11      27.4%         500.00\n"
                             "cpu                      0           0.00       0.0%         540.00\n"
                             "-------------------------------------------------------------------\n"
                             "not placed             666         639.76      39.0%\n");
}

Test(summary, leaves_out_devices_that_have_no_part_and_shows_dropped_ones)
{
    struct vs_quota quota = quota_of("cuda:1,10mb;cuda:2,10mb", 10 * MB, cuda(0));
    struct vs_summary summary = {.model_name = "a\x1b", .tensor_count = 1, .quota = &quota};
    vs_quota_pass_on(&quota, 0);
    vs_quota_take(&quota, 10 * MB);
    expect_summary(&summary, "a\\x1b: 1 tensors, 10.00 MB\n"
                             "Device              Layers    Memory (MB)    % Total   Planned (MB)\n"
                             "-------------------------------------------------------------------\n"
                             "cuda:1                   0           0.00       0.0%          10.00\n"
                             "cuda:2                   1          10.00     100.0%           0.00\n"
                             "-------------------------------------------------------------------\n");
}

Test(summary, an_empty_model_divides_nothing_by_zero)
{
    struct vs_quota quota = quota_of("cuda:1,10mb", 0, cuda(0));
    struct vs_summary summary = {.model_name = "empty", .quota = &quota};
    expect_summary(&summary, "empty: 0 tensors, 0.00 MB\n"
                             "Device              Layers    Memory (MB)    % Total   Planned (MB)\n"
                             "-------------------------------------------------------------------\n"
                             "-------------------------------------------------------------------\n");
}
