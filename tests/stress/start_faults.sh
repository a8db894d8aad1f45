#!/bin/bash
# start_faults.sh BUILD COUNT: each driver function of faults.def fails once, at each of its first COUNT calls from the
# start of the process on; the program's own calls may get that error, and are made again. Prints TAP.
set -uo pipefail
export BUILD=$1
here=$(dirname "${BASH_SOURCE[0]}") number=0 failed=0
trace=$(mktemp)
trap 'rm -f "$trace"' EXIT

for call in $(sed -n 's/^FUNCTION("\([^"]*\)".*/\1/p' "$here/faults.def" | sort -u); do
    for ((nth = 1; nth <= $2; nth++)); do
        : >"$trace"
        output=$(SIMCUDA_TRACE=$trace SIMCUDA_FAIL=$call:$nth SEED=$((nth + 10)) OPS=60 THREADS=1 START_FAULT=1 "$here/stress.sh" 2>&1)
        status=$?
        grep -q "\"call\":\"$call\".*\"error\"" "$trace" || break # it is not called so often
        number=$((number + 1))
        if [ "$status" = 0 ]; then
            echo "ok $number - $call fails at call $nth"
        else
            printf 'not ok %d - %s fails at call %d\n%s\n' "$number" "$call" "$nth" "$output"
            failed=1
        fi
    done
done
[ "$number" -ge 20 ] || { echo "not ok $((number + 1)) - $number faults are too few to prove anything"; failed=1; }
exit $failed
