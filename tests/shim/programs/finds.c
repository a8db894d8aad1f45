/* finds.c: what a program finds that looks functions up, as a TAP test. It runs under the preload.
 *
 *     finds acting     a policy names models: the table's functions are ours
 *     finds hiding     ... and a donor is hidden: those that act only then are ours, too
 *     finds idle       nothing is to be done: all are the driver's own
 */
#include <cuda.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../simcuda/simcuda.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* References of a program that was linked with an older libc, and with a newer one. */
extern void *dlsym_older(void *library, const char *name);
extern void *dlsym_newer(void *library, const char *name);
extern void *dlopen_older(const char *path, int flags);
__asm__(".symver dlsym_older, dlsym@GLIBC_2.2.5");
__asm__(".symver dlsym_newer, dlsym@GLIBC_2.34");
__asm__(".symver dlopen_older, dlopen@GLIBC_2.2.5");

const char *a_next(void), *b_next(void), *chain_name(void);

static const struct row {
    const char *symbol, *name;
    int since;
    bool per_thread;
    const char *kind;
} rows[] = {
#define ROW(symbol, name, since, per_thread, kind, pfn) {#symbol, name, since, per_thread, kind},
#include "rows.h"
#undef ROW
};
enum { ROWS = sizeof rows / sizeof *rows };

static const char *mode;
static int checks, failures;

__attribute__((format(printf, 2, 3))) static bool check(bool holds, const char *format, ...)
{
    va_list arguments;
    printf("%sok %d - %s: ", holds ? "" : "not ", ++checks, mode);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    puts("");
    failures += !holds;
    return holds;
}

/* The file that holds the address, without its folder. */
static const char *home(const void *address)
{
    Dl_info info;
    if (!address || !dladdr(address, &info))
        return "nowhere";
    const char *slash = strrchr(info.dli_fname, '/');
    return slash ? slash + 1 : info.dli_fname;
}

static bool is_ours(const void *address)
{
    return strcmp(home(address), "libvramspan.so") == 0;
}

/* Whether a look-up of this row is to be answered with ours. */
static bool is_wanted(const struct row *row)
{
    bool only_hiding = strcmp(row->kind, "seen") == 0 || strcmp(row->kind, "ordinal") == 0;
    return strcmp(mode, "hiding") == 0 || (strcmp(mode, "acting") == 0 && !only_hiding);
}

static void find_by_name(void *driver)
{
    unsigned wrong = 0, found = 0;
    for (int i = 0; i < ROWS; i++) {
        void *own = simcudaFunction(rows[i].symbol), *older = dlsym_older(driver, rows[i].symbol),
             *newer = dlsym_newer(driver, rows[i].symbol), *plain = dlsym(driver, rows[i].symbol);
        bool good = !own || (is_wanted(&rows[i]) ? is_ours(plain) && plain != own : plain == own);
        if (good && plain == older && plain == newer && (plain == NULL) == (own == NULL)) {
            found += own != NULL;
            continue;
        }
        printf("# %s: %s, %s, %s\n", rows[i].symbol, home(plain), home(older), home(newer));
        wrong++;
    }
    check(wrong == 0 && found >= 50, "dlsym of each version answers %u functions of the table alike", found);

    static const char *const others[] = {"cuCtxSynchronize", "cuMemAllocHost_v2", "cuMemHostAlloc", "simcudaCalls",
        "cuMemGetAllocationGranularity", "cuStreamSynchronize"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        check(strcmp(home(dlsym(driver, others[i])), "libcuda.so.1") == 0, "%s is the driver's", others[i]);
    void *runtime = dlopen("libcudart.so.13", RTLD_NOW);
    check(strcmp(home(dlsym(runtime, "cudaMalloc")), "libcudart.so.13") == 0, "cudaMalloc is the runtime's");
}

static void find_in_other_libraries(void)
{
    void *other = dlopen_older("libchain_other.so", RTLD_NOW | RTLD_LOCAL);
    int (*same_name)(void) = other ? (int (*)(void))dlsym(other, "cuMemAlloc_v2") : NULL;
    check(same_name && same_name() == 42, "another library's function of that name is its own");
    void *linked = dlopen("libuser13.so", RTLD_NOW | RTLD_LOCAL);
    void *through = linked ? dlsym(linked, "cudaMalloc") : NULL;
    check(strcmp(home(through), "libcudart.so.13") == 0, "a function is found in what a library depends on");
    check(dlsym(RTLD_DEFAULT, "cuMemAlloc_v2") == dlsym_older(RTLD_DEFAULT, "cuMemAlloc_v2") &&
              is_ours(dlsym(RTLD_DEFAULT, "cuMemAlloc_v2")),
        "in the global scope the preloaded one comes first");
    check(is_ours(dlsym(RTLD_NEXT, "cuMemAlloc_v2")), "... and is the program's next one");
}

static void find_the_callers(void)
{
    check(strcmp(chain_name(), "a") == 0, "of two libraries the first is called");
    check(strcmp(a_next(), "b") == 0, "the first one's next is the second: %s", a_next());
    check(strcmp(b_next(), "none") == 0, "the second one has none: %s", b_next());
}

static void keep_errors(void *driver)
{
    dlerror();
    void *none = dlsym(driver, "cuNoSuchFunction");
    const char *text = dlerror();
    check(!none && text && strstr(text, "cuNoSuchFunction"), "dlerror tells what was not found: %s", text ? text : "");
    check(!dlerror(), "... once");
    dlsym(driver, "cuNoSuchFunction");
    errno = 77;
    dlsym(driver, "cuMemAlloc_v2");
    check(errno == 77, "errno stays");
    check(!dlerror(), "what is found leaves no error");
    check(!dlsym(driver, "c") && !dlsym(driver, "cu") && !dlsym(driver, ""), "names that end early are not found");
    dlerror();
}

typedef __typeof__(&cuGetProcAddress_v2) newer_look_up;
typedef CUresult (*older_look_up)(const char *, void **, int, cuuint64_t);

/* What the real answer stands for: ours where it is the driver's own function of a row that is asked for by this name.
 */
static void *expected(const char *name, void *real)
{
    for (int i = 0; i < ROWS && real && name; i++)
        if (strcmp(rows[i].name, name) == 0 && simcudaFunction(rows[i].symbol) == real && is_wanted(&rows[i]))
            return dlsym(dlopen("libcuda.so.1", RTLD_NOW), rows[i].symbol);
    return real;
}

static unsigned compare(void *driver, const char *name, int version, cuuint64_t flags)
{
#define SET (void *)1
    newer_look_up real = (newer_look_up)simcudaFunction("cuGetProcAddress_v2"),
                  ours = (newer_look_up)dlsym(driver, "cuGetProcAddress_v2");
    older_look_up older_real = (older_look_up)simcudaFunction("cuGetProcAddress"),
                  older_ours = (older_look_up)dlsym(driver, "cuGetProcAddress");
    CUdriverProcAddressQueryResult real_status = 9, status = 9;
    void *wanted = SET, *pointer = SET;
    CUresult wanted_result = real(name, &wanted, version, flags, &real_status);
    CUresult result = ours(name, &pointer, version, flags, &status);
    bool good = result == wanted_result && status == real_status && pointer == expected(name, wanted);
    wanted = pointer = SET;
    wanted_result = older_real(name, &wanted, version, flags);
    result = older_ours(name, &pointer, version, flags);
    good &= result == wanted_result && pointer == expected(name, wanted);
    if (!good)
        printf("# %s at %d, flags %u: %s\n", name ? name : "NULL", version, (unsigned)flags, home(pointer));
    return !good;
}

static void find_by_version(void *driver)
{
    static const int versions[] = {-1, 0, 1999, 2000, 3010, 3020, 3999, 4000, 7000, 9020, 10000, 10010, 11000, 11020,
        11030, 11040, 12000, 12030, 12050, 12060, 12090, 13000, 13001, 99999};
    static const char *const others[] = {"", "cuCtxSynchronize", "cuMemHostAlloc", "cuNoSuchFunction", "cuMemAlloc_v2",
        "cuGetProcAddress_v2", "cudaMalloc"};
    unsigned differences = 0, asked = 0, exact = 0;
    for (size_t v = 0; v < sizeof versions / sizeof *versions; v++)
        for (cuuint64_t flags = 0; flags < 4; flags++) {
            for (int i = 0; i < ROWS; i++, asked++)
                differences += compare(driver, rows[i].name, versions[v], flags);
            for (size_t i = 0; i < sizeof others / sizeof *others; i++, asked++)
                differences += compare(driver, others[i], versions[v], flags);
        }
    check(differences == 0, "%u look-ups by version and flags are the driver's, with ours in their places", asked);
    /* The version of a row is the one that introduced it: just before, the answer is another one. (Twins came later
     * than their functions; the simulated driver has them from the start.) */
    newer_look_up real = (newer_look_up)simcudaFunction("cuGetProcAddress_v2");
    for (int i = 0; i < ROWS; i++) {
        void *at = NULL, *before = NULL;
        CUdriverProcAddressQueryResult status;
        real(rows[i].name, &at, rows[i].since, rows[i].per_thread ? 2 : 1, &status);
        real(rows[i].name, &before, rows[i].since - 1, rows[i].per_thread ? 2 : 1, &status);
        bool good = !simcudaFunction(rows[i].symbol) || rows[i].per_thread ||
                    (at == simcudaFunction(rows[i].symbol) && before != at);
        exact += good;
        if (!good)
            printf("# %s was not introduced in %d\n", rows[i].symbol, rows[i].since);
    }
    check(exact == ROWS, "each interface came with the version that the table tells");
}

static void find_through_the_runtime(void)
{
    static const char *const names[] = {"cuMemAlloc", "cuMemAllocAsync", "cuMemCreate", "cuDeviceGetCount"};
    unsigned wrong = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (unsigned flags = 0; flags < 3; flags++) {
            void *real = NULL, *plain = NULL, *at = NULL;
            CUdriverProcAddressQueryResult status;
            enum cudaDriverEntryPointQueryResult plain_status = 9, at_status = 9;
            ((newer_look_up)simcudaFunction("cuGetProcAddress_v2"))(names[i], &real, 13000, flags, &status);
            wrong += cudaGetDriverEntryPoint(names[i], &plain, flags, &plain_status) != cudaSuccess;
            wrong += cudaGetDriverEntryPointByVersion(names[i], &at, 13000, flags, &at_status) != cudaSuccess;
            wrong += plain != expected(names[i], real) || at != plain || (int)plain_status != (int)status ||
                     at_status != plain_status;
        }
    check(wrong == 0, "the runtime's entry points are ours, too");
}

int main(int count, char **arguments)
{
    void *driver = dlopen("libcuda.so.1", RTLD_NOW);
    mode = count > 1 ? arguments[1] : "acting";
    find_by_name(driver);
    find_in_other_libraries();
    find_the_callers();
    keep_errors(driver);
    find_by_version(driver);
    find_through_the_runtime();
    return failures > 0;
}
