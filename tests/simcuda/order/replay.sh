#!/bin/bash
# replay.sh BUILD COUNT: runs with the same seed are the same, call by call and operation by operation; runs with different
# seeds differ. One thread, and threads that take turns. Prints TAP; LD_LIBRARY_PATH is set by the caller.
set -uo pipefail
replay=$1/tests/replay count=$2 number=0 failed=0
export ASAN_OPTIONS=detect_leaks=0 # what the driver keeps for the life of a process is none
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

verdict() { # verdict STATUS SENTENCE: 0 is fine
    number=$((number + 1))
    if [ "$1" = 0 ]; then echo "ok $number - $2"; else
        echo "not ok $number - $2"
        failed=1
    fi
}

# account MODE ORDER SEED: what the program printed and what the machine did. Addresses differ from run to run: each is
# written as the number of its first appearance.
account() {
    rm -f "$scratch/trace"
    SIMCUDA_TRACE=$scratch/trace SIMCUDA_ORDER=$2 SIMCUDA_SEED=$3 timeout 60 "$replay" "$1" >"$scratch/output" 2>&1
    echo "exit status $?" >>"$scratch/output"
    cat "$scratch/output" "$scratch/trace" | awk '{
        line = ""
        while (match($0, /0x[0-9a-f]+/)) {
            address = substr($0, RSTART, RLENGTH)
            if (!(address in known)) known[address] = ++addresses
            line = line substr($0, 1, RSTART - 1) "address" known[address]
            $0 = substr($0, RSTART + RLENGTH)
        }
        print line $0
    }'
}

# compare MODE ORDER DIFFERENT: COUNT seeds twice each; at least DIFFERENT of them must be unlike all others.
compare() {
    local seed unlike=0 kinds
    for ((seed = 1; seed <= count; seed++)); do
        account "$1" "$2" "$seed" >"$scratch/$seed"
        account "$1" "$2" "$seed" >"$scratch/again"
        if ! cmp -s "$scratch/again" "$scratch/$seed"; then
            unlike=$((unlike + 1))
            echo "# $1, order $2, seed $seed: the two runs differ"
            diff "$scratch/$seed" "$scratch/again" | head -n 6 | cut -c 1-120 | sed 's/^/# /'
        fi
        if ! grep -q '^exit status 0$' "$scratch/$seed" || [ "$(grep -c '"call"' "$scratch/$seed")" -le 50 ]; then
            unlike=$((unlike + 1))
            echo "# $1, order $2, seed $seed: the run failed"
            tail -n 3 "$scratch/output" | sed 's/^/# /'
        fi
    done
    verdict $unlike "$1, order $2: each of $count seeds replays"
    kinds=$(for ((seed = 1; seed <= count; seed++)); do md5sum <"$scratch/$seed"; done | sort -u | wc -l)
    [ "$kinds" -ge "$3" ] && { [ "$3" -gt 1 ] || [ "$kinds" = 1 ]; }
    verdict $? "$1, order $2: $count seeds show $kinds orders ($3 expected)"
}

compare one early 1
compare one late 1
compare one random "$count"
# Only the turns differ in the order early: what runs when is settled by them.
compare threads early "$count"
compare threads random "$count"

output=$(timeout 60 "$replay" slow 2>&1) && grep -q 'thread 0 .* may not replay' <<<"$output" && grep -q 'went on' <<<"$output"
verdict $? "a thread that makes no call is passed over, and a line says so"
echo "1..$number"
exit $failed
