/*
 * The table that tells where a model's bytes went.
 */
#include "../support.h"

#include "../../../policy/plan/summary.h"

#include <stdlib.h>
#include <string.h>

#define MB (UINT64_C(1) << 20)

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
    /* 12345 bytes are 0.01177 MB. */
    const struct vs_summary_device devices[] = {
        {cuda(0), 600 * MB, 11 * (50 * MB + 12345), 11, false},
        {cuda(1), 500 * MB, 9 * (50 * MB + 12345), 9, false},
        {cpu_device, 540 * MB, 0, 0, false},
    };
    const struct vs_summary summary = {"v1-5.safetensors", "diffusion", 686, 1640 * MB, devices, COUNT(devices)};
    expect_summary(&summary, "v1-5.safetensors (diffusion): 686 tensors, 1640.00 MB\n"
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
    const struct vs_summary_device devices[] = {
        {cuda(1), 0, 0, 0, true}, {cuda(2), 10 * MB, 10 * MB, 1, false}, {cpu_device, 0, 0, 0, false}};
    const struct vs_summary summary = {"a\x1b", NULL, 1, 10 * MB, devices, COUNT(devices)};
    expect_summary(&summary, "a\\x1b: 1 tensors, 10.00 MB\n"
                             "Device              Layers    Memory (MB)    % Total   Planned (MB)\n"
                             "-------------------------------------------------------------------\n"
                             "cuda:1                   0           0.00       0.0%           0.00\n"
                             "cuda:2                   1          10.00     100.0%          10.00\n"
                             "-------------------------------------------------------------------\n");
}

Test(summary, an_empty_model_divides_nothing_by_zero)
{
    const struct vs_summary_device device = {cuda(1), 0, 0, 0, false};
    const struct vs_summary summary = {"empty", NULL, 0, 0, &device, 1};
    expect_summary(&summary, "empty: 0 tensors, 0.00 MB\n"
                             "Device              Layers    Memory (MB)    % Total   Planned (MB)\n"
                             "-------------------------------------------------------------------\n"
                             "-------------------------------------------------------------------\n");
}
