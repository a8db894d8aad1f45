/*
 * From a policy's text to a plan: what is written is what each device gets.
 */
#include "../support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GB (UINT64_C(1) << 30)

TestSuite(policy_plan, .fini = expect_no_leaks);

enum { BLOCKS = 10 };

/* Ten blocks of 1 GB on a machine with two cards of 24 GB; cuda:0 is the program's first. `bytes` in GB: cuda:0,
 * cuda:1, cpu. Returns the device of the block of this number ("cuda:1"). */
static struct vs_device_name plan_blocks(
    const char *keys, enum vs_part part, const uint64_t gigabytes[3], unsigned asked_block)
{
    static const uint64_t shape[] = {1 << 15, 1 << 14};
    char names[BLOCKS][64], yaml[512];
    struct vs_plan_tensor tensors[BLOCKS];
    for (unsigned i = 0; i < BLOCKS; i++) {
        snprintf(names[i], sizeof names[i], "model.diffusion_model.blocks.%u.weight", i);
        tensors[i] = (struct vs_plan_tensor){names[i], shape, 2, GB, strlen("model.diffusion_model.")};
    }
    const struct vs_plan_machine_device devices[] = {
        {.id = cuda(0), .total_bytes = 24 * GB}, {.id = cuda(1), .total_bytes = 24 * GB}};
    const struct vs_plan_machine machine = {devices, COUNT(devices)};
    snprintf(yaml, sizeof yaml, "version: 1\n%s", keys);
    struct vs_policy policy = expect_policy(yaml, "");
    const struct vs_policy_section *section = vs_policy_match(&policy, "/models/flux1-dev.safetensors", part);
    cr_assert_not_null(section);
    struct vs_section_wish wish;
    struct vs_plan plan;
    struct vs_diags diags = {0};
    vs_section_wish(&policy, section, part, BLOCKS * GB, cuda(0), &wish);
    int result = vs_plan(tensors, BLOCKS, &wish.wish, &machine, &plan, &diags);
    char *said = rendered(&diags);
    cr_assert_eq(result, 0, "%s", said);
    free(said);
    uint64_t planned[3] = {0};
    for (size_t i = 0; i < plan.device_count; i++)
        planned[plan.devices[i].id.family == VS_DEVICE_CPU ? 2 : plan.devices[i].id.ordinal] +=
            plan.devices[i].placed_bytes;
    for (size_t i = 0; i < 3; i++)
        cr_expect_eq(planned[i], gigabytes[i] * GB, "%s: device %zu has %lu GB", keys, i, planned[i] / GB);
    struct vs_device_name name = vs_device_format(plan.devices[plan.places[asked_block].device].id);
    vs_plan_free(&plan);
    vs_policy_free(&policy);
    return name;
}

Test(policy_plan, each_way_of_sharing_gives_the_devices_what_is_written)
{
    static const struct {
        const char *keys;
        uint64_t gigabytes[3];
        unsigned block;
        const char *device; /* of that block; NULL: whichever */
    } cases[] = {
        {"models: [{match: \"flux*\", virtual-vram: 4gb}]", {6, 0, 4}, 0, NULL},
        {"models: [{match: \"flux*\", virtual-vram: 60%}]", {4, 0, 6}, 0, NULL},
        {"donors: [\"cuda:1:2gb\", cpu]\nmodels: [{match: \"flux*\", virtual-vram: 60%}]", {4, 2, 4}, 0, NULL},
        {"donors: [cuda:0, cuda:1]\nmodels: [{match: \"flux*\", virtual-vram: 3gb}]", {7, 3, 0}, 0, NULL},
        {"compute: cuda:1\nmodels: [{match: \"flux*\", virtual-vram: 1gb}]", {0, 9, 1}, 0, NULL},
        {"models: [{match: \"flux*\", on: cuda:1}]", {0, 10, 0}, 3, "cuda:1"},
        {"models: [{match: \"flux*\", on: compute}]", {10, 0, 0}, 3, "cuda:0"},
        {"models: [{match: \"flux*\", distorch: \"cuda:0,5gb;cuda:1,2gb;cpu,*\", order: spread}]", {5, 2, 3}, 0, NULL},
        {"models: [{match: \"flux*\", distorch: \"cuda:0,50%;cpu,50%\", order: spread}]", {5, 0, 5}, 0, NULL},
        {"models:\n- match: \"flux*\"\n  on: cuda:1\n  tensors: [{match: \"blocks.[3-5].*\", on: cpu}]", {0, 7, 3}, 4,
            "cpu"},
        {"models:\n- match: \"flux*\"\n  tensors:\n  - {match: \"*.3.*\", on: compute}\n"
         "  - {match: [\"blocks.[3-5].*\", \"*.9.*\"], on: cpu}",
            {7, 0, 3}, 3, "cuda:0"},
        {"models: [{match: \"flux*\", part: vae, on: cpu}, {match: \"flux*\", on: cuda:1}]", {0, 10, 0}, 0, "cuda:1"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct vs_device_name device =
            plan_blocks(cases[i].keys, VS_PART_DIFFUSION, cases[i].gigabytes, cases[i].block);
        cr_expect(!cases[i].device || !strcmp(device.text, cases[i].device), "%s: block %u is on %s", cases[i].keys,
            cases[i].block, device.text);
    }
}
