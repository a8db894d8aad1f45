#!/bin/bash
# driver_instructions.sh DRIVER_CALLS: counts, with callgrind, the instructions of a call of the simulated driver that moves
# no data. Machines differ in time, not in this: LIMIT instructions take less than 2 microseconds at one for each cycle.
set -uo pipefail
calls=$(realpath "$1") count=2000 limit=4000 number=0 failed=0
machine=$(mktemp --suffix=.yaml) # valgrind has little address space
trap 'rm -f "$machine"' EXIT
printf '%s\n' 'host: 1gb' 'devices:' '  - {name: Small, memory: 1gb, capability: 8.6}' >"$machine"

for kind in cuStreamQuery cuMemsetD8Async cuEventRecord cuStreamWaitEvent cuLaunchKernel cuMemcpyDtoDAsync; do
    number=$((number + 1))
    taken=$(SIMCUDA_MACHINE=$machine valgrind --tool=callgrind --callgrind-out-file=/dev/null \
        --toggle-collect=make_calls "$calls" $kind $count 2>&1 | awk '/Collected/ { print $NF }')
    each=$((${taken:-0} / count))
    verdict="ok"
    if [ "$each" -le 50 ] || [ "$each" -gt $limit ]; then
        verdict="not ok" failed=1
    fi
    echo "$verdict $number - $kind takes $each instructions ($limit allowed)"
done
echo "1..$number"
exit $failed
