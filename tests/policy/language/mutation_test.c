/*
 * Damaged input at random: a right policy, allocation string or header with bytes changed, removed, doubled or swapped.
 * Whatever comes out: no crash (the sanitised build also sees overreads and leaks), and either it is read, or at least
 * one error says why. A share of the mutants must be read and a share refused, else the test would test nothing.
 */
#include "../support.h"

#include "../../../policy/model/model.h"

#include <stdlib.h>
#include <string.h>

enum { MUTANTS = 20000, LONGEST = 4096 };

static size_t mutate(const char *seed_text, char *text, const char *alphabet, uint64_t *random)
{
    size_t length = strlen(seed_text);
    memcpy(text, seed_text, length);
    for (uint64_t changes = 1 + next_random(random) % 4; changes-- && length;) {
        size_t at = next_random(random) % length, from = next_random(random) % length;
        size_t count = 1 + next_random(random) % 12;
        count = count < length - at ? count : length - at;
        count = count < length - from ? count : length - from;
        switch (next_random(random) % 6) {
        case 0: /* a letter of the language */
            text[at] = alphabet[next_random(random) % strlen(alphabet)];
            break;
        case 1: /* any byte, NUL too */
            text[at] = (char)next_random(random);
            break;
        case 2: /* removed */
            memmove(text + at, text + at + count, length - at - count);
            length -= count;
            break;
        case 3: /* copied elsewhere */
            memmove(text + at, text + from, count);
            break;
        case 4: /* doubled */
            if (length + count <= LONGEST) {
                memmove(text + at + count, text + at, length - at);
                length += count;
            }
            break;
        default: /* cut off, seldom */
            if (next_random(random) % 8 == 0)
                length = at;
        }
    }
    return length;
}

struct tally {
    size_t read, refused;
};

/* What every reading must have done; frees the diagnostics. */
static void judge(int result, struct vs_diags *diags, struct tally *tally)
{
    cr_assert_eq(result == 0, diags->error_count == 0, "result %d with %zu errors", result, diags->error_count);
    cr_assert_not(diags->out_of_memory);
    for (size_t i = 0; i < diags->count; i++)
        for (const char *c = diags->items[i].message; *c; c++)
            cr_assert((unsigned char)*c >= 0x20 && *c != 0x7f, "a control character in: %s", diags->items[i].message);
    char *said = rendered(diags);
    cr_assert(result == 0 || *said, "refused without a word");
    free(said);
    *(result ? &tally->refused : &tally->read) += 1;
}

/* The text in a block of exactly its size, so that a sanitiser sees one byte too many. */
static char *exact_copy(const char *text, size_t length)
{
    char *copy = malloc(length ? length : 1);
    cr_assert_not_null(copy);
    memcpy(copy, text, length);
    return copy;
}

TestSuite(mutation, .fini = expect_no_leaks);

/* What a policy that was accepted has to fulfil, whatever the mutation was. */
static void check_policy(const struct vs_policy *policy)
{
    cr_assert(policy->donor_count >= 1 && policy->donor_count <= VS_DONORS_MAX);
    cr_assert(policy->has_donors || vs_device_equal(policy->donors[0].device, cpu_device));
    for (size_t i = 0; i < policy->donor_count; i++) {
        cr_assert(!policy->has_compute || !vs_device_equal(policy->donors[i].device, policy->compute));
        for (size_t k = 0; k < i; k++)
            cr_assert_not(vs_device_equal(policy->donors[i].device, policy->donors[k].device));
    }
    for (size_t i = 0; i < policy->section_count; i++) {
        const struct vs_policy_section *section = &policy->sections[i];
        cr_assert(section->globs.count && section->part <= VS_PART_VAE && section->order != VS_ORDER_DEFAULT);
        cr_assert(section->sharing != VS_SHARING_DISTORCH || section->distorch.count);
        cr_assert(!section->virtual_vram.is_part || section->virtual_vram.part_billionths <= 1000000000);
        for (size_t k = 0; k < section->rule_count; k++)
            cr_assert(section->rules[k].pattern && section->rules[k].line);
        struct vs_section_wish wish;
        cr_assert_leq(
            vs_rule_of(section->rules, section->rule_count, "model.blocks.1.mlp.weight", 6), section->rule_count);
        vs_section_wish(policy, section, VS_PART_DIFFUSION, 1000, cuda(0), &wish);
        cr_assert(!wish.wish.allocation || wish.allocation.count <= VS_SHARES_MAX + 1);
    }
    vs_policy_match(policy, "flux1-dev.safetensors", VS_PART_DIFFUSION);
}

Test(mutation, of_a_policy, .timeout = 300)
{
    static const char policy_text[] =
        "# comment\nversion: 1\ncompute: cuda:0\ncompute-reserve: 1.5gb\ndonors: [cuda:1, \"cpu:48gb\"]\n"
        "on-error: passthrough\nmodels:\n"
        "  - match: [\"v1-5-*.safetensors\", 'flux[12]-*', \"x*\"]\n"
        "    distorch: \"cuda:0,600mb;cuda:1,500mb;cpu,*\"\n"
        "  - match: \"wan*\"\n    part: diffusion\n    virtual-vram: 60.5%\n    order: listed\n    dtype: fp16\n"
        "    tensors:\n"
        "      - {match: \"*norm*\", on: compute}\n"
        "      - {match: [\"blocks.[0-9].*mlp*\", '?'], on: cuda:1}\n"
        "  - {match: \"t5*\", part: text-encoder, on: cpu}\n"
        "  - {match: \"*\", distorch: \"cpu,2.5gb\"}\n";
    struct vs_policy whole = expect_policy(policy_text, "");
    vs_policy_free(&whole);
    uint64_t random = 1;
    struct tally tally = {0};
    char text[LONGEST];
    for (int i = 0; i < MUTANTS; i++) {
        size_t length = mutate(policy_text, text, " \n\t\"'-:[]{},#&*!%0123456789", &random);
        char *copy = exact_copy(text, length);
        struct vs_diags diags = {0};
        struct vs_policy policy;
        int result = vs_policy_parse("p.yaml", copy, length, &policy, &diags);
        if (!result)
            check_policy(&policy);
        vs_policy_free(&policy);
        judge(result, &diags, &tally);
        free(copy);
    }
    cr_expect_gt(tally.read, MUTANTS / 20, "%zu", tally.read);
    cr_expect_gt(tally.refused, MUTANTS / 4, "%zu", tally.refused);
}

Test(mutation, of_an_allocation_string, .timeout = 300)
{
    uint64_t random = 2;
    struct tally tally = {0};
    char text[LONGEST];
    for (int i = 0; i < MUTANTS; i++) {
        size_t length = mutate("cuda:0,600mb;cuda:1,2.5gb;cuda:2,5;cpu,*", text, ";,*:.%#gmkbcpu0123456789 ", &random);
        char *copy = exact_copy(text, length);
        struct vs_source source = {.name = "s", .text = copy, .bytes = length};
        struct vs_diags diags = {0};
        struct vs_distorch allocation;
        int result = vs_distorch_read(copy, length, vs_place_at(&source, 0), true, &allocation, &diags);
        size_t wildcards = 0;
        for (size_t k = 0; !result && k < allocation.count; k++)
            wildcards += allocation.shares[k].wildcard;
        cr_assert(result || wildcards == (allocation.form == VS_DISTORCH_BYTES));
        judge(result, &diags, &tally);
        free(copy);
    }
    cr_expect_gt(tally.read, MUTANTS / 20, "%zu", tally.read);
    cr_expect_gt(tally.refused, MUTANTS / 4, "%zu", tally.refused);
}

/* What a header that was accepted has to fulfil, whatever the mutation was. */
static void check_model(const struct vs_header *file)
{
    uint64_t end = 0;
    for (size_t i = 0; i < file->tensor_count; i++) {
        const struct vs_tensor *tensor = &file->tensors[i];
        cr_assert_leq(tensor->bytes, file->file_bytes);
        cr_assert_leq(tensor->file_offset, file->file_bytes - tensor->bytes);
        cr_assert(!tensor->bytes || tensor->file_offset >= end);
        end = tensor->bytes ? tensor->file_offset + tensor->bytes : end;
    }
}

Test(mutation, of_a_header, .timeout = 300)
{
    static const char header[] =
        "{\"__metadata__\":{\"format\":\"pt\"},"
        "\"model.diffusion_model.a\":{\"dtype\":\"F16\",\"shape\":[2,3],\"data_offsets\":[0,12]},"
        "\"model.diffusion_model.b\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[12,16]},"
        "\"c\":{\"dtype\":\"U8\",\"shape\":[4,0],\"data_offsets\":[16,16]},"
        "\"d\":{\"dtype\":\"X\",\"shape\":[9],\"data_offsets\":[16,32]}}  ";
    struct vs_header whole = expect_header(header, 32);
    vs_header_free(&whole);
    uint64_t random = 3;
    struct tally tally = {0};
    char text[LONGEST];
    for (int i = 0; i < MUTANTS; i++) {
        size_t length = mutate(header, text, "\"{}[],:0123456789-.e\\u", &random);
        char *copy = exact_copy(text, length);
        struct vs_diags diags = {0};
        struct vs_header file;
        int result = vs_safetensors_parse("m", copy, length, 8 + length + 32, &file, &diags);
        free(copy); /* what was read does not refer to it */
        if (!result) {
            struct vs_model model;
            check_model(&file);
            cr_assert_eq(vs_model_init(&model, &file, &diags), 0);
            cr_assert_leq(model.total_bytes, 32);
            vs_model_free(&model);
        }
        vs_header_free(&file);
        judge(result, &diags, &tally);
    }
    cr_expect_gt(tally.read, MUTANTS / 20, "%zu", tally.read);
    cr_expect_gt(tally.refused, MUTANTS / 4, "%zu", tally.refused);
}
