/* policy_test.c: whole processes under the preload with policies that cannot be honoured, and with settings in other
 * places than a policy file. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

Test(process, a_broken_policy_stops_the_program_and_says_where)
{
    char output[8192], command[600];
    use_policy_text("version: 1\nmodels:\n  - match: \"*.safetensors\"\n    distroch: \"cpu,*\"\n");
    snprintf(command, sizeof command, "%s /dev/null 16", program("exiting"));
    cr_expect_eq(run(command, output), 78, "%s", output);
    cr_expect(strstr(output, "policy.yaml:4:5: error"), "%s", output);
    cr_expect(strstr(output, "did you mean"), "%s", output);
}

Test(process, a_policy_that_is_not_there_is_told)
{
    char output[8192], command[600];
    setenv("VRAMSPAN_POLICY", "/nowhere/at-all.yaml", 1);
    snprintf(command, sizeof command, "%s /dev/null 16", program("exiting"));
    cr_expect_eq(run(command, output), 78);
    cr_expect(strstr(output, "/nowhere/at-all.yaml"), "%s", output);
}

Test(process, a_broken_policy_is_survived_where_it_says_so)
{
    char output[8192], command[600];
    use_policy_text("version: 1\non-error: passthrough\nmodels: 7\n");
    snprintf(command, sizeof command, "%s /dev/null 16", program("exiting"));
    cr_expect_eq(run(command, output), 0, "%s", output);
    cr_expect(strstr(output, "policy.yaml:3:9: error"), "%s", output);
    cr_expect(strstr(output, "stepping aside"), "%s", output);
}

Test(process, settings_without_a_file_are_heard)
{
    static const char *const cases[][2] = {
        {"VRAMSPAN_VIRTUAL_VRAM=8gig", "VRAMSPAN_VIRTUAL_VRAM:1:2: error: `8gig` is no size"},
        {"VRAMSPAN_DISTORCH='cuda:0,50%;cpu'", "VRAMSPAN_DISTORCH:1:"},
    };
    char output[8192], command[700];
    unsetenv("VRAMSPAN_POLICY");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(command, sizeof command, "%s %s /dev/null 16", cases[i][0], program("exiting"));
        cr_expect_eq(run(command, output), 78, "%s: %s", cases[i][0], output);
        cr_expect(strstr(output, cases[i][1]), "%s", output);
    }
    snprintf(command, sizeof command, "VRAMSPAN_DISTORCH='cpu,*' %s /dev/null 16", program("exiting"));
    cr_expect_eq(run(command, output), 0, "%s", output);
    cr_expect(strstr(output, "VRAMSPAN_DISTORCH, 1 model section, is in force"), "%s", output);
    snprintf(command, sizeof command, "VRAMSPAN_DISTORCH= %s /dev/null 16", program("exiting"));
    cr_expect_eq(run(command, output), 0, "%s", output);
    cr_expect_null(strstr(output, "policy"), "%s", output);
}

Test(process, without_any_setting_the_users_own_folder_is_heard)
{
    char output[8192], command[700], home[] = "/tmp/vramspan-own-XXXXXX", file[128];
    cr_assert(mkdtemp(home));
    unsetenv("VRAMSPAN_POLICY");
    setenv("XDG_CONFIG_HOME", home, 1);
    snprintf(command, sizeof command, "mkdir %s/vramspan && %s /dev/null 16", home, program("exiting"));
    cr_expect_eq(run(command, output), 0, "%s", output);
    cr_expect_null(strstr(output, "policy"), "an empty folder is none: %s", output);
    snprintf(file, sizeof file, "%s/vramspan/my.yaml", home);
    FILE *policy = fopen(file, "w");
    cr_assert(policy);
    fputs("version: 1\nmodels: [{match: \"a*\", distorch: \"cpu,*\"}]\n", policy);
    fclose(policy);
    snprintf(command, sizeof command, "%s /dev/null 16", program("exiting"));
    cr_expect_eq(run(command, output), 0, "%s", output);
    cr_expect(strstr(output, "/vramspan, 1 model section, is in force"), "%s", output);
    snprintf(command, sizeof command, "rm -r %s", home);
    cr_expect_eq(run(command, output), 0);
}

Test(process, a_missing_symbol_stops_the_program_with_one_line)
{
    char output[8192];
    use_policy("cpu,*");
    cr_expect_eq(run(program("old_program"), output), 78);
    cr_expect_eq(occurrences(output, "\n"), 2, "%s", output); /* the policy in force, and the reason */
    cr_expect(strstr(output, "libcudart.so.12 lacks cudaMallocAsync"), "%s", output);
    cr_expect(strstr(output, "or unset VRAMSPAN_POLICY\n"), "%s", output);
}

/* The remedy is for what the policy came from. */
Test(process, a_missing_symbol_is_told_with_a_way_out_wherever_the_policy_is_from)
{
    char output[8192], command[700];
    unsetenv("VRAMSPAN_POLICY");
    snprintf(command, sizeof command, "VRAMSPAN_VIRTUAL_VRAM=4gb %s", program("old_program"));
    cr_expect_eq(run(command, output), 78);
    cr_expect(strstr(output, "or unset VRAMSPAN_VIRTUAL_VRAM\n"), "%s", output);
    snprintf(command, sizeof command, "VRAMSPAN_DISTORCH='cpu,*' %s", program("old_program"));
    cr_expect_eq(run(command, output), 78);
    cr_expect(strstr(output, "or unset VRAMSPAN_DISTORCH\n"), "%s", output);

    use_policy("cpu,*"); /* as a file of the user's folder */
    snprintf(command, sizeof command,
        "home=$(dirname $VRAMSPAN_POLICY)/home && mkdir -p $home/vramspan && cp $VRAMSPAN_POLICY $home/vramspan && "
        "env -u VRAMSPAN_POLICY XDG_CONFIG_HOME=$home %s",
        program("old_program"));
    cr_expect_eq(run(command, output), 78);
    cr_expect(strstr(output, "or take the policies out of /"), "%s", output);
    cr_expect(strstr(output, "/home/vramspan\n"), "%s", output);
}

Test(process, a_missing_symbol_is_survived_where_the_policy_says_so)
{
    char output[8192];
    use_policy_text(
        "version: 1\non-error: passthrough\nmodels:\n  - match: \"*.safetensors\"\n    distorch: \"cpu,*\"\n");
    cr_expect_eq(run(program("old_program"), output), 0, "%s", output);
    cr_expect_eq(occurrences(output, "stepping aside"), 1, "%s", output); /* however many functions are called */
    cr_expect_eq(occurrences(output, " lacks "), 1, "%s", output);
    cr_expect(strstr(output, "cudaMalloc returned 0\nit counts 2\n"), "%s", output);
    setenv("VRAMSPAN_DONORS", "cuda:1,cpu", 1); /* is not shown, since nothing will be placed there */
    cr_expect_eq(run(program("old_program"), output), 0, "%s", output);
    cr_expect(strstr(output, "it counts 1\n"), "%s", output);
}

Test(process, without_a_policy_an_unknown_cuda_runs_as_ever)
{
    char output[8192];
    unsetenv("VRAMSPAN_POLICY");
    cr_expect_eq(run(program("old_program"), output), 0);
    cr_expect_str_eq(output, "cudaMalloc returned 0\nit counts 2\n");
}

/* CUDA may be gone by then, and other libraries with it: of what is asked of them at the end of a load nothing is. */
Test(process, a_load_that_is_open_at_the_end_is_told_without_asking_the_driver)
{
    const size_t sizes[] = {MIB, MIB, MIB};
    use_policy("cuda:0,*");
    setenv("VRAMSPAN_LOG", "info", 1);
    char text[8192];
    size_t length = 0;
    ssize_t got;
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    pid_t program = fork();
    if (program == 0) {
        void *weights[2];
        dup2(ends[1], STDERR_FILENO);
        open_model(make_model(sizes, 3));
        for (int i = 0; i < 2; i++) /* which it keeps */
            CUDA_OK(cudaMalloc(&weights[i], MIB));
        exit(0);
    }
    close(ends[1]);
    while ((got = read(ends[0], text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)got;
    text[length] = '\0';
    cr_assert_eq(waitpid(program, NULL, 0), program);
    cr_expect(strstr(text, "not placed               1"), "%s", text);
    cr_expect(!strstr(text, "usage: "), "%s", text);
    cr_expect(strstr(text, "end of run: cuda:0 held 2 weights"), "%s", text);
}
