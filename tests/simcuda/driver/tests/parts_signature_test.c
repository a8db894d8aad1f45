/* parts_signature_test.c: pointers in the parameter lists of kernels. The names are those of real kernels, shortened.
 */
#include "signature.h"

#include <criterion/criterion.h>

static void expect(const char *demangled, unsigned parameter_count, size_t count, const struct sim_parameter *wanted)
{
    struct sim_signature *signature = sim_signature_parse(demangled);

    cr_assert_not_null(signature, "%s", demangled);
    cr_assert_eq(
        signature->parameter_count, parameter_count, "%s: %u parameters", demangled, signature->parameter_count);
    cr_assert_eq(signature->count, count, "%s: %zu with pointers", demangled, signature->count);
    for (size_t i = 0; i < count; i++) {
        cr_assert_eq(signature->parameters[i].index, wanted[i].index, "%s", demangled);
        cr_assert_eq(signature->parameters[i].pointers, wanted[i].pointers, "%s", demangled);
        cr_assert_eq(signature->parameters[i].writes, wanted[i].writes, "%s", demangled);
        cr_assert_eq(signature->parameters[i].offset, wanted[i].offset, "%s", demangled);
    }
    sim_signature_free(signature);
}

Test(signature, plain_pointers_are_written_and_const_ones_read)
{
    expect("f(float*, float const*, int)", 3, 2, (struct sim_parameter[]){{0, 1, true, 0}, {1, 1, false, 8}});
    expect("void g<c10::Half>(c10::Half const*, long, c10::Half*)", 3, 2,
        (struct sim_parameter[]){{0, 1, false, 0}, {2, 1, true, 16}});
    expect("f(float const* __restrict__, float* restrict)", 2, 2,
        (struct sim_parameter[]){{0, 1, false, 0}, {1, 1, true, 8}});
    expect("f(float**, char const* const*)", 2, 2, (struct sim_parameter[]){{0, 1, true, 0}, {1, 1, false, 8}});
}

Test(signature, the_first_pointer_of_an_array_is_the_output)
{
    expect("void at::native::vectorized_elementwise_kernel<4, at::native::FillFunctor<float>, std::array<char*, 1ul> >"
           "(int, at::native::FillFunctor<float>, std::array<char*, 1ul>)",
        3, 1, (struct sim_parameter[]){{2, 1, true, SIM_UNPLACED}});
    expect("void k<(anonymous namespace)::f(int, int)::{lambda()#1}, std::array<char*, 3ul>, (2)+(1)>"
           "(int, (anonymous namespace)::f(int, int)::{lambda()#1}, std::array<char*, 3ul>)",
        3, 1, (struct sim_parameter[]){{2, 3, true, SIM_UNPLACED}});
}

Test(signature, parameters_lie_behind_each_other_by_their_sizes_and_alignments)
{
    struct sim_signature *signature;

    expect("f(bool, short, int, float*, char, std::array<char*, 2ul>, unsigned int, double const*)", 8, 3,
        (struct sim_parameter[]){{3, 1, true, 8}, {5, 2, true, 24}, {7, 1, false, 48}});
    expect("f(float*, float const, long*, at::Size, int*)", 5, 3,
        (struct sim_parameter[]){{0, 1, true, 0}, {2, 1, true, 16}, {4, 1, true, SIM_UNPLACED}});
    signature = sim_signature_parse("f(float*, char)");
    cr_assert_eq(signature->packed_bytes, 9);
    sim_signature_free(signature);
}

Test(signature, structures_function_pointers_and_empty_lists_hold_nothing_that_is_judged)
{
    expect("f()", 0, 0, NULL);
    expect("f(at::TensorInfo<float, unsigned int>, long)", 2, 0, NULL);
    expect("f(void (*)(float*, int), float)", 2, 0, NULL);
    expect("f(std::array<float*, 2ul>)", 1, 0, NULL);
}

Test(signature, mangled_names_are_understood_and_others_are_not)
{
    struct sim_signature *signature = sim_signature_of("_Z5scalePfPKfi");

    cr_assert_not_null(signature);
    cr_assert_eq(signature->parameter_count, 3);
    cr_assert_eq(signature->count, 2);
    cr_assert(signature->parameters[0].writes);
    cr_assert_not(signature->parameters[1].writes);
    sim_signature_free(signature);
    cr_assert_null(sim_signature_of("plain_c_kernel"));
    cr_assert_null(sim_signature_of("_Z"));
    cr_assert_null(sim_signature_of("_Z5scaleQQQ"));
}
