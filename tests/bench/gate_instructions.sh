#!/bin/bash
# gate_instructions.sh GATE: counts, with callgrind, the instructions of passing the gate once. Machines differ in
# nanoseconds, not in this: sixteen, none of them a locked one, take half a nanosecond to two.
set -uo pipefail
gate=$(realpath "$1") most=18

count() { # count WHICH: instructions in the function WHICH_calls
    valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect="$1_calls" "$gate" "$1" 2>&1 |
        awk '/Collected/ { print $NF }'
}

empty=$(count empty) passed=$(count gate)
each=$(awk -v a="${passed:-0}" -v b="${empty:-0}" 'BEGIN { printf "%.2f", (a - b) / 200000 }')
verdict="ok"
[ -n "$empty" ] && awk -v n="$each" -v most=$most 'BEGIN { exit !(n >= 5 && n <= most) }' || verdict="not ok"
echo "$verdict 1 - passing the gate takes $each instructions ($most allowed)"
locked=$(objdump -d --no-show-raw-insn --disassemble=gate_calls "$(dirname "$gate")/libgate_pass.so" | grep -cE '\<(lock|xchg|mfence)\>')
[ "$locked" = 0 ] && echo "ok 2 - no locked instruction" || { verdict="not ok"; echo "not ok 2 - $locked locked instructions"; }
[ "$verdict" = ok ]
