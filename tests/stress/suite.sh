#!/bin/bash
# suite.sh BUILD quick|full: runs of the stress program, as TAP. A run that fails says how it is made again.
#
# Quick: two machines, faults, threads that run freely. Full: all machines in all orders, many seeds, more faults, and each
# driver call that the library makes from its start on failing once.
set -uo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
export BUILD=$1
number=0 failed=0

try() { # try NAME VARIABLE=VALUE...: a run of the stress program
    local name=$1 output
    shift
    number=$((number + 1))
    if output=$(env "$@" "$here/stress.sh" 2>&1) && grep -qE '^stress: [0-9]+ operations, seed [0-9]+, 0 differences$' <<<"$output"; then
        echo "ok $number - $name: $(tail -n 1 <<<"$output")"
    else
        printf 'not ok %d - %s\n%s\n' "$number" "$name" "$output"
        failed=1
    fi
}

if [ "$2" = quick ]; then
    try "without the library: the program expects what CUDA does" SEED=1 OPS=3000 LIBRARY=none
    try 2x24gb SEED=2 OPS=4000 MACHINE=2x24gb
    try "8gb+24gb, a hidden donor" SEED=5 OPS=4000 MACHINE=8gb+24gb
    try "work is done late" SEED=3 OPS=3000 ORDER=late
    try "threads run freely" SEED=4 OPS=4000 TURNS=0
    try "calls of the driver fail" SEED=6 OPS=12000 FAULTS=1 THREADS=2
else
    for machine in "$here"/../simcuda/machines/*.yaml; do
        machine=$(basename "$machine" .yaml)
        for order in early late random; do
            try "$machine, $order" SEED=$((number + 1)) OPS=30000 MACHINE="$machine" ORDER=$order
        done
    done
    for seed in $(seq 101 120); do
        try "without the library" SEED="$seed" OPS=10000 LIBRARY=none
        try "one thread, captures in all modes" SEED="$seed" OPS=10000 THREADS=1
        try "eight threads run freely" SEED="$seed" OPS=20000 THREADS=8 TURNS=0
    done
    for machine in 2x24gb 8gb+24gb no-host-vmm no-vmm 2x24gb-no-peer set-access-not-ready; do
        try "$machine, calls of the driver fail" SEED=$((number + 1)) OPS=100000 FAULTS=1 THREADS=2 MACHINE=$machine
    done
    try "a million operations" SEED=7
fi
exit $failed
