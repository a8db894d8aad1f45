/*
 * check_golden CASES: `make check-golden`. Prints `case N: ok` or the first difference for each case; fails unless all
 * are right. With VRAMSPAN_GOLDEN_CASES, that file's cases.
 */
#include "../plan/golden_cases.h"

#include <stdio.h>
#include <stdlib.h>

int main(int count, char **arguments)
{
    const char *cases = getenv("VRAMSPAN_GOLDEN_CASES");
    struct vs_text said = {0};
    size_t cases_count;
    if (!cases || !*cases)
        cases = count > 1 ? arguments[1] : "cases.json";
    size_t right = golden_run(cases, GOLDEN_MODULES, false, 1, &said, &cases_count);
    fputs(said.data, stdout);
    printf("%zu of %zu\n", right, cases_count);
    vs_text_free(&said);
    return right == cases_count && right ? EXIT_SUCCESS : EXIT_FAILURE;
}
