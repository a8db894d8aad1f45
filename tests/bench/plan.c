/*
 * plan COUNT ORDER: plans a model of so many tensors with `spread`, `distorch` or `listed`, in a function whose
 * instructions callgrind counts (plan.sh).
 */
#include "../../policy/plan/plan.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((noinline)) static int plan_model(const struct vs_plan_tensor *tensors, size_t count,
    const struct vs_plan_wish *wish, const struct vs_plan_machine *machine, struct vs_plan *plan)
{
    struct vs_diags diags = {0};
    return vs_plan(tensors, count, wish, machine, plan, &diags);
}

int main(int argument_count, char **arguments)
{
    static const char *const orders[] = {
        [VS_ORDER_SPREAD] = "spread", [VS_ORDER_DISTORCH] = "distorch", [VS_ORDER_LISTED] = "listed"};
    static const uint64_t shape[] = {1024, 1024};
    const struct vs_device_id cpu = {.family = VS_DEVICE_CPU};
    size_t count = argument_count == 3 ? strtoul(arguments[1], NULL, 10) : 0, order = VS_ORDER_SPREAD;
    struct vs_plan_tensor *tensors = calloc(count + 1, sizeof *tensors);
    while (count && order < sizeof orders / sizeof *orders && strcmp(orders[order], arguments[2]) != 0)
        order++;
    if (!count || !tensors || order == sizeof orders / sizeof *orders)
        return 2;
    for (size_t i = 0; i < count; i++) { /* in an order of no meaning: 7919 is prime */
        char name[96];
        size_t n = i * 7919 % count;
        snprintf(name, sizeof name, "model.diffusion_model.transformer_blocks.%zu.attn.to_%zu.weight", n / 8, n % 8);
        tensors[i] = (struct vs_plan_tensor){.name = strdup(name), .shape = shape, .rank = 2, .bytes = 2 << 20};
    }
    const struct vs_plan_machine_device gpus[] = {
        {.id = {VS_DEVICE_CUDA, 0}}, {.id = {VS_DEVICE_CUDA, 1}, .total_bytes = UINT64_C(4) << 30}};
    const struct vs_plan_machine machine = {gpus, 2};
    struct vs_distorch allocation = vs_distorch_virtual((double)count / 1024);
    vs_distorch_lend(&allocation, gpus[1].id, INFINITY);
    vs_distorch_lend(&allocation, cpu, INFINITY);
    const struct vs_plan_wish wish = {
        .source = "bench", .compute = gpus[0].id, .allocation = &allocation, .order = (enum vs_plan_order)order};
    struct vs_plan plan;
    if (plan_model(tensors, count, &wish, &machine, &plan))
        return 1;
    vs_plan_free(&plan);
    for (size_t i = 0; i < count; i++)
        free((char *)tensors[i].name);
    free(tensors);
    return 0;
}
