/* cudnn_dispatch_test.c: libcudnn.so.9 finds its functions by dlsym, under their own names. */
#include <criterion/criterion.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs the probe beside this program, with these variables before it; its output, and its status. */
static int run(const char *variables, char *output, size_t bytes)
{
    char self[4096], command[10000];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    size_t got;
    FILE *pipe;
    char *folder;

    cr_assert_gt(length, 0);
    self[length] = '\0';
    folder = dirname(self);
    /* Built with a sanitizer, its runtime wants to come before what is preloaded. */
    snprintf(command, sizeof command,
        "ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0 LD_PRELOAD=%s/simcuda_cudnn/watch_dlsym.so %s "
        "%s/simcuda_cudnn/probe 2>&1",
        folder, variables, folder);
    pipe = popen(command, "re");
    cr_assert_not_null(pipe);
    got = fread(output, 1, bytes - 1, pipe);
    output[got] = '\0';
    return pclose(pipe);
}

Test(cudnn_dispatch, each_call_looks_its_own_name_up_once_in_its_sub_library)
{
    char output[4096];

    cr_assert_eq(run("", output, sizeof output), 0, "%s", output);
    cr_assert_str_eq(output, "libcudnn_graph.so.9 cudnnGetVersion\n"
                             "libcudnn_graph.so.9 cudnnGetVersion\n"
                             "version 91900 91900\n"
                             "libcudnn_ops.so.9 cudnnCreateTensorDescriptor\n"
                             "libcudnn_cnn.so.9 cudnnCreateConvolutionDescriptor\n"
                             "libcudnn_ops.so.9 cudnnCreateFilterDescriptor\n"
                             "libcudnn_ops.so.9 cudnnSetFilter4dDescriptor\n"
                             "libcudnn_adv.so.9 cudnnCreateRNNDescriptor\n"
                             "simcuda: libcudnn_adv.so.9: cudnnCreateRNNDescriptor was called and is not simulated\n"
                             "result 0\nresult 0\nresult 0\nresult 0\nresult 3000\n");
}

Test(cudnn_dispatch, a_hook_that_answers_from_the_global_scope_calls_itself_for_ever)
{
    static char output[1 << 17];
    int status = run("WATCH_ANSWER=global", output, sizeof output);

    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 42, "status %d: %s", status, output);
    cr_assert_null(strstr(output, "version"), "the first call never ends");
}
