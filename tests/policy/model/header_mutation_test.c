/*
 * Damaged model files at random: the files of models/ with bytes changed, numbers made extreme, pieces removed, doubled
 * or swapped. Whatever comes out: no crash (the sanitised build also sees overreads and leaks), and either it is read
 * with everything in its place, or one error at least says why. A share must be read and a share refused, else the test
 * would test nothing. (The fuzzers of tests/fuzz go deeper; this is what runs every day.)
 */
#include "../support.h"

#include "../../../policy/model/model.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MUTANTS = 10000, LONGEST = 32768 };

TestSuite(header_mutation, .fini = expect_no_leaks);

struct bytes {
    char *data;
    size_t length;
};

static size_t read_seed(const char *file, char *seed)
{
    char path[256];
    snprintf(path, sizeof path, SOURCE_ROOT "/tests/policy/models/%s", file);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = read(descriptor, seed, LONGEST);
    close(descriptor);
    cr_assert(length > 0 && length < LONGEST, "%s", path);
    return (size_t)length;
}

/* Changes the first `header` bytes: behind them is data, in which nothing can be wrong. */
static size_t mutate(char *text, size_t length, size_t header, uint64_t *random)
{
    static const uint64_t extremes[] = {
        0, 1, 31, 255, INT32_MAX, UINT32_MAX, INT64_MAX, UINT64_MAX, UINT64_C(1) << 61, UINT64_C(1) << 63};
    for (uint64_t changes = 1 + next_random(random) % 3; changes--;) {
        size_t at = next_random(random) % header, from = next_random(random) % header;
        size_t count = 1 + next_random(random) % 12;
        count = count < length - at ? count : length - at;
        count = count < length - from ? count : length - from;
        switch (next_random(random) % 7) {
        case 0:
            text[at] = (char)next_random(random);
            break;
        case 1:
            text[at] ^= (char)(1 << next_random(random) % 8);
            break;
        case 2:
            memmove(text + at, text + at + count, length - at - count);
            length -= count;
            break;
        case 3:
            memmove(text + at, text + from, count);
            break;
        case 4:
            if (length + count <= LONGEST) {
                memmove(text + at + count, text + at, length - at);
                length += count;
            }
            break;
        case 5:
            memcpy(text + at, &extremes[next_random(random) % COUNT(extremes)], count < 8 ? count : 8);
            break;
        default: /* cut off, seldom */
            if (next_random(random) % 16 == 0)
                length = at;
        }
        if (length <= header)
            break;
    }
    return length;
}

static ssize_t read_bytes(void *context, void *buffer, size_t bytes, uint64_t offset)
{
    const struct bytes *file = context;
    cr_assert_leq(offset + bytes, file->length); /* a reader knows the file's length */
    memcpy(buffer, file->data + offset, bytes);
    return (ssize_t)bytes;
}

/* Everything within the file, each byte once, each tensor in one part. Takes the header. */
static void check(struct vs_header *header)
{
    struct vs_diags diags = {0};
    struct vs_model model;
    uint64_t end = 0, sum = 0;
    for (size_t i = 0; i < header->tensor_count; i++) {
        const struct vs_tensor *tensor = &header->tensors[i];
        cr_assert_leq(tensor->bytes, header->file_bytes);
        cr_assert_leq(tensor->file_offset, header->file_bytes - tensor->bytes);
        cr_assert(!tensor->bytes || tensor->file_offset >= end);
        end = tensor->bytes ? tensor->file_offset + tensor->bytes : end;
    }
    cr_assert_eq(vs_model_init(&model, header, &diags), 0);
    for (int part = VS_PART_ANY + 1; part < VS_PART_COUNT; part++)
        sum += model.parts[part].bytes;
    cr_assert_eq(sum, model.parts[VS_PART_ANY].bytes);
    cr_assert_leq(sum, model.file.file_bytes);
    vs_model_free(&model);
}

static void run(const char *file, size_t header_bytes, uint64_t seed_number, size_t fewest_read)
{
    static char seed[LONGEST], text[LONGEST];
    size_t length = read_seed(file, seed), read = 0, refused = 0;
    uint64_t random = seed_number;
    for (int i = 0; i < MUTANTS; i++) {
        memcpy(text, seed, length);
        size_t mutated = mutate(text, length, header_bytes ? header_bytes : length, &random);
        struct bytes bytes = {malloc(mutated + 1), mutated}; /* a sanitiser sees what lies behind a block of its own */
        memcpy(bytes.data, text, mutated);
        struct vs_diags diags = {0};
        struct vs_header header;
        int result = vs_header_read(file, read_bytes, &bytes, mutated, &header, &diags);
        cr_assert_eq(result == 0, diags.error_count == 0);
        cr_assert_not(diags.out_of_memory);
        for (size_t k = 0; k < diags.count; k++)
            for (const char *c = diags.items[k].message; *c; c++)
                cr_assert((unsigned char)*c >= 0x20 && *c != 0x7f, "a control character: %s", diags.items[k].message);
        char *said = rendered(&diags);
        cr_assert(result == 0 || *said, "refused without a word");
        free(said);
        if (result == 0)
            check(&header);
        *(result ? &refused : &read) += 1;
        vs_header_free(&header);
        free(bytes.data);
    }
    cr_expect_geq(read, fewest_read, "%s: only %zu are read", file, read);
    cr_expect_gt(refused, MUTANTS / 4, "%s: only %zu are refused", file, refused);
}

Test(header_mutation, of_safetensors, .timeout = 300)
{
    run("types.safetensors", 1128, 1, MUTANTS / 20);
    run("checkpoint.safetensors", 600, 2, MUTANTS / 20);
}

Test(header_mutation, of_gguf, .timeout = 300)
{
    run("types.gguf", 2080, 3, MUTANTS / 20);
    run("folded.gguf", 448, 4, MUTANTS / 20);
}

Test(header_mutation, of_bare_headers, .timeout = 300)
{
    run("checkpoint-header.json", 0, 5, MUTANTS / 20);
}
