#!/bin/bash
# check.sh RECORDER_DIR LIBRARY_DIR: compares the simulated runtimes with the golden files, as TAP.
#
# Each libcudart of LIBRARY_DIR makes its first call over the recording driver; its look-ups must be the real library's,
# and its exports must have all of the real library's names under the same version node.
set -euo pipefail
[ $# -eq 2 ] || { echo "usage: check.sh RECORDER_DIR LIBRARY_DIR" >&2; exit 2; }
recorder=$1 libraries=$2
golden=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
number=0 failed=0

# verdict NAME EXPECTED FOUND: one TAP line; the first differences follow as comments.
verdict()
{
    number=$((number + 1))
    if diff "$2" "$3" > "$scratch/difference"; then
        echo "ok $number - $1"
    else
        echo "not ok $number - $1"
        head -20 "$scratch/difference" | sed 's/^/# /'
        failed=1
    fi
}

echo 1..6
for major in 13 12; do
    library=$libraries/libcudart.so.$major
    rm -f "$scratch/log"
    RECORD_LOG=$scratch/log LD_LIBRARY_PATH=$recorder "$recorder/record_lookups" "$library"
    grep -v '^#' "$golden/cudart${major}_lookups.txt" > "$scratch/expected"
    sed -n 's/^lookup //p' "$scratch/log" > "$scratch/found"
    verdict "libcudart.so.$major makes the real library's look-ups" "$scratch/expected" "$scratch/found"

    # The calls that wake the driver, in the real library's order (golden/README.md). Its requests for NVIDIA's private
    # tables are left out: ours needs none.
    printf '%s\n' load 'runtime cudaRuntimeGetVersion' 'result 0' 'runtime cudaGetLastError' 'dlopen libcuda.so.1 2' \
        'dlsym cuGetProcAddress_v2' 'call cuDriverGetVersion 2020 0' 'call cuInit 2000 0' > "$scratch/expected"
    grep -v '^lookup ' "$scratch/log" | head -8 > "$scratch/found"
    verdict "libcudart.so.$major wakes the driver when and as the real library does" "$scratch/expected" "$scratch/found"

    grep -v '^#' "$golden/cudart${major}_exports.txt" | sed "s/\$/@@libcudart.so.$major/" | LC_ALL=C sort > "$scratch/expected"
    nm -D --defined-only "$library" | awk '$2 == "T" { print $3 }' | LC_ALL=C sort |
        LC_ALL=C comm -12 - "$scratch/expected" > "$scratch/found"
    verdict "libcudart.so.$major exports every function of the real library" "$scratch/expected" "$scratch/found"
done
exit $failed
