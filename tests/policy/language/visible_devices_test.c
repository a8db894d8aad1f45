/*
 * Values of CUDA_VISIBLE_DEVICES, what the program and the driver see, and what is said where that cannot be.
 *
 * Which values name which devices was taken from PyTorch's torch/cuda/__init__.py (_parse_visible_devices) and the CUDA
 * C++ Programming Guide, "CUDA Environment Variables".
 */
#include "../support.h"

#include "../../../policy/language/settings.h"
#include "../../../policy/language/visible_devices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(visible, .fini = expect_no_leaks);

#define UUID_A "GPU-11111111-2222-3333-4444-555555555555"
#define UUID_B "GPU-aaaaaaaa-2222-3333-4444-555555555555"
#define MIG    "MIG-GPU-11111111-2222-3333-4444-555555555555/13/0"

/* --- Values ------------------------------------------------------------------------------------------------------- */

/* The entries, with `|` behind each. */
static void write_entries(const struct vs_visible *visible, char *text)
{
    *text = '\0';
    for (size_t i = 0; i < visible->count; i++)
        sprintf(text + strlen(text), "%s|", visible->entries[i].text);
}

Test(visible, a_value_names_devices_by_the_drivers_rules)
{
    static const struct {
        const char *value;
        size_t machine_count;
        const char *entries;
    } cases[] = {
        {NULL, 3, "0|1|2|"}, {"", 3, ""}, {"1", 3, "1|"}, {"2,0", 3, "2|0|"}, {"-1", 3, ""}, {"0,-1,1", 3, "0|"},
        {"0,7,1", 3, "0|"},                   /* the list ends at what is not there */
        {"0,7,1", 0, "0|7|1|"},               /* ... where the machine is known */
        {"0,0", 3, ""},                       /* a device named twice leaves none */
        {"1,2,1", 3, ""}, {"0,7,0", 3, "0|"}, /* ended before */
        {"0,00", 3, ""},                      /* the same number */
        {"1gpu,0x", 3, "1|0|"}, {" 1 , 2", 3, "1|2|"}, {"0,", 3, "0|"}, {"0,,1", 3, "0|"}, {",0", 3, ""},
        {"none", 3, ""}, {"99999999999999999999", 0, ""}, {UUID_A, 3, UUID_A "|"},
        {"GPU-1,GPU-a", 3, "GPU-1|GPU-a|"}, /* their beginnings */
        {"GPU-", 3, ""}, {UUID_A "," UUID_A, 3, ""}, {UUID_A " ," UUID_B, 3, UUID_A "|" UUID_B "|"},
        {UUID_A ",1," UUID_B, 3, UUID_A "|"}, /* numbers or UUIDs, as the first is */
        {"1," UUID_A, 3, "1|"}, {MIG, 3, MIG "|"}, {MIG "," UUID_A, 3, MIG "|"},
        {"GPU-0123456789012345678901234567890123456789012345678901234567890123456789", 3, ""}, /* longer than any */
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct vs_visible visible;
        char text[512];
        vs_visible_read(cases[i].value, cases[i].machine_count, &visible);
        write_entries(&visible, text);
        cr_expect_str_eq(text, cases[i].entries, "%s: %s", cases[i].value, text);
        for (size_t k = 0; k < visible.count; k++)
            cr_expect_eq(visible.entries[k].number, (int)k); /* numbered in the user's order */
    }
}

Test(visible, a_long_list_ends_where_there_is_no_more_room)
{
    char value[1024] = "";
    struct vs_visible visible;
    for (int i = 0; i < VS_VISIBLE_MAX + 5; i++)
        sprintf(value + strlen(value), "%sGPU-%d", i ? "," : "", i);
    vs_visible_read(value, 0, &visible);
    cr_expect_eq(visible.count, VS_VISIBLE_MAX);
    vs_visible_read(NULL, 0, &visible);
    cr_expect_eq(visible.count, VS_VISIBLE_MAX);
    vs_visible_read(NULL, 1000, &visible);
    cr_expect_eq(visible.count, VS_VISIBLE_MAX);
}

Test(visible, what_is_kept_tells_a_value_from_its_absence)
{
    const char *const values[] = {NULL, "", "0,1", UUID_A, "-1"};
    for (size_t i = 0; i < COUNT(values); i++) {
        const char *back = vs_visible_kept(vs_visible_keep(values[i]));
        cr_expect(values[i] ? back && !strcmp(back, values[i]) : !back);
    }
    struct vs_visible visible; /* to the driver, this is a value that names nothing */
    vs_visible_read(vs_visible_kept(vs_visible_keep("unset")), 3, &visible);
    cr_expect_eq(visible.count, 0);
}

/* --- The view ----------------------------------------------------------------------------------------------------- */

/* "1,0" or "" as cuda:1, cuda:0; `c` is cpu. */
static size_t devices_of(const char *text, struct vs_device_id devices[VS_DONORS_MAX])
{
    size_t count = 0;
    for (const char *at = text; *at; at++)
        if (*at != ',')
            devices[count++] = *at == 'c' ? cpu_device : cuda((unsigned)(*at - '0'));
    return count;
}

Test(visible, the_programs_devices_come_first_and_the_lenders_behind_them)
{
    static const struct {
        const char *user;
        size_t machine_count;
        const char *own, *devices, *donors;
        bool hides;
        const char *narrowed, *widened, *numbers; /* numbers: of the user, in the driver's order; - for none */
        int missing, conflict;
    } cases[] = {
        /* absent, numbers, UUIDs */
        {NULL, 2, NULL, "1", "0c", true, "1", "1,0", "10", -1, -1},
        {"3,5", 8, NULL, "1", "0c", true, "5", "5,3", "10", -1, -1},
        {UUID_A "," UUID_B, 2, NULL, "1", "0c", true, UUID_B, UUID_B "," UUID_A, "10", -1, -1},
        {"2,0,1", 3, NULL, "2,0", "1", true, "1,2", "1,2,0", "201", -1, -1},
        /* only one of the two is said */
        {NULL, 3, NULL, "2,0", "c", false, "2,0", "2,0", "20", -1, -1},
        {NULL, 3, NULL, "", "1c", true, "0,2", "0,2,1", "021", -1, -1},
        {"7,6", 8, NULL, "", "0", true, "6", "6,7", "10", -1, -1},
        /* a policy's donors lend and are not hidden; one that the program sees is not named twice */
        {NULL, 3, NULL, "", "1", false, "0,1,2", "0,1,2", "012", -1, -1},
        {NULL, 3, NULL, "0,1", "1,2", false, "0,1", "0,1,2", "012", -1, -1},
        {NULL, 3, NULL, "0", "1", false, "0", "0,1", "01", -1, -1},
        /* what is not there */
        {NULL, 2, NULL, "5", "0", true, "", "0", "0", 5, -1},
        {NULL, 2, NULL, "0", "1,4", true, "0", "0,1", "01", 4, -1},
        {"0,1,7", 2, NULL, "2", "0", true, "", "0", "0", 2, -1},
        {"", 2, NULL, "0", "", true, "", "", "", 0, -1},
        {NULL, 1, NULL, "", "0", true, "", "0", "0", -1, -1}, /* nothing is left to the program */
        /* somebody has set the variable */
        {NULL, 3, "2", "1", "0", true, "2", "2,0", "20", -1, -1},
        {NULL, 3, "0,1", "1", "0", true, "0,1", "0,1", "01", -1, 0},
        {NULL, 3, "", "1", "0", true, "", "0", "0", -1, -1},
        {"3,5", 8, "5,6", "1", "0", true, "5,6", "5,6,3", "1-0", -1, -1},
        {NULL, 3, "1", "1", "0", false, "1", "1,0", "10", -1, -1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct vs_visible user, own;
        struct vs_device_id devices[VS_DONORS_MAX], lenders[VS_DONORS_MAX];
        struct vs_donor donors[VS_DONORS_MAX] = {0};
        struct vs_device_view view;
        char value[VS_VISIBLE_VALUE_BYTES], numbers[VS_VISIBLE_MAX + 1] = "";
        size_t donor_count = devices_of(cases[i].donors, lenders);
        for (size_t k = 0; k < donor_count; k++)
            donors[k].device = lenders[k];
        struct vs_device_wish wish = {.devices = devices,
            .device_count = devices_of(cases[i].devices, devices),
            .donors = donors,
            .donor_count = donor_count,
            .hides_donors = cases[i].hides};
        vs_visible_read(cases[i].user, cases[i].machine_count, &user);
        if (cases[i].own)
            vs_visible_read(cases[i].own, cases[i].machine_count, &own);
        vs_device_view_make(&user, cases[i].own ? &own : NULL, &wish, &view);
        vs_device_view_value(&view, view.seen_count, value);
        cr_expect_str_eq(value, cases[i].narrowed, "case %zu: narrowed %s", i, value);
        vs_device_view_value(&view, view.driver.count, value);
        cr_expect_str_eq(value, cases[i].widened, "case %zu: widened %s", i, value);
        for (size_t k = 0; k < view.driver.count; k++)
            numbers[k] = view.driver.entries[k].number < 0 ? '-' : (char)('0' + view.driver.entries[k].number);
        cr_expect_str_eq(numbers, cases[i].numbers, "case %zu: %s", i, numbers);
        cr_expect_eq(view.missing, cases[i].missing, "case %zu: %d", i, view.missing);
        cr_expect_eq(view.conflict, cases[i].conflict, "case %zu: %d", i, view.conflict);
        for (unsigned number = 0; number < 10; number++) {
            const char *at = strchr(numbers, (char)('0' + number));
            cr_expect_eq(vs_device_view_ordinal(&view, number), at ? (int)(at - numbers) : -1, "case %zu", i);
        }
    }
}

Test(visible, the_longest_list_is_written_whole)
{
    char entry[VS_VISIBLE_ENTRY_BYTES], value[VS_VISIBLE_VALUE_BYTES];
    struct vs_device_view view = {.driver.count = VS_VISIBLE_MAX};
    memset(entry, 'x', sizeof entry - 1);
    entry[sizeof entry - 1] = '\0';
    for (size_t i = 0; i < VS_VISIBLE_MAX; i++)
        strcpy(view.driver.entries[i].text, entry);
    vs_device_view_value(&view, VS_VISIBLE_MAX, value);
    cr_expect_eq(strlen(value), VS_VISIBLE_MAX * sizeof entry - 1);
    cr_expect_str_eq(value + strlen(value) - sizeof entry + 1, entry);
}

/* --- What cannot be ----------------------------------------------------------------------------------------------- */

static const char *variable(void *context, const char *name)
{
    size_t length = strlen(name);
    for (const char *const *entry = context; *entry; entry++)
        if (!strncmp(*entry, name, length) && (*entry)[length] == '=')
            return *entry + length + 1;
    return NULL;
}

/* Loads from an environment, both ways, and fails the test unless exactly `expected` is said by both. */
static void expect_said(const char *const *environment, int wanted, const char *expected)
{
    struct vs_said said = {.variable = variable, .context = (void *)environment};
    struct vs_settings settings;
    struct vs_diags diags = {0};
    cr_expect_eq(vs_settings_load(&said, &settings, &diags), wanted);
    char *text = rendered(&diags);
    cr_expect_str_eq(text, expected);
    free(text);
    vs_settings_free(&settings);
    diags = (struct vs_diags){0};
    cr_expect_eq(vs_settings_load_devices(&said, &settings, &diags), wanted);
    text = rendered(&diags);
    cr_expect_str_eq(text, expected);
    free(text);
}

#define COUNTS_HINT                                                                                                    \
    "  hint: numbers count the entries of CUDA_VISIBLE_DEVICES: `cuda:0` is its first; correct one of the two\n"

Test(visible, a_number_beyond_the_users_list_is_told)
{
    static const char second[] =
        "VRAMSPAN_DEVICES:1:8: error: there is no `cuda:2`: CUDA_VISIBLE_DEVICES is `3,5`, which names 2 devices\n"
        "    cuda:1,cuda:2\n           ^\n" COUNTS_HINT;
    expect_said((const char *const[]){"CUDA_VISIBLE_DEVICES=3,5", "VRAMSPAN_DEVICES=cuda:1,cuda:2", NULL}, -1, second);
    /* In a child the kept value counts, whatever the narrowed one is. */
    expect_said((const char *const[]){"CUDA_VISIBLE_DEVICES=3", "VRAMSPAN_USER_VISIBLE_DEVICES=3,5",
                    "VRAMSPAN_DEVICES=cuda:1,cuda:2", NULL},
        -1, second);
    expect_said((const char *const[]){"CUDA_VISIBLE_DEVICES=3", "VRAMSPAN_USER_VISIBLE_DEVICES=unset",
                    "VRAMSPAN_DEVICES=cuda:1,cuda:2", NULL},
        0, "");
    expect_said((const char *const[]){"CUDA_VISIBLE_DEVICES=" UUID_A, "VRAMSPAN_DONORS=cpu,cuda:1:2gb", NULL}, -1,
        "VRAMSPAN_DONORS:1:5: error: there is no `cuda:1`: CUDA_VISIBLE_DEVICES is `" UUID_A
        "`, which names 1 device\n    cpu,cuda:1:2gb\n        ^\n" COUNTS_HINT);
    expect_said((const char *const[]){"CUDA_VISIBLE_DEVICES=", "VRAMSPAN_DEVICES=cuda:0", NULL}, -1,
        "VRAMSPAN_DEVICES:1:1: error: there is no `cuda:0`: CUDA_VISIBLE_DEVICES is ``, which names 0 devices\n"
        "    cuda:0\n    ^\n" COUNTS_HINT);
    expect_said(
        (const char *const[]){"CUDA_VISIBLE_DEVICES=3,5", "VRAMSPAN_DEVICES=cuda:1", "VRAMSPAN_DONORS=cuda:0", NULL}, 0,
        "");
    expect_said((const char *const[]){"VRAMSPAN_DEVICES=cuda:40", NULL}, 0, ""); /* nothing here knows the machine */
}

Test(visible, a_program_that_is_left_without_a_gpu_is_told)
{
    expect_said((const char *const[]){"CUDA_VISIBLE_DEVICES=1", "VRAMSPAN_DONORS=cuda:0,cpu", NULL}, -1,
        "VRAMSPAN_DONORS:1:1: error: no GPU is left for the program: all that CUDA_VISIBLE_DEVICES names (`1`) are to "
        "lend memory\n    cuda:0,cpu\n    ^\n"
        "  hint: leave one of them out, or add a device to CUDA_VISIBLE_DEVICES\n");
}

static void write_policy(char path[64], const char *text)
{
    strcpy(path, "/tmp/vramspan-visible-XXXXXX");
    int descriptor = mkstemp(path);
    cr_assert_geq(descriptor, 0);
    cr_assert_eq(write(descriptor, text, strlen(text)), (ssize_t)strlen(text));
    close(descriptor);
}

Test(visible, a_policys_device_that_is_neither_seen_nor_lends_is_told)
{
    static const struct {
        const char *policy, *devices, *donors;
        const char *wrong; /* LINE DEVICE, each ended by a blank */
    } cases[] = {
        {"models: [{match: \"a*\", on: cuda:1}]\n", "cuda:0", "", "2 cuda:1 "},
        {"models: [{match: \"a*\", on: cuda:1}]\n", "cuda:0", "cuda:1", ""},
        {"models: [{match: \"a*\", on: cuda:1}]\n", "cuda:0,cuda:1", "", ""},
        {"models: [{match: \"a*\", on: cuda:1}]\n", "", "cuda:2", ""}, /* seen: only donors are hidden */
        {"models: [{match: \"a*\", on: compute}]\n", "cuda:2", "", ""},
        {"donors: [cuda:1]\nmodels: [{match: \"a*\", on: cuda:1}]\n", "cuda:0", "", ""},
        {"donors: [cuda:1]\nmodels: [{match: \"a*\", on: cuda:1}]\n", "cuda:0", "cpu", "3 cuda:1 "},
        {"models: [{match: \"a*\", distorch: \"cuda:0,1gb;cuda:3,1gb;cpu,*\"}]\n", "cuda:0", "cuda:1", "2 cuda:3 "},
        {"models:\n- {match: \"a*\", tensors: [{match: \"b\", on: cuda:1}, {match: \"c\", on: cuda:2}]}\n"
         "- {match: \"d*\", on: cuda:2}\n",
            "cuda:0", "", "3 cuda:1 3 cuda:2 "},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char path[64], yaml[512], policy[128], devices[64], donors[64], expected[1024] = "";
        snprintf(yaml, sizeof yaml, "version: 1\n%s", cases[i].policy);
        write_policy(path, yaml);
        sprintf(policy, "VRAMSPAN_POLICY=%s", path);
        sprintf(devices, "VRAMSPAN_DEVICES=%s", cases[i].devices);
        sprintf(donors, "VRAMSPAN_DONORS=%s", cases[i].donors);
        unsigned line;
        int used;
        char device[16];
        for (const char *at = cases[i].wrong; sscanf(at, "%u %15s %n", &line, device, &used) == 2; at += used)
            sprintf(expected + strlen(expected),
                "%s:%u: error: `%s` is to hold weights: the program does not see it, and it is no donor\n"
                "  hint: add it to the donors (VRAMSPAN_DONORS, --donors or `donors`), or to the devices that the "
                "program sees\n",
                path, line, device);
        struct vs_said said = {
            .variable = variable, .context = (void *)(const char *const[]){policy, devices, donors, NULL}};
        struct vs_settings settings;
        struct vs_diags diags = {0};
        cr_expect_eq(vs_settings_load(&said, &settings, &diags), *expected ? -1 : 0, "case %zu", i);
        char *text = rendered(&diags);
        cr_expect_str_eq(text, expected, "case %zu: %s", i, text);
        free(text);
        vs_settings_free(&settings);
        unlink(path);
    }
}

Test(visible, an_allocation_that_computes_on_a_hidden_donor_is_told)
{
    char path[64], policy[128], expected[512];
    write_policy(path, "version: 1\nmodels: [{match: \"a*\", distorch: \"cpu,*#cuda:2\"}]\n");
    sprintf(policy, "VRAMSPAN_POLICY=%s", path);
    snprintf(expected, sizeof expected,
        "%s:2: error: `cuda:2` is to compute, and is hidden from the program as a donor\n"
        "  hint: name a device that the program sees behind the `#`, or leave that out\n",
        path);
    static const struct {
        const char *donors;
        bool is_wrong;
    } cases[] = {{"VRAMSPAN_DONORS=cuda:2", true}, {"VRAMSPAN_DONORS=cuda:0,cuda:1", false}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct vs_said said = {
            .variable = variable, .context = (void *)(const char *const[]){policy, cases[i].donors, NULL}};
        struct vs_settings settings;
        struct vs_diags diags = {0};
        cr_expect_eq(vs_settings_load(&said, &settings, &diags), cases[i].is_wrong ? -1 : 0);
        char *text = rendered(&diags);
        cr_expect_str_eq(text, cases[i].is_wrong ? expected : "");
        free(text);
        vs_settings_free(&settings);
    }
    unlink(path);
}

Test(visible, the_programs_first_device_is_the_first_that_is_left_to_it)
{
    static const struct {
        const char *devices, *donors;
        unsigned first;
    } cases[] = {{"", "", 0}, {"", "cpu", 0}, {"", "cuda:1", 0}, {"", "cuda:0", 1}, {"", "cuda:1,cuda:0,cpu", 2},
        {"cuda:2,cuda:1", "cuda:0", 2}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        char devices[64], donors[64];
        sprintf(devices, "VRAMSPAN_DEVICES=%s", cases[i].devices);
        sprintf(donors, "VRAMSPAN_DONORS=%s", cases[i].donors);
        struct vs_said said = {.variable = variable, .context = (void *)(const char *const[]){devices, donors, NULL}};
        struct vs_settings settings;
        struct vs_diags diags = {0};
        cr_assert_eq(vs_settings_load(&said, &settings, &diags), 0);
        cr_expect_eq(diags.count, 0);
        cr_expect(vs_device_equal(vs_settings_first_device(&settings), cuda(cases[i].first)), "case %zu", i);
        vs_settings_free(&settings);
    }
}
