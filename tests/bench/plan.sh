#!/bin/bash
# plan.sh PLAN [COUNT...]: counts, with callgrind, the instructions that planning takes for each tensor. Fails where they
# pass a bound, or grow by more than the logarithm of the number of tensors does (with a third to spare).
set -euo pipefail
plan=$1
shift
[ $# -gt 0 ] || set -- 1000 100000
bound=20000

instructions() { # COUNT ORDER
    valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect='plan_model*' "$plan" "$1" "$2" 2>&1 |
        awk '/Collected/ { print $NF }'
}

test=0 failed=0
for order in spread distorch listed; do
    first=
    for count in "$@"; do
        taken=$(($(instructions "$count" $order) / count))
        first=${first:-$taken}
        # log2(1000) is 10, log2(100000) is 17: five thirds as much, and a third of that to spare.
        verdict=ok
        if [ "$taken" -lt 1000 ] || [ "$taken" -gt $bound ] || [ "$taken" -gt $((first * 20 / 9)) ]; then
            verdict="not ok" failed=1
        fi
        echo "$verdict $((test += 1)) - $order, $count tensors: $taken instructions a tensor"
    done
done
exit $failed
