#!/bin/bash
# lint.sh CUDA_INCLUDE GENERATED: the checks that need no running: layout, clang-tidy, cppcheck, and the arrows between
# the folders (tools -> policy <- shim; no CUDA in policy/). Called by `make lint`.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cuda=$1 generated=$2
failed=0

step() { # step NAME COMMAND...: a step that prints anything on failure only
    local name=$1 output
    shift
    if output=$("$@" 2>&1); then
        printf '%-40s ok\n' "$name"
    else
        printf '%-40s FAILED\n%s\n' "$name" "$output"
        failed=1
    fi
}

sources() { git ls-files --cached --others --exclude-standard -- "$@"; }
mapfile -t all_c < <(sources '*.c' '*.h')
mapfile -t product_c < <(sources 'policy/*.c' 'shim/*.c' 'tools/*.c')

tidy() { # one file a process: version 14 finds false errors in several at once
    printf '%s\0' "${product_c[@]}" | xargs -0 -n 1 -P 2 sh -c '
        clang-tidy --quiet --warnings-as-errors="*" "$2" -- -std=gnu17 -D_GNU_SOURCE -DVS_VERSION=\"\" -Ishim -I"$0" -isystem "$1" 2>/dev/null
        ' "$generated" "$cuda"
}

arrows() { # arrows FOLDER PATTERN: no file of FOLDER includes what PATTERN matches
    ! grep -nE "^ *# *include +[\"<]($2)" $(sources "$1/*.c" "$1/*.h")
}

dangling() {
    ! grep -nE '= *vs_(quote|quote_string|device_format)\(.*\)\.text[,;]' "${product_c[@]}"
}

mutants_apply() {
    local patch bad=0
    for patch in tests/mutants/*.patch; do
        patch --dry-run --silent -p1 <"$patch" || bad=1
    done
    return $bad
}

step "layout (clang-format)" clang-format --dry-run --Werror "${all_c[@]}"
step "clang-tidy" tidy
step "cppcheck" cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
    --suppress=missingIncludeSystem -D_GNU_SOURCE -D__x86_64__ policy shim tools
step "policy/ includes no CUDA" arrows policy '(cuda|cublas|cudnn|nvml)'
rooms=(text values model plan language machine) # of policy/: each uses those before it only
for ((i = 0; i < ${#rooms[@]}; i++)); do
    later=$(IFS='|' && echo "${rooms[*]:i+1}")
    [ -z "$later" ] || step "policy/${rooms[i]}/ uses none of $later" arrows "policy/${rooms[i]}" "\\.\\./($later)/"
done
step "policy/ uses neither shim/ nor tools/" arrows policy '(\.\./)*(shim|tools|tests)/'
step "shim/ uses neither tools/ nor tests/" arrows shim '(\.\./)*(tools|tests)/'
step "tools/ does not use shim/" arrows tools '(\.\./)*(shim|tests)/'
# C ends the life of what a function returns by value with the expression: keep the struct.
step "no pointer into a struct that is gone" dangling
step "the mutants' patches apply" mutants_apply
step "no file has more than 400 lines" awk 'FNR == 401 { print FILENAME; bad = 1 } END { exit bad }' \
    $(sources '*.c' '*.h' '*.S' '*.sh' '*.py' '*.mk' Makefile)
exit $failed
