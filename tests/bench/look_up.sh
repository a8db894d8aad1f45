#!/bin/bash
# look_up.sh LOOK_UP: counts, with callgrind, the instructions that asking for an address takes. Machines differ in
# nanoseconds, not in this. No lock and no search through a table is among them: the bounds leave no room for
# one.
set -uo pipefail
look_up=$(realpath "$1") number=0 failed=0

for which in foreign:12 ours:66; do
    limit=${which#*:} which=${which%:*} number=$((number + 1))
    taken=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect="${which}_look_ups" "$look_up" "$which" 2>&1 |
        awk '/Collected/ { print $NF }')
    each=$(awk -v n="${taken:-0}" 'BEGIN { printf "%.1f", n / 50000 }')
    verdict=ok
    if ! awk -v n="$each" -v most="$limit" 'BEGIN { exit !(n >= 4 && n <= most) }'; then
        verdict="not ok" failed=1
    fi
    echo "$verdict $number - asking for an address ($which) takes $each instructions ($limit allowed)"
done
echo "1..$number"
exit $failed
