#!/bin/bash
# instructions.sh LIBRARY CALLS: counts, with callgrind, the instructions that an entry point adds to a call that passes
# through. Machines differ in nanoseconds, not in this: two (a landing pad and a jump), so that 3 means a change.
set -uo pipefail
library=$(realpath "$1") calls=$(realpath "$2")

count() { # count WHICH PRELOAD: instructions in the function WHICH_calls
    LD_PRELOAD=$2 valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect="$1_calls" "$calls" "$1" 2>&1 |
        awk '/Collected/ { print $NF }'
}

direct=$(count direct "$library") hooked=$(count hooked "$library")
added=$(awk -v a="${hooked:-0}" -v b="${direct:-0}" 'BEGIN { printf "%.2f", (a - b) / 200000 }')
if [ -n "$direct" ] && awk -v n="$added" 'BEGIN { exit !(n >= 1 && n <= 2) }'; then
    echo "ok 1 - a call that passes through costs $added instructions over a direct one (1 to 2 allowed)"
else
    echo "not ok 1 - a call that passes through costs $added instructions over a direct one (1 to 2 allowed)"
    exit 1
fi
