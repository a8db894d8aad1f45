#!/bin/bash
# launches.sh CUDA_INCLUDE: the table of hooks against the headers. Each function of the runtime and of the driver that
# takes a stream, or whose name tells that it moves or fills memory, launches or makes a graph ready, passes the gate (its
# kind in shim/hooks.def says so), or stands in tests/shim/not_launching.txt with the reason. A header with a function that
# is in neither fails here. Prints TAP.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
include=$1 number=0 failed=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

verdict() { # verdict STATUS SENTENCE [FILE of names]
    number=$((number + 1))
    if [ "$1" = 0 ]; then echo "ok $number - $2"; else
        echo "not ok $number - $2"
        [ -z "${3:-}" ] || sed 's/^/# /' "$3"
        failed=1
    fi
}

# One declaration a line, after the preprocessor: the symbols as they are called, `_v2` and all.
declared() { # declared HEADER
    printf '#include <%s>\n' "$1" | ${CC:-gcc} -E -P -I"$include" -x c - | tr '\n' ' ' | sed 's/;/;\n/g'
}
queues='(CUstream|cudaStream_t) |(Memcpy|Memset|Launch|Prefetch|Discard|Graph(Exec)?Instantiate|GraphExec.*(Update|SetParams))[A-Za-z0-9_]* *\('
for header in cuda.h cuda_runtime_api.h; do
    declared $header | grep -E "\<(CUresult|cudaError_t)\>" | grep -vE '^ *typedef|\{' | grep -E "$queues" |
        grep -oE '\<(cu|cuda)[A-Z][A-Za-z0-9_]* *\(' | tr -d ' (' | sort -u
    # Their twins for per-thread default streams, which the headers name by macros.
    sed -nE 's/.*__CUDA(RT)?_API_(PTDS|PTSZ)\((cu[A-Za-z0-9_]*)\).*/\3 \2/p' "$include/$header" |
        awk '{ print $1 ($2 == "PTDS" ? "_ptds" : "_ptsz") }' | sort -u
done | sort -u >"$scratch/all"
# Twins of functions that queue nothing are none of ours either.
awk -v list="$scratch/all" 'BEGIN { while ((getline name < list) > 0) all[name] } { base = $1; sub(/_pt[sd][sz]$/, "", base); if (base == $1 || base in all) print $1 }' \
    "$scratch/all" | sort -u >"$scratch/queues"

awk -F'|' '/^[a-z]/ { gsub(/ /, "", $3); sub(/\?$/, "", $3); split($2, symbol, " ")
    if ($3 ~ /^(launch|graph|copy|memset|library|capture)$/) print symbol[1] }' shim/hooks.def | sort -u >"$scratch/gated"
awk '/^[a-z]/ { print $1 }' tests/shim/not_launching.txt | sort -u >"$scratch/excused"

awk -v list="$scratch/excused" 'BEGIN { while ((getline name < list) > 0) excused[name] } { base = $1; sub(/_pt[sd][sz]$/, "", base); if (!(base in excused)) print }' \
    "$scratch/queues" | comm -23 - "$scratch/gated" >"$scratch/missing"
count=$(comm -12 "$scratch/queues" "$scratch/gated" | wc -l)
[ ! -s "$scratch/missing" ]
verdict $? "every declared function that queues work passes the gate or is excused" "$scratch/missing"
[ "$count" -ge 150 ]
verdict $? "$count functions of the headers pass the gate"
comm -12 "$scratch/excused" "$scratch/gated" >"$scratch/both"
[ ! -s "$scratch/both" ]
verdict $? "none is excused that passes it" "$scratch/both"
comm -23 "$scratch/excused" "$scratch/all" >"$scratch/stale"
[ ! -s "$scratch/stale" ]
verdict $? "none is excused that there is not" "$scratch/stale"
exit $failed
