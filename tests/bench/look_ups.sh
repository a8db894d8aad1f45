#!/bin/bash
# look_ups.sh LIBRARY LOOK_UPS: counts, with callgrind, the instructions that dlsym takes more for names that are none of the
# driver's: the budget of 20 ns is some 60 of them, and the jump that passes them on has some 18.
set -uo pipefail
library=$(realpath "$1") look_ups=$(realpath "$2")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
printf 'version: 1\nmodels: [{match: "*", virtual-vram: 1gb}]\n' >"$scratch/policy.yaml"
number=0 failed=0

count() { # count WHICH NAME: instructions in the function WHICH_calls
    LD_PRELOAD=$library valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect="$1_calls" \
        "$look_ups" "$1" "$2" 2>&1 | awk '/Collected/ { print $NF }'
}

check() { # check NAME SENTENCE
    local direct hooked added
    direct=$(count direct "$1") hooked=$(count hooked "$1")
    added=$(awk -v a="${hooked:-0}" -v b="${direct:-0}" 'BEGIN { printf "%.1f", (a - b) / 20000 }')
    number=$((number + 1))
    if [ -n "$direct" ] && awk -v n="$added" 'BEGIN { exit !(n >= 1 && n <= 20) }'; then
        echo "ok $number - $2: dlsym takes $added instructions more (1 to 20 allowed)"
    else
        failed=1
        echo "not ok $number - $2: dlsym takes $added instructions more (1 to 20 allowed)"
    fi
}

export VRAMSPAN_POLICY=$scratch/policy.yaml
check cudaMemcpyAsync "a name of the runtime's, while a policy is there"
check PyInit_math "another name, while a policy is there"
export -n VRAMSPAN_POLICY
XDG_CONFIG_HOME=$scratch check cuMemAlloc_v2 "a name of the driver's, where nothing is configured"
exit $failed
