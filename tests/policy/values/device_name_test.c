/*
 * Device names.
 */
#include "../support.h"

#include <string.h>

TestSuite(device_name, .fini = expect_no_leaks);

Test(device_name, reads_and_writes_what_can_be_served)
{
    static const struct {
        const char *text;
        enum vs_device_family family;
        unsigned ordinal;
    } cases[] = {{"cpu", VS_DEVICE_CPU, 0}, {"cuda:0", VS_DEVICE_CUDA, 0}, {"cuda:1", VS_DEVICE_CUDA, 1},
        {"cuda:12", VS_DEVICE_CUDA, 12}, {"cuda:255", VS_DEVICE_CUDA, 255}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct vs_device_id device = {.family = VS_DEVICE_XPU, .ordinal = 77};
        cr_expect_eq(vs_device_parse(cases[i].text, strlen(cases[i].text), &device), VS_DEVICE_OK, "%s", cases[i].text);
        cr_expect_eq(device.family, cases[i].family, "%s", cases[i].text);
        cr_expect_eq(device.ordinal, cases[i].ordinal, "%s", cases[i].text);
        cr_expect_str_eq(vs_device_format(device).text, cases[i].text);
    }
}

Test(device_name, tells_why_a_name_cannot_be_used)
{
    static const struct {
        const char *text;
        enum vs_device_error error;
    } cases[] = {{"xpu:0", VS_DEVICE_UNSERVED}, {"npu:3", VS_DEVICE_UNSERVED}, {"mlu:0", VS_DEVICE_UNSERVED},
        {"mps", VS_DEVICE_UNSERVED}, {"directml:0", VS_DEVICE_UNSERVED}, {"corex:1", VS_DEVICE_UNSERVED},
        {"mps:0", VS_DEVICE_UNSERVED}, {"xpu", VS_DEVICE_UNSERVED}, {"", VS_DEVICE_UNKNOWN},
        {"gpu:0", VS_DEVICE_UNKNOWN}, {"CUDA:0", VS_DEVICE_UNKNOWN}, {"cud:0", VS_DEVICE_UNKNOWN},
        {"cudaa:0", VS_DEVICE_UNKNOWN}, {":0", VS_DEVICE_UNKNOWN}, {"cuda", VS_DEVICE_NO_ORDINAL},
        {"cuda:", VS_DEVICE_BAD_ORDINAL}, {"cuda:-1", VS_DEVICE_BAD_ORDINAL}, {"cuda:01", VS_DEVICE_BAD_ORDINAL},
        {"cuda:256", VS_DEVICE_BAD_ORDINAL}, {"cuda:4294967296", VS_DEVICE_BAD_ORDINAL},
        {"cuda:0 ", VS_DEVICE_BAD_ORDINAL}, {"cuda:1x", VS_DEVICE_BAD_ORDINAL}, {"cuda:0:0", VS_DEVICE_BAD_ORDINAL},
        {"cpu:0", VS_DEVICE_EXTRA_ORDINAL}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct vs_device_id device;
        enum vs_device_error error = vs_device_parse(cases[i].text, strlen(cases[i].text), &device);
        cr_expect_eq(error, cases[i].error, "`%s`: %d", cases[i].text, error);
        cr_expect_gt(strlen(vs_device_error_text(error)), 10);
        cr_expect_gt(strlen(vs_device_error_hint(error)), 10);
    }
}

Test(device_name, two_ordinals_and_two_families_are_different_devices)
{
    cr_expect(vs_device_equal(cuda(1), cuda(1)));
    cr_expect_not(vs_device_equal(cuda(0), cuda(1)));
    cr_expect_not(vs_device_equal(cuda(0), cpu_device));
}

Test(device_name, of_an_unserved_family_tells_what_it_is)
{
    static const char *const unserved[] = {"xpu:0", "npu", "mlu:3", "mps", "directml:0", "corex:1"};
    static const char *const others[] = {"cuda:0", "cpu", "gpu:0", ""};
    for (size_t i = 0; i < COUNT(unserved); i++)
        cr_expect_not_null(vs_device_family_what(unserved[i], strlen(unserved[i])), "%s", unserved[i]);
    for (size_t i = 0; i < COUNT(others); i++)
        cr_expect_null(vs_device_family_what(others[i], strlen(others[i])), "%s", others[i]);
}

Test(device_name, a_mistyped_one_has_a_guess)
{
    static const struct {
        const char *text, *meant; /* NULL: no guess */
    } cases[] = {{"gpu:1", "cuda:1"}, {"gpu0", "cuda:0"}, {"CUDA:2", "cuda:2"}, {"cuda7", "cuda:7"},
        {"cdua:3", "cuda:3"}, {"CPU", "cpu"}, {"cup", "cpu"}, {"ram", "cpu"}, {"host", "cpu"}, {"gpu", NULL},
        {"cpuu:1", NULL}, {"", NULL}, {"gpu:x", NULL}, {"gpu:256", NULL}, {"xpu:0", NULL}, {"cuda:x", NULL},
        {"flux", NULL}, {":1", NULL}, {"1", NULL}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct vs_device_id device;
        bool guessed = vs_device_suggest(cases[i].text, strlen(cases[i].text), &device);
        cr_expect_eq(guessed, cases[i].meant != NULL, "%s", cases[i].text);
        if (guessed && cases[i].meant)
            cr_expect_str_eq(vs_device_format(device).text, cases[i].meant);
    }
}
