/* sharing_test.c: which tensor goes where for each way of sharing that a policy knows, by the simulator's account. What
 * is expected is stated here: shares by arithmetic, orders by what they promise. */
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

#define COUNT     40
#define CARD_0_GB 2.0
#define CARD_1_GB 1.5
#define MACHINE   "2gb+1536mb"

/* Forty tensors of different sizes, so that an allocation's size tells which of them it is for. */
static size_t size_of(int i)
{
    return MIB + (size_t)(i * 7 % COUNT) * 20 * KIB;
}

static const char *model_of_forty(void)
{
    size_t sizes[COUNT];
    for (int i = 0; i < COUNT; i++)
        sizes[i] = size_of(i);
    return make_model(sizes, COUNT);
}

/* Loads the forty under a policy with these lines, the last one first, as no program does: a plan holds in any order.
 */
static void load_forty(const char *policy, int places[COUNT])
{
    char yaml[1024];
    snprintf(yaml, sizeof yaml, "version: 1\n%s", policy);
    use_policy_text(yaml);
    use_machine(MACHINE);
    open_model(model_of_forty());
    for (int i = COUNT; i-- > 0;)
        places[i] = place_new(size_of(i));
}

static size_t bytes_at(const int places[COUNT], int location)
{
    size_t bytes = 0;
    for (int i = 0; i < COUNT; i++)
        bytes += places[i] == location ? size_of(i) : 0;
    return bytes;
}

static void expect_about(size_t bytes, double wanted_mb, const char *what)
{
    cr_expect_lt(fabs((double)bytes / MIB - wanted_mb), 2.0, "%s: %.2f MB", what, (double)bytes / MIB);
}

/* --- Spread ------------------------------------------------------------------------------------------------------- */

/* For every prefix, what has left against the straight line; no tensor is larger than 2 MiB. */
static void expect_even(const int places[COUNT], bool (*has_left)(int place))
{
    double all = 0, gone = 0, passed = 0, left = 0;
    for (int i = 0; i < COUNT; i++) {
        all += (double)size_of(i);
        gone += has_left(places[i]) ? (double)size_of(i) : 0;
    }
    cr_assert_gt(gone, 0);
    for (int i = 0; i < COUNT; i++) {
        passed += (double)size_of(i);
        left += has_left(places[i]) ? (double)size_of(i) : 0;
        cr_expect_lt(fabs(left - gone * passed / all), 1.5 * 2 * MIB, "after tensor %d", i);
    }
}

static bool off_device(int place)
{
    return place != 0;
}

static bool on_second_card(int place)
{
    return place == 1;
}

static bool in_host(int place)
{
    return place == HOST;
}

Test(sharing, virtual_vram_is_spread_over_the_donors_evenly)
{
    int places[COUNT];
    load_forty("donors: [\"cuda:1:18mb\", cpu]\nmodels: [{match: \"*.safetensors\", virtual-vram: 30mb}]\n", places);
    expect_about(bytes_at(places, 1), 18, "cuda:1");
    expect_about(bytes_at(places, HOST), 12, "cpu");
    expect_even(places, off_device);
    expect_even(places, on_second_card);
    expect_even(places, in_host);
}

Test(sharing, a_percentage_of_virtual_vram_counts_the_models_bytes)
{
    int places[COUNT];
    load_forty("models: [{match: \"*.safetensors\", virtual-vram: 25%}]\n", places);
    double all_mb = 0;
    for (int i = 0; i < COUNT; i++)
        all_mb += (double)size_of(i) / MIB;
    expect_about(bytes_at(places, HOST), all_mb / 4, "cpu");
    expect_about(bytes_at(places, 0), all_mb * 3 / 4, "cuda:0");
    expect_even(places, off_device);
}

Test(sharing, a_distorch_string_may_be_spread_too)
{
    int places[COUNT];
    load_forty(
        "models: [{match: \"*.safetensors\", distorch: \"cuda:0,20mb;cuda:1,10mb;cpu,*\", order: spread}]\n", places);
    expect_about(bytes_at(places, 0), 20, "cuda:0");
    expect_about(bytes_at(places, 1), 10, "cuda:1");
    expect_even(places, off_device);
    expect_even(places, on_second_card);
}

Test(sharing, small_tensors_stay)
{
    const size_t sizes[] = {4 * MIB, 63 * KIB, 4 * MIB, 16};
    use_policy_text("version: 1\nmodels: [{match: \"*.safetensors\", virtual-vram: 100%}]\n");
    open_model(make_model(sizes, 4));
    cr_expect_eq(place_new(63 * KIB), 0);
    cr_expect_eq(place_new(16), 0);
    cr_expect_eq(place_new(4 * MIB), HOST);
    cr_expect_eq(place_new(4 * MIB), HOST);
}

/* The program's own memory needs room: what is reserved of the 2 GB leaves 40 MB for a model of 56. */
Test(sharing, the_reserve_stays_free_of_weights)
{
    int places[COUNT];
    load_forty("compute-reserve: 2008mb\nmodels: [{match: \"*.safetensors\", virtual-vram: 1mb}]\n", places);
    cr_expect_leq(bytes_at(places, 0), 40 * MIB);
    cr_expect_gt(bytes_at(places, 0), 37 * MIB);
}

/* --- DisTorch ----------------------------------------------------------------------------------------------------- */

static double host_bytes(void)
{
    return (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGE_SIZE);
}

/* DisTorch2: shares become fractions of each device's memory with four decimals; from the last module to the first,
 * each goes to the first device (cuda:0, cuda:1, cpu) with so much left, else to the one that computes. */
static void expect_distorch(const char *string, const double asked_mb[3])
{
    const double totals[] = {CARD_0_GB * 1024 * MIB, CARD_1_GB * 1024 * MIB, host_bytes()};
    int places[COUNT];
    double left[3];
    char policy[256];
    snprintf(policy, sizeof policy, "models: [{match: \"*.safetensors\", distorch: \"%s\"}]\n", string);
    load_forty(policy, places);
    for (int d = 0; d < 3; d++)
        left[d] = rint(asked_mb[d] * MIB / totals[d] * 10000) / 10000 * totals[d];
    for (int i = COUNT; i-- > 0;) {
        int d = 0;
        while (d < 3 && left[d] < (double)size_of(i))
            d++;
        if (d < 3)
            left[d] -= (double)size_of(i);
        cr_expect_eq(places[i], d == 3 ? 0 : d == 2 ? HOST : d, "%s: tensor %d is at %d", string, i, places[i]);
    }
}

static double model_mb(void)
{
    double sum = 0;
    for (int i = 0; i < COUNT; i++)
        sum += (double)size_of(i) / MIB;
    return sum;
}

Test(sharing, distorch_in_bytes)
{
    expect_distorch("cuda:0,20mb;cuda:1,15mb;cpu,*", (double[]){20, 15, model_mb() - 35});
}

Test(sharing, distorch_in_parts)
{
    double mb = model_mb();
    expect_distorch("cuda:0,50%;cuda:1,25%;cpu,25%", (double[]){mb / 2, mb / 4, mb / 4});
}

Test(sharing, distorch_in_fractions_of_the_devices)
{
    double host_mb = host_bytes() / MIB;
    expect_distorch("cuda:0,0.005;cuda:1,0.01;cpu,0.002", (double[]){10.24, 15.36, 0.002 * host_mb});
}

Test(sharing, distorch_with_virtual_vram)
{
    expect_distorch("#cuda:0;0.03125;cuda:1,cpu", (double[]){model_mb() - 32, 32, 0});
}

/* --- By name ------------------------------------------------------------------------------------------------------ */

Test(sharing, on_puts_all_of_a_model_there)
{
    static const struct {
        const char *device;
        int place;
    } cases[] = {{"cpu", HOST}, {"cuda:1", 1}, {"compute", 0}};
    const size_t sizes[] = {4 * MIB, 64 * KIB};
    char policy[256];
    /* Three models, three sections. */
    snprintf(policy, sizeof policy,
        "version: 1\nmodels:\n- {match: \"*-0.*\", on: %s}\n- {match: \"*-1.*\", on: %s}\n- {match: \"*-2.*\", on: "
        "%s}\n",
        cases[0].device, cases[1].device, cases[2].device);
    use_policy_text(policy);
    for (int i = 0; i < 3; i++) {
        open_model(make_model(sizes, 2)); /* model-0, model-1, model-2 */
        cr_expect_eq(place_new(4 * MIB), cases[i].place, "%s", cases[i].device);
        cr_expect_eq(place_new(64 * KIB), cases[i].place, "%s", cases[i].device);
    }
}

Test(sharing, the_first_line_that_names_a_tensor_holds)
{
    int places[COUNT];
    load_forty("models:\n- match: \"*.safetensors\"\n  on: cuda:1\n  tensors:\n"
               "  - {match: \"layer.3*.weight\", on: compute}\n  - {match: [\"layer.[0-9].*\", \"*.31.*\"], on: cpu}\n",
        places);
    for (int i = 0; i < COUNT; i++)
        cr_expect_eq(places[i], i == 3 || i >= 30 ? 0 : i < 10 ? HOST : 1, "tensor %d is at %d", i, places[i]);
}

Test(sharing, what_lines_do_not_name_is_shared_out_beside_them)
{
    int places[COUNT];
    load_forty("models:\n- match: \"*.safetensors\"\n  virtual-vram: 20mb\n  tensors: [{match: \"layer.?.weight\", on: "
               "cpu}]\n",
        places);
    for (int i = 0; i < 10; i++)
        cr_expect_eq(places[i], HOST);
    expect_about(bytes_at(places, HOST), 20, "cpu, those ten among them");
}
