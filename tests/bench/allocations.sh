#!/bin/bash
# allocations.sh LIBRARY ALLOCATIONS [ns]: what the library adds to an activation's cudaMallocAsync and cudaFreeAsync, in each
# state of a program and with few and many allocations live: instructions, counted with callgrind, since machines differ in
# nanoseconds and not in these; with `ns` nanoseconds instead, up to 100,000 live.
#
# The goal is 60 ns a call, and nothing more where more is live. A processor takes two to four of these instructions in a
# nanosecond; a lock alone would take fifty, a call of the driver hundreds.
set -uo pipefail
library=$(realpath "$1") program=$(realpath "$2") unit=${3:-instructions}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
printf '%s\n' 'version: 1' 'models: [{match: "*.safetensors", distorch: "cuda:0,*"}]' >"$scratch/policy.yaml"
printf '%s\n' 'host: 2gb' 'devices:' '  - {name: Small, memory: 2gb, capability: 8.6}' >"$scratch/machine.yaml"
export SIMCUDA_MACHINE=$scratch/machine.yaml VRAMSPAN_POLICY=$scratch/policy.yaml VRAMSPAN_CACHE=$scratch/cache
export VRAMSPAN_LOG=error LD_PRELOAD
number=0 failed=0

count() { # count STATE LIVE WHICH: instructions of a pair
    LD_PRELOAD=$library valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect="$3_pairs" \
        "$program" "$@" 2>&1 | awk '/Collected/ { printf "%.1f", $NF / 2000 }'
}

instructions() { # instructions STATE LIVE: of a pair, hooked and direct
    echo "$(count "$@" hooked)" "$(count "$@" direct)"
}

ns() { # ns STATE LIVE: the same in time
    LD_PRELOAD=$library "$program" "$@"
}

lives="100 5000" least=20 most=140 more=1
[ "$unit" = instructions ] || lives="100 10000 100000" least=1 most=120 more=20
LD_PRELOAD=$library "$program" weights 1 direct # what is found out in a child process, valgrind need not follow

for state in idle weights load; do
    first=
    for live in $lives; do
        number=$((number + 1))
        read -r hooked direct < <($unit $state "$live")
        added=$(awk -v a="${hooked:-0}" -v b="${direct:-0}" 'BEGIN { printf "%.1f", a - b }')
        first=${first:-$added} verdict=ok
        if [ -z "${direct:-}" ] || ! awk -v n="$added" -v least=$least -v most=$most -v first="$first" -v more=$more \
            'BEGIN { exit !(n >= least && n <= most && n <= first + more) }'; then
            verdict="not ok" failed=1
        fi
        echo "$verdict $number - $state, $live live: a pair of calls takes $added $unit more ($least to $most allowed)"
    done
done
echo "1..$number"
exit $failed
