#!/bin/bash
# notices.sh FUZZ: the random calls prove that they notice: each rule below is switched off in the simulated CUDA
# (SIMCUDA_WEAK), and a run must fail. TAP.
set -uo pipefail
fuzz=$1
rules=(copy_pageable_read_at_call copy_pageable_arrives copy_bounds host_pointer_known unused_memory_freed retain_mapped)

echo "1..${#rules[@]}"
number=0 failed=0
for rule in "${rules[@]}"; do
    number=$((number + 1))
    if output=$(SIMCUDA_WEAK=$rule SIMCUDA_ORDER=late "$fuzz" --calls 20000 --seed 7 2>/dev/null); then
        echo "not ok $number - random calls notice that $rule is not enforced"
        failed=1
    elif [[ $output == *"episode "* ]]; then
        echo "ok $number - random calls notice that $rule is not enforced"
    else
        echo "not ok $number - random calls with $rule not enforced: no episode failed, and yet the run did"
        failed=1
    fi
done
exit $failed
