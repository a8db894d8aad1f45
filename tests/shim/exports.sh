#!/bin/bash
# exports.sh LIBRARY: the preloaded library exports exactly the symbols of shim/hooks.def, and needs glibc only.
set -uo pipefail
library=$1
table=$(dirname "${BASH_SOURCE[0]}")/../../shim/hooks.def
number=0

check() { # check SENTENCE DIFFERENCE
    number=$((number + 1))
    if [ -z "$2" ]; then
        echo "ok $number - $1"
    else
        printf 'not ok %d - %s\n%s\n' "$number" "$1" "$2"
    fi
}

wanted=$(awk -F'|' '!/^[ \t]*(#|$)/ { split($2, name, " "); print name[1] }' "$table" | sort -u)
exported=$(nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u)
check "every symbol of the table is exported, and nothing else" "$(diff <(echo "$wanted") <(echo "$exported"))"
check "the version nodes are those of NVIDIA's libraries" "$(nm -D --defined-only "$library" |
    awk '$2 == "A" && $3 != "vramspan" && $3 !~ /^lib(cudart|cublas|cublasLt)\.so\.1[23]$/')"
check "glibc is all that it needs" "$(readelf -d "$library" | awk '/NEEDED/ && !/\[(libc\.so\.6|ld-linux-x86-64\.so\.2)\]/')"
check "it can be loaded where nothing is writable and executable at once" \
    "$(readelf -lW "$library" | awk '/GNU_STACK|LOAD/ && / RWE /')"
for major in 12 13; do
    check "every function of the table that is in every version is in the real libcudart.so.$major" "$(
        awk -F'|' '/^cudart/ && $3 !~ /\?/ { gsub(/ /, "", $2); print $2 }' "$table" | sort |
            comm -23 - <(sort "$(dirname "$table")/../tests/simcuda/golden/cudart${major}_exports.txt"))"
done
