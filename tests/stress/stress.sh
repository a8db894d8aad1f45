#!/bin/bash
# stress.sh: the stress program under the preloaded library. From the environment, all optional:
#
#     SEED=n OPS=n THREADS=n   of the run; by default a random seed, 1,000,000 operations and 4 threads
#     ORDER=early|late|random  when the simulated device does its work (random)
#     MACHINE=name             a simulated machine; `all`: each of tests/simcuda/machines in turn
#     TURNS=0                  threads run freely: faster, and does not replay
#     FAULTS=1|function        calls of the driver fail now and then, or those of one function
#     VERBOSE=1                tells what was done
#     LIBRARY=file             instead of the build folder's, in which tests can move pages; `none`: on the simulated CUDA alone
#
# BUILD is the build folder. One seed in three hides the second device from the program and lets it lend.
set -euo pipefail
build=$(realpath "${BUILD:-build}")
here=$(dirname "${BASH_SOURCE[0]}")
seed=${SEED:-$((RANDOM * 32768 + RANDOM))}
library=${LIBRARY:-$build/tests/libvramspan_control.so} # the installed one, and what moves pages

if [ "${MACHINE:-}" = all ]; then
    for machine in "$here"/../simcuda/machines/*.yaml; do
        machine=$(basename "$machine" .yaml)
        echo "$machine:"
        SEED=$seed MACHINE=$machine "${BASH_SOURCE[0]}"
    done
    exit
fi

machine=${MACHINE:-${SIMCUDA_MACHINE:-2x24gb}}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
options=(--seed "$seed" --operations "${OPS:-1000000}" --threads "${THREADS:-4}")
[ "${TURNS:-1}" != 0 ] || options+=(--free)
case ${FAULTS:-0} in
0) ;;
1) options+=(--faults) ;;
*) options+=(--faults="$FAULTS") ;;
esac
[ "${START_FAULT:-0}" = 0 ] || options+=(--start-fault)
[ "${VERBOSE:-0}" = 0 ] || options+=(--verbose)

if [ "$library" = none ]; then
    library=
    options+=(--plain)
fi
# A sanitizer's library must come before ours. What the simulated driver keeps for the life of a process is no leak.
sanitizer=
for name in asan tsan; do
    ! readelf -d "$build/tests/stress" | grep -q "lib$name" || sanitizer=$(gcc -print-file-name=lib$name.so):
done
log=warn
[ "${FAULTS:-0}${START_FAULT:-0}" = 00 ] || log=error
devices=()
if [ "$("$build/simcuda/describe-machine" "$machine" 2>/dev/null | grep -c GPU)" -ge 2 ] || [[ $machine == *+* || $machine == 2x* ]] ||
    [ "$machine" = set-access-not-ready ]; then
    devices=(STRESS_DONOR=1)
    [ $((seed % 3)) != 2 ] || devices+=(VRAMSPAN_DEVICES=cuda:0 VRAMSPAN_DONORS=cuda:1,cpu)
fi
# What is found out about simulated machines is not for the user's own cache.
export VRAMSPAN_CACHE=${VRAMSPAN_CACHE:-$build/cache}
# One thread computes, since a caller that sleeps while others do gives its turn away, and the run would not replay.
env LD_LIBRARY_PATH="$build/simcuda" LD_PRELOAD="$sanitizer$library" SIMCUDA_MACHINE="$machine" \
    SIMCUDA_ORDER="${ORDER:-${SIMCUDA_ORDER:-random}}" SIMCUDA_SEED="$seed" SIMCUDA_FRESH=poison SIMCUDA_THREADS=1 \
    VRAMSPAN_POLICY="$scratch/policy.yaml" VRAMSPAN_LOG="${VRAMSPAN_LOG:-$log}" "${devices[@]}" \
    ASAN_OPTIONS=detect_leaks=0 TSAN_OPTIONS=halt_on_error=1 \
    "$build/tests/stress" "${options[@]}" "$scratch"
