#!/bin/bash
# seeds.sh BUILD COUNT: the stress runner while the simulated device does its work as late as is legal, and in COUNT random
# orders. Prints TAP; a failing seed can be repeated by hand with SIMCUDA_ORDER and SIMCUDA_SEED.
set -uo pipefail
export BUILD=$1
here=$(dirname "${BASH_SOURCE[0]}") number=0 failed=0

try() { # try ORDER SEED
    local output
    number=$((number + 1))
    if output=$(SIMCUDA_ORDER=$1 SIMCUDA_SEED=$2 "$here/stress.sh" 4 20 2>&1); then
        echo "ok $number - order $1, seed $2"
    else
        printf 'not ok %d - order %s, seed %s\n%s\n' "$number" "$1" "$2" "$output"
        failed=1
    fi
}

try late 0
for ((seed = 1; seed <= $2; seed++)); do try random $seed; done
exit $failed
