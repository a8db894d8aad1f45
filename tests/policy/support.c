/*
 * Reading and comparing. See support.h.
 */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

const struct vs_device_id cpu_device = {.family = VS_DEVICE_CPU};

struct vs_device_id cuda(unsigned ordinal)
{
    return (struct vs_device_id){.family = VS_DEVICE_CUDA, .ordinal = ordinal};
}

uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

char *rendered(struct vs_diags *diags)
{
    struct vs_text text = {0};
    vs_text_append(&text, "", 0);
    vs_diags_render(diags, &text);
    vs_diags_free(diags);
    return text.data;
}

static void expect_said(struct vs_diags *diags, const char *about, const char *expected)
{
    char *said = rendered(diags);
    cr_expect(!strcmp(said, expected), "about\n%s\nwas said\n%s\nand not\n%s", about, said, expected);
    free(said);
}

void expect_policy_errors(const char *yaml, const char *expected)
{
    struct vs_diags diags = {0};
    struct vs_policy policy;
    cr_expect_eq(vs_policy_parse("p.yaml", yaml, strlen(yaml), &policy, &diags), -1, "accepted:\n%s", yaml);
    cr_expect_gt(diags.error_count, 0);
    cr_expect_null(policy.sections);
    expect_said(&diags, yaml, expected);
}

struct vs_policy expect_policy(const char *yaml, const char *expected)
{
    struct vs_diags diags = {0};
    struct vs_policy policy;
    int result = vs_policy_parse("p.yaml", yaml, strlen(yaml), &policy, &diags);
    expect_said(&diags, yaml, expected);
    cr_assert_eq(result, 0, "refused:\n%s", yaml);
    return policy;
}

static int read_string(const char *string, struct vs_distorch *allocation, struct vs_diags *diags)
{
    struct vs_source source = {.name = "string", .text = string, .bytes = strlen(string)};
    return vs_distorch_read(string, strlen(string), vs_place_at(&source, 0), true, allocation, diags);
}

void expect_distorch_errors(const char *string, const char *expected)
{
    struct vs_diags diags = {0};
    struct vs_distorch allocation;
    cr_expect_eq(read_string(string, &allocation, &diags), -1, "accepted: %s", string);
    cr_expect_gt(diags.error_count, 0);
    expect_said(&diags, string, expected);
}

struct vs_distorch expect_distorch(const char *string, const char *expected)
{
    struct vs_diags diags = {0};
    struct vs_distorch allocation;
    int result = read_string(string, &allocation, &diags);
    expect_said(&diags, string, expected);
    cr_assert_eq(result, 0, "refused: %s", string);
    return allocation;
}

void expect_header_errors(const char *json, uint64_t data_bytes, const char *expected)
{
    struct vs_diags diags = {0};
    struct vs_header model;
    size_t length = strlen(json);
    cr_expect_eq(
        vs_safetensors_parse("m", json, length, 8 + length + data_bytes, &model, &diags), -1, "accepted: %s", json);
    cr_expect_gt(diags.error_count, 0);
    cr_expect_null(model.tensors);
    expect_said(&diags, json, expected);
}

struct vs_header expect_header(const char *json, uint64_t data_bytes)
{
    struct vs_diags diags = {0};
    struct vs_header model;
    size_t length = strlen(json);
    int result = vs_safetensors_parse("m", json, length, 8 + length + data_bytes, &model, &diags);
    expect_said(&diags, json, "");
    cr_assert_eq(result, 0, "refused: %s", json);
    return model;
}

void expect_no_leaks(void)
{
#ifdef __SANITIZE_ADDRESS__
    if (__lsan_do_recoverable_leak_check())
        abort(); /* an assertion in a .fini is printed and not counted */
#endif
}

ssize_t read_text_and_zeros(void *context, void *buffer, size_t bytes, uint64_t offset)
{
    const struct vs_text *file = context;
    size_t there = offset < file->length ? file->length - (size_t)offset : 0;
    there = there < bytes ? there : bytes;
    memcpy(buffer, file->data + (there ? offset : 0), there);
    memset((char *)buffer + there, 0, bytes - there);
    return (ssize_t)bytes;
}
