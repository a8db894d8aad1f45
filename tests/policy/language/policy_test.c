/*
 * Policy files: what is read from them, and what the questions to a policy are answered. What is said about wrong ones
 * is stored beside each in bad/ and warned/ (corpus_test.c).
 */
#include "../support.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MB      (UINT64_C(1) << 20)
#define GB      (UINT64_C(1) << 30)
#define SECTION "models: [{match: \"a*\", distorch: \"cpu,*\"}]\n"

TestSuite(policy, .fini = expect_no_leaks);

static const char whole_policy[] = "version: 1\n"
                                   "compute: cuda:1\n"
                                   "compute-reserve: 1.5gb\n"
                                   "host-reserve: 3gb\n"
                                   "donors: [cuda:0, \"cuda:2:20gb\", \"cpu: 48gb\"]\n"
                                   "on-error: passthrough\n"
                                   "models:\n"
                                   "  - match: \"v1-5-*.safetensors\"\n"
                                   "    distorch: \"cuda:0,600mb;cuda:1,500mb;cpu,*\"\n"
                                   "  - match: [\"flux1-*\", wan.gguf]\n"
                                   "    part: diffusion\n"
                                   "    virtual-vram: 14gb\n"
                                   "    order: listed\n"
                                   "    dtype: float8_e4m3fn\n"
                                   "    tensors:\n"
                                   "      - {match: [\"*norm*\", \"txt/in\"], on: compute}\n"
                                   "      - {match: \"double_blocks.[0-9].*mlp*\", on: cuda:2}\n"
                                   "  - {match: \"t5xxl*\", part: text-encoder, on: cpu}\n"
                                   "  - {match: \"*\", part: vae, on: compute}\n"
                                   "  - {match: \"qwen*\", virtual-vram: 60%, order: distorch}\n"
                                   "  - {match: \"sd3*\", tensors: []}\n";

Test(policy, reads_what_stands_outside_the_sections)
{
    struct vs_policy policy = expect_policy(whole_policy, "");
    cr_expect_str_eq(policy.name, "p.yaml");
    cr_expect(policy.has_compute);
    cr_expect(vs_device_equal(policy.compute, cuda(1)));
    cr_expect(policy.has_compute_reserve);
    cr_expect_eq(policy.compute_reserve_bytes, 1536 * MB);
    cr_expect(policy.has_host_reserve);
    cr_expect_eq(policy.host_reserve_bytes, 3 * GB);
    cr_expect_eq(policy.host_reserve_at.line, 4);
    cr_expect_eq(policy.host_reserve_at.column, 15);
    cr_expect(policy.has_on_error);
    cr_expect_eq(policy.on_error, VS_ON_ERROR_PASSTHROUGH);
    cr_expect(policy.has_donors);
    cr_assert_eq(policy.donor_count, 3);
    cr_expect(vs_device_equal(policy.donors[0].device, cuda(0)));
    cr_expect_not(policy.donors[0].is_limited);
    cr_expect(vs_device_equal(policy.donors[1].device, cuda(2)));
    cr_expect(policy.donors[1].is_limited);
    cr_expect_eq(policy.donors[1].limit_bytes, 20 * GB);
    cr_expect(vs_device_equal(policy.donors[2].device, cpu_device));
    cr_expect(policy.donors[2].is_limited);
    cr_expect_eq(policy.donors[2].limit_bytes, 48 * GB);
    vs_policy_free(&policy);
    cr_expect_null(policy.sections);
}

Test(policy, reads_every_key_of_a_section)
{
    struct vs_policy policy = expect_policy(whole_policy, "");
    cr_assert_eq(policy.section_count, 6);
    const struct vs_policy_section *section = policy.sections;
    cr_expect_eq(section->globs.count, 1);
    cr_expect_str_eq(section->globs.items[0], "v1-5-*.safetensors");
    cr_expect_eq(section->part, VS_PART_ANY);
    cr_expect_eq(section->sharing, VS_SHARING_DISTORCH);
    cr_expect_eq(section->distorch.count, 3);
    cr_expect_eq(section->distorch.shares[1].amount, (double)(500 * MB));
    cr_expect_eq(section->order, VS_ORDER_DISTORCH, "implied");
    cr_expect_null(section->dtype);
    cr_expect_str_eq(section->file, "p.yaml");
    cr_expect_eq(section->line, 8);

    section++;
    cr_assert_eq(section->globs.count, 2);
    cr_expect_str_eq(section->globs.items[0], "flux1-*");
    cr_expect_str_eq(section->globs.items[1], "wan.gguf");
    cr_expect_eq(section->part, VS_PART_DIFFUSION);
    cr_expect_eq(section->sharing, VS_SHARING_VIRTUAL_VRAM);
    cr_expect_eq(vs_amount_bytes(&section->virtual_vram, 1), 14 * GB);
    cr_expect_eq(section->order, VS_ORDER_LISTED);
    cr_assert_not_null(section->dtype);
    cr_expect_str_eq(section->dtype->name, "fp8_e4m3fn");
    cr_expect_eq(section->dtype->bits, 8);
    cr_assert_eq(section->rule_count, 3); /* one for each glob */
    cr_expect_str_eq(section->rules[0].pattern, "*norm*");
    cr_expect_str_eq(section->rules[1].pattern, "txt/in");
    cr_expect(section->rules[0].on_compute && section->rules[1].on_compute);
    cr_expect_eq(section->rules[0].line, 16);
    cr_expect_eq(section->rules[1].line, 16);
    cr_expect_not(section->rules[2].on_compute);
    cr_expect(vs_device_equal(section->rules[2].device, cuda(2)));
    cr_expect_eq(section->rules[2].line, 17);
    cr_expect_eq(section->line, 10);

    section++;
    cr_expect_eq(section->part, VS_PART_TEXT_ENCODER);
    cr_expect_eq(section->sharing, VS_SHARING_ON);
    cr_expect_not(section->on.is_compute);
    cr_expect(vs_device_equal(section->on.device, cpu_device));
    section++;
    cr_expect_eq(section->part, VS_PART_VAE);
    cr_expect(section->on.is_compute);
    section++;
    cr_expect_eq(section->sharing, VS_SHARING_VIRTUAL_VRAM);
    cr_expect_eq(vs_amount_bytes(&section->virtual_vram, 1000), 600);
    cr_expect_eq(section->order, VS_ORDER_DISTORCH);
    section++;
    cr_expect_eq(section->sharing, VS_SHARING_NONE);
    cr_expect_eq(section->order, VS_ORDER_SPREAD);
    vs_policy_free(&policy);
}

Test(policy, has_defaults)
{
    struct vs_policy policy = expect_policy("version: 1\n", "");
    cr_expect_not(policy.has_compute);
    cr_expect_not(policy.has_compute_reserve);
    cr_expect_eq(policy.compute_reserve_bytes, 1536 * MB);
    cr_expect_not(policy.has_host_reserve);
    cr_expect_eq(policy.host_reserve_bytes, 2 * GB);
    cr_expect_not(policy.has_donors);
    cr_assert_eq(policy.donor_count, 1);
    cr_expect(vs_device_equal(policy.donors[0].device, cpu_device));
    cr_expect_not(policy.donors[0].is_limited);
    cr_expect_not(policy.has_on_error);
    cr_expect_eq(policy.on_error, VS_ON_ERROR_STOP);
    cr_expect_eq(policy.section_count, 0);
    cr_expect_null(vs_policy_match(&policy, "anything.safetensors", VS_PART_ANY));
    vs_policy_free(&policy);
    policy = expect_policy("%YAML 1.1\n---\n# a comment\non-error: stop\nversion: 1\nmodels: []\n...\n", "");
    cr_expect_eq(policy.on_error, VS_ON_ERROR_STOP);
    vs_policy_free(&policy);
    policy = expect_policy("version: 1\ndonors: cuda:3:1g\n", ""); /* a single donor needs no brackets */
    cr_assert_eq(policy.donor_count, 1);
    cr_expect(vs_device_equal(policy.donors[0].device, cuda(3)));
    cr_expect_eq(policy.donors[0].limit_bytes, GB);
    vs_policy_free(&policy);
}

Test(policy, an_order_that_is_written_wins_over_the_one_that_distorch_implies)
{
    static const char *const texts[] = {"order: spread, distorch: \"cpu,*\"", "distorch: \"cpu,*\", order: spread"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        char yaml[128];
        snprintf(yaml, sizeof yaml, "version: 1\nmodels: [{match: \"a*\", %s}]\n", texts[i]);
        struct vs_policy policy = expect_policy(yaml, "");
        cr_expect_eq(policy.sections[0].order, VS_ORDER_SPREAD, "%s", texts[i]);
        vs_policy_free(&policy);
    }
}

Test(policy, a_section_is_a_wish_to_the_planner)
{
    struct vs_policy policy = expect_policy(whole_policy, "");
    struct vs_section_wish wish;
    vs_section_wish(&policy, &policy.sections[0], VS_PART_DIFFUSION, GB, cuda(7), &wish); /* distorch */
    cr_expect_str_eq(wish.wish.source, "p.yaml");
    cr_expect_eq(wish.wish.line, 8);
    cr_expect(vs_device_equal(wish.wish.compute, cuda(1)));
    cr_expect_not(wish.wish.text_encoder);
    cr_expect_eq(wish.wish.allocation, &wish.allocation);
    cr_expect_eq(wish.allocation.form, VS_DISTORCH_BYTES);
    cr_expect_eq(wish.allocation.count, 3);
    cr_expect_null(wish.wish.on);
    cr_expect_eq(wish.wish.order, VS_ORDER_DISTORCH);
    cr_expect_eq(wish.wish.rule_count, 0);
    cr_expect_eq(wish.wish.compute_reserve_bytes, 1536 * MB);
    cr_expect_eq(wish.wish.host_reserve_bytes, 3 * GB);

    vs_section_wish(&policy, &policy.sections[1], VS_PART_DIFFUSION, GB, cuda(7), &wish); /* virtual-vram: 14gb */
    cr_expect_eq(wish.wish.allocation, &wish.allocation);
    cr_expect_eq(wish.allocation.form, VS_DISTORCH_VIRTUAL);
    cr_expect_eq(wish.allocation.virtual_gb, 14.0);
    cr_assert_eq(wish.allocation.count, 3);
    cr_expect(vs_device_equal(wish.allocation.shares[0].device, cuda(0)));
    cr_expect_eq(wish.allocation.shares[0].amount, INFINITY);
    cr_expect_eq(wish.allocation.shares[1].amount, (double)(20 * GB));
    cr_expect_eq(wish.allocation.shares[2].amount, (double)(48 * GB));
    cr_expect_eq(wish.wish.order, VS_ORDER_LISTED);
    cr_expect_eq(wish.wish.rules, policy.sections[1].rules);
    cr_expect_eq(wish.wish.rule_count, 3);

    vs_section_wish(&policy, &policy.sections[2], VS_PART_TEXT_ENCODER, GB, cuda(7), &wish); /* on: cpu */
    cr_expect(wish.wish.text_encoder);
    cr_expect_null(wish.wish.allocation);
    cr_assert_eq(wish.wish.on, &wish.on);
    cr_expect(vs_device_equal(wish.on, cpu_device));
    vs_section_wish(&policy, &policy.sections[3], VS_PART_VAE, GB, cuda(7), &wish); /* on: compute */
    cr_assert_eq(wish.wish.on, &wish.on);
    cr_expect(vs_device_equal(wish.on, cuda(1)));
    vs_section_wish(&policy, &policy.sections[4], VS_PART_DIFFUSION, 10 * GB, cuda(7), &wish); /* 60% */
    cr_expect_eq(wish.allocation.virtual_gb, 6.0);
    vs_section_wish(&policy, &policy.sections[5], VS_PART_DIFFUSION, GB, cuda(7), &wish); /* nothing */
    cr_expect(!wish.wish.allocation && !wish.wish.on);
    vs_policy_free(&policy);
}

Test(policy, a_missing_device_is_cpu_only_for_what_is_written_as_a_text_encoder)
{
    struct vs_policy policy = expect_policy("version: 1\nmodels:\n- {match: \"a*\", part: text-encoder, on: cuda:5}\n"
                                            "- {match: \"b*\", on: cuda:5}\n- {match: \"c*\", part: vae, on: cuda:5}\n",
        "");
    struct vs_section_wish wish;
    for (size_t i = 0; i < 3; i++) {
        vs_section_wish(&policy, &policy.sections[i], VS_PART_TEXT_ENCODER, GB, cuda(0), &wish);
        cr_expect_eq(wish.wish.cpu_for_missing, i == 0, "section %zu", i);
    }
    vs_policy_free(&policy);
}

/* Where the policy names no compute device: the allocation's, else the program's first; who computes does not lend. */
Test(policy, the_programs_first_device_computes_where_nothing_names_another)
{
    struct vs_policy policy = expect_policy("version: 1\ndonors: [cuda:0, cuda:1]\nmodels:\n"
                                            "- {match: \"a*\", virtual-vram: 1gb}\n"
                                            "- {match: \"b*\", distorch: \"#cuda:1;4.0;cpu\"}\n",
        "");
    struct vs_section_wish wish;
    vs_section_wish(&policy, &policy.sections[0], VS_PART_DIFFUSION, GB, cuda(0), &wish);
    cr_expect(vs_device_equal(wish.wish.compute, cuda(0)));
    cr_assert_eq(wish.allocation.count, 1);
    cr_expect(vs_device_equal(wish.allocation.shares[0].device, cuda(1)));
    vs_section_wish(&policy, &policy.sections[1], VS_PART_DIFFUSION, GB, cuda(0), &wish);
    cr_expect(vs_device_equal(wish.wish.compute, cuda(1)));
    vs_policy_free(&policy);
}

Test(policy, an_unknown_device_for_a_text_encoder_is_cpu_with_a_warning)
{
    static const char *const names[] = {"xpu:0", "cuda:x", "gpu", "mps", "cuda"};
    for (size_t i = 0; i < COUNT(names); i++) {
        char yaml[128], expected[512];
        snprintf(
            yaml, sizeof yaml, "version: 1\nmodels:\n- on: %s\n  match: \"t5*\"\n  part: text-encoder\n", names[i]);
        struct vs_device_id device;
        snprintf(expected, sizeof expected,
            "p.yaml:3:7: warning: `%s` cannot hold weights: %s; the text encoder goes to `cpu`\n    - on: %s\n         "
            " ^\n"
            "  hint: write `cpu`, or a device that this machine has\n",
            names[i], vs_device_error_text(vs_device_parse(names[i], strlen(names[i]), &device)), names[i]);
        struct vs_policy policy = expect_policy(yaml, expected);
        cr_expect_eq(policy.sections[0].sharing, VS_SHARING_ON);
        cr_expect_not(policy.sections[0].on.is_compute);
        cr_expect(vs_device_equal(policy.sections[0].on.device, cpu_device));
        vs_policy_free(&policy);
    }
}

/* Columns count from the first letter inside the quotes, also where letters before it take several bytes. */
Test(policy, errors_point_into_the_allocation_string)
{
    static const char *const quotes[] = {"\"", "'", ""};
    for (size_t i = 0; i < COUNT(quotes); i++) {
        char yaml[256], expected[64];
        sprintf(yaml, "version: 1\nmodels: [{match: \"\xc3\xa4\", distorch: %scuda:0;gpu%s}]\n", quotes[i], quotes[i]);
        sprintf(expected, "p.yaml:2:%zu: error: `gpu` has no comma", 33 + strlen(quotes[i]) + 7);
        struct vs_diags diags = {0};
        struct vs_policy policy;
        cr_expect_eq(vs_policy_parse("p.yaml", yaml, strlen(yaml), &policy, &diags), -1);
        char *said = rendered(&diags);
        cr_expect_not_null(strstr(said, expected), "%s not in\n%s", expected, said);
        free(said);
    }
}

Test(policy, is_loaded_from_a_file_and_from_a_pipe)
{
    static const char text[] = "version: 1\n" SECTION;
    char path[] = "/tmp/vramspan-policy-XXXXXX";
    int descriptor = mkstemp(path), ends[2];
    struct vs_diags diags = {0};
    struct vs_policy policy;
    cr_assert_eq(write(descriptor, text, sizeof text - 1), (ssize_t)sizeof text - 1);
    close(descriptor);
    cr_expect_eq(vs_policy_load(path, &policy, &diags), 0);
    cr_expect_str_eq(policy.name, path);
    cr_expect_eq(policy.section_count, 1);
    vs_policy_free(&policy);
    unlink(path);

    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(write(ends[1], "version: 1\n", 11), 11);
    close(ends[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    cr_expect_eq(vs_policy_load(path, &policy, &diags), 0);
    vs_policy_free(&policy);
    close(ends[0]);
    cr_expect_eq(diags.count, 0);
}

Test(policy, a_file_that_cannot_be_read_is_an_error_with_its_reason)
{
    struct vs_diags diags = {0};
    struct vs_policy policy;
    cr_expect_eq(vs_policy_load("/nowhere/p.yaml", &policy, &diags), -1);
    cr_expect_eq(vs_policy_load("/dev/zero", &policy, &diags), -1);
    cr_expect_eq(diags.error_count, 2);
    char *said = rendered(&diags);
    cr_expect_str_eq(said,
        "/nowhere/p.yaml: error: cannot read the policy: No such file or directory\n"
        "  hint: check the path; a relative path counts from the folder in which the program was started\n"
        "/dev/zero: error: the policy is larger than 1048576 bytes\n"
        "  hint: check that this is the file that was meant\n");
    free(said);
}
