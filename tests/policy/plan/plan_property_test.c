/*
 * The planner over random models and policies: what must hold for any of them. What a device is to get is worked out
 * here from the policy alone.
 */
#include "plan_support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 10000, GPUS = 4 };

TestSuite(plan_property, .fini = expect_no_leaks);

static uint64_t below(uint64_t *seed, uint64_t limit)
{
    return next_random(seed) % limit;
}

/* Blocks with a few matrices each, sizes of one kind or far apart. Without `small`, none that stays for its size. */
static struct test_model random_model(uint64_t *seed, bool small)
{
    struct test_model model = {0};
    size_t blocks = 1 + below(seed, 12), matrices = 1 + below(seed, 9);
    uint64_t spread = below(seed, 3);
    for (size_t b = 0; b < blocks; b++) {
        for (size_t m = 0; m < matrices; m++) {
            uint64_t bytes = spread == 0 ? 1000000 : spread == 1 ? 1 + below(seed, 100000000) : 1ull << below(seed, 28);
            if (!small && bytes < VS_PLAN_SMALL_BYTES)
                bytes += VS_PLAN_SMALL_BYTES;
            add_tensor(&model, bytes, "blocks.%zu.part%zu.weight", b, m);
        }
    }
    for (uint64_t tables = below(seed, 3); tables > 0; tables--) /* which leave first, if a share holds them */
        add_tensor(&model, VS_PLAN_SMALL_BYTES + below(seed, 400000000), "%lu.embed_tokens.weight", tables);
    shuffle_model(&model, seed);
    return model;
}

static uint64_t bytes_of(const struct test_model *model)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < model->count; i++)
        sum += model->tensors[i].bytes;
    return sum;
}

/* An allocation over cuda:0 to cuda:3 and cpu, and what each is to get: expected[GPUS] is cpu's. cuda:0 computes. */
static struct vs_distorch random_allocation(uint64_t *seed, double total, const uint64_t *memory, double *expected)
{
    struct vs_distorch allocation = {.form = (enum vs_distorch_form)below(seed, 4)};
    size_t order[GPUS + 1] = {0, 1, 2, 3, 4}, count = 1 + below(seed, GPUS + 1);
    double left = total, parts = 0;
    for (size_t i = GPUS; i > 0; i--) {
        size_t k = below(seed, i + 1), swapped = order[i];
        order[i] = order[k];
        order[k] = swapped;
    }
    for (size_t d = 0; d <= GPUS; d++)
        expected[d] = 0;
    if (allocation.form == VS_DISTORCH_VIRTUAL) {
        double needed = total * (double)below(seed, 1300) / 1000;
        allocation = vs_distorch_virtual(ldexp(needed, -30));
        for (size_t i = 0; i < count; i++) {
            if (order[i] == 0)
                continue;
            double lends = below(seed, 2) ? INFINITY : floor(total * (double)below(seed, 1000) / 1000);
            vs_distorch_lend(&allocation, order[i] == GPUS ? cpu_device : cuda((unsigned)order[i]), lends);
            lends = fmin(lends, order[i] == GPUS ? INFINITY : (double)memory[order[i]]);
            expected[order[i]] = fmin(fmin(needed, lends), left);
            needed -= fmin(needed, lends);
            left -= expected[order[i]];
        }
        expected[0] = left;
        return allocation;
    }
    for (size_t i = 0; i < count; i++) {
        struct vs_distorch_share share = {.device = order[i] == GPUS ? cpu_device : cuda((unsigned)order[i])};
        share.amount = (double)below(seed, 1000) + 1;
        if (allocation.form == VS_DISTORCH_BYTES) {
            share.amount = floor(total * share.amount / 1500);
            share.wildcard = i + 1 == count;
            expected[order[i]] = share.wildcard ? left : fmin(share.amount, left);
            left -= expected[order[i]];
        } else if (allocation.form == VS_DISTORCH_FRACTION) {
            share.amount = order[i] == GPUS ? 0 : share.amount * total / 1500 / (double)memory[order[i]];
        }
        parts += share.amount;
        allocation.shares[allocation.count++] = share;
    }
    for (size_t d = 0; d <= GPUS; d++) { /* fractions are taken in the order of names, the compute device's first */
        for (size_t i = 0; i < count; i++) {
            if (order[i] != d || allocation.form == VS_DISTORCH_BYTES)
                continue;
            expected[d] = allocation.form == VS_DISTORCH_RATIO
                              ? total * allocation.shares[i].amount / parts
                              : fmin(left, d == GPUS ? 0 : (double)memory[d] * allocation.shares[i].amount);
            left -= allocation.form == VS_DISTORCH_FRACTION ? expected[d] : 0;
        }
    }
    if (allocation.form == VS_DISTORCH_FRACTION)
        expected[0] += left;
    return allocation;
}

/* Every tensor once, every byte once, and the sums true. */
static void expect_conserved(const struct vs_plan *plan, const struct test_model *model)
{
    uint64_t placed[VS_PLAN_DEVICES_MAX] = {0}, counts[VS_PLAN_DEVICES_MAX] = {0}, sum = 0;
    bool *seen = calloc(model->count, sizeof *seen);
    cr_assert_eq(plan->tensor_count, model->count);
    for (size_t i = 0; i < model->count; i++) {
        cr_assert_lt(plan->places[i].device, plan->device_count);
        cr_assert_leq(plan->places[i].reason, VS_REASON_UNUSED);
        placed[plan->places[i].device] += model->tensors[i].bytes;
        counts[plan->places[i].device]++;
        cr_assert_lt(plan->execution[i], model->count);
        cr_assert_not(seen[plan->execution[i]]);
        seen[plan->execution[i]] = true;
    }
    for (size_t d = 0; d < plan->device_count; d++) {
        cr_assert_eq(plan->devices[d].placed_bytes, placed[d]);
        cr_assert_eq(plan->devices[d].tensor_count, counts[d]);
        sum += placed[d];
    }
    cr_assert_eq(sum, bytes_of(model));
    cr_assert_eq(plan->total_bytes, sum);
    free(seen);
}

/* A donor with a limit may fall short of it by a tensor, which another device gets then. */
static unsigned count_limits(const struct vs_distorch *allocation)
{
    unsigned count = 0;
    for (size_t i = 0; allocation->form == VS_DISTORCH_VIRTUAL && i < allocation->count; i++)
        count += isfinite(allocation->shares[i].amount);
    return count;
}

static void expect_quotas(const struct vs_plan *plan, const struct test_model *model,
    const struct vs_distorch *allocation, const double *expected, int round)
{
    double coarse = 1 + count_limits(allocation);

    uint64_t largest = 0;
    for (size_t i = 0; i < model->count; i++)
        largest = model->tensors[i].bytes > largest ? model->tensors[i].bytes : largest;
    for (size_t d = 0; d <= GPUS; d++) {
        double placed = (double)placed_on(plan, d == GPUS ? cpu_device : cuda((unsigned)d));
        cr_assert_leq(fabs(placed - expected[d]), coarse * ((double)largest + 1),
            "round %d, device %zu: %.0f for %.0f, largest %lu", round, d, placed, expected[d], largest);
    }
}

/* Whether the donors together get what they are to get but for more than the largest tensor that is no table.
 * *filled: those without tables would have been enough for all of it. */
static bool is_missed(const struct vs_plan *plan, const struct test_model *model, const double *expected, bool *filled)
{
    uint64_t largest = 0, common = 0;
    double missed = 0;
    for (size_t i = 0; i < model->count; i++) {
        if (strstr(model->tensors[i].name, "embed_tokens"))
            continue;
        common += model->tensors[i].bytes;
        largest = model->tensors[i].bytes > largest ? model->tensors[i].bytes : largest;
    }
    *filled = (double)common >= expected[1] + expected[2] + expected[3] + expected[GPUS];
    for (size_t d = 1; d <= GPUS; d++)
        missed += (double)placed_on(plan, d == GPUS ? cpu_device : cuda((unsigned)d)) - expected[d];
    return fabs(missed) > (double)largest + GPUS;
}

/* The same set in another order gets the same plan. */
static void expect_stable(const struct vs_plan *plan, const struct test_model *model, const struct vs_plan_wish *wish,
    const struct vs_plan_machine *machine, uint64_t *seed)
{
    struct test_model shuffled = {.tensors = calloc(model->count, sizeof *model->tensors), .count = model->count};
    memcpy(shuffled.tensors, model->tensors, model->count * sizeof *model->tensors);
    shuffle_model(&shuffled, seed);
    struct vs_diags diags = {0};
    struct vs_plan again;
    cr_assert_eq(vs_plan(shuffled.tensors, shuffled.count, wish, machine, &again, &diags), 0);
    vs_diags_free(&diags);
    for (size_t k = 0; k < model->count; k++) {
        size_t i = plan->execution[k], j = again.execution[k];
        cr_assert_str_eq(model->tensors[i].name, shuffled.tensors[j].name);
        cr_assert_eq(plan->places[i].device, again.places[j].device, "%s", model->tensors[i].name);
        cr_assert_eq(plan->places[i].reason, again.places[j].reason, "%s", model->tensors[i].name);
    }
    vs_plan_free(&again);
    free(shuffled.tensors);
}

static void expect_every_plan(enum vs_plan_order order, uint64_t seed)
{
    static const uint64_t memory[GPUS + 1] = {1 << 30, 2 << 30, 3u << 30, 1 << 30, 0};
    double worsts[2] = {0}; /* without and with limits of donors */
    int missed = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct test_model model = random_model(&seed, false);
        struct test_machine machine;
        double expected[GPUS + 1];
        make_machine(&machine, memory);
        struct vs_distorch allocation = random_allocation(&seed, (double)bytes_of(&model), memory, expected);
        bool unlimited = true; /* devices as large as the plan: what does not fit is another test */
        for (size_t d = 0; d < GPUS; d++)
            unlimited &= expected[d] + 1e8 < (double)memory[d];
        struct vs_plan_wish wish = {.source = "test", .allocation = &allocation, .order = order, .compute = cuda(0)};
        struct vs_diags diags = {0};
        struct vs_plan plan;
        bool filled;
        cr_assert_eq(vs_plan(model.tensors, model.count, &wish, &machine.machine, &plan, &diags), 0);
        if (unlimited && order == VS_ORDER_SPREAD && is_missed(&plan, &model, expected, &filled)) {
            cr_assert_gt(diags.count, 0, "round %d", round);
            cr_assert(count_limits(&allocation) || !filled, "round %d", round);
            missed += filled;
        }
        vs_diags_free(&diags);
        expect_conserved(&plan, &model);
        if (unlimited)
            expect_quotas(&plan, &model, &allocation, expected, round);
        if (unlimited && order == VS_ORDER_SPREAD) {
            uint64_t largest;
            double deviation = deviation_from_line(&plan, &model, &largest);
            unsigned limits = count_limits(&allocation);
            double *worst = &worsts[limits > 0];
            cr_assert_leq(deviation, (1.5 + limits) * (double)largest, "round %d: %.3f, %u limits", round,
                deviation / (double)largest, limits);
            *worst = fmax(*worst, deviation / (double)largest);
        }
        expect_stable(&plan, &model, &wish, &machine.machine, &seed);
        vs_plan_free(&plan);
        free_model(&model);
    }
    if (order != VS_ORDER_SPREAD)
        return;
    cr_expect_lt(missed, ROUNDS / 20);
    cr_log_info(
        "largest deviation: %.3f of the largest tensor, with limits %.3f; %d missed", worsts[0], worsts[1], missed);
}

Test(plan_property, spread_keeps_bytes_quotas_and_the_line)
{
    expect_every_plan(VS_ORDER_SPREAD, 1);
}

Test(plan_property, listed_keeps_bytes_and_quotas)
{
    expect_every_plan(VS_ORDER_LISTED, 2);
}

/* With tensors that stay for their size, rules, cards that are too small or cannot be mapped, and a reserve: nothing is
 * lost, rules hold, what is said to fit does fit, and the order does not matter. */
Test(plan_property, whatever_the_machine_every_tensor_has_one_home_and_rules_hold)
{
    uint64_t seed = 3;
    size_t unfit_plans = 0, refused = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct test_model model = random_model(&seed, true);
        struct test_machine machine;
        uint64_t memory[GPUS + 1] = {0};
        double expected[GPUS + 1];
        for (size_t d = 0; d < GPUS; d++)
            memory[d] = 1 + below(&seed, 1 + 2 * bytes_of(&model) / (1 + below(&seed, 4)));
        make_machine(&machine, memory);
        for (size_t d = 1; d < GPUS; d++)
            machine.devices[d].unmappable = below(&seed, 4) == 0;
        struct vs_distorch allocation = random_allocation(&seed, (double)bytes_of(&model), memory, expected);
        struct vs_plan_rule rules[] = {
            {.pattern = "blocks.1.*", .on_compute = true}, {.pattern = "*part[02].weight", .device = cpu_device}};
        struct vs_plan_wish wish = {.source = "test",
            .allocation = &allocation,
            .compute = cuda(0),
            .rules = rules,
            .order = (enum vs_plan_order)below(&seed, 4),
            .rule_count = below(&seed, 3),
            .compute_reserve_bytes = below(&seed, memory[0]),
            .host_reserve_bytes = below(&seed, memory[0])};
        struct vs_diags diags = {0};
        struct vs_plan plan;
        int result = vs_plan(model.tensors, model.count, &wish, &machine.machine, &plan, &diags);
        vs_diags_free(&diags);
        cr_assert_eq(result, 0); /* cpu can always take what others cannot */
        refused += result != 0;
        expect_conserved(&plan, &model);
        for (size_t i = 0; i < model.count; i++) {
            bool first = !strncmp(model.tensors[i].name, "blocks.1.", 9) && wish.rule_count > 0;
            bool second = strstr(model.tensors[i].name, "part0.") || strstr(model.tensors[i].name, "part2.");
            struct vs_device_id home = plan.devices[plan.places[i].device].id;
            if (first)
                cr_assert(vs_device_equal(home, cuda(0)) && plan.places[i].rule == 0);
            else if (second && wish.rule_count > 1)
                cr_assert(vs_device_equal(home, cpu_device) && plan.places[i].rule == 1);
            else if (plan.order == VS_ORDER_SPREAD && model.tensors[i].bytes < VS_PLAN_SMALL_BYTES)
                cr_assert(vs_device_equal(home, cuda(0)));
            cr_assert_not(home.family == VS_DEVICE_CUDA && machine.devices[home.ordinal].unmappable);
        }
        uint64_t unfit = 0;
        for (size_t d = 0; d < plan.device_count; d++) {
            const struct vs_plan_device *device = &plan.devices[d];
            unfit += device->placed_bytes > device->capacity_bytes ? device->placed_bytes - device->capacity_bytes : 0;
        }
        cr_assert_eq(unfit, plan.unfit_bytes);
        unfit_plans += unfit > 0;
        expect_stable(&plan, &model, &wish, &machine.machine, &seed);
        vs_plan_free(&plan);
        free_model(&model);
    }
    cr_expect_gt(unfit_plans, 100); /* the machines are small enough to mean something */
    cr_expect_eq(refused, 0);
}
