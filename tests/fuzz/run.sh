#!/bin/bash
# run.sh BUILD SECONDS NAME...: runs the fuzzers BUILD/fuzz/NAME in turn, for SECONDS each, and prints TAP. Called by
# `make fuzz-policy` and by check.sh.
#
# A fuzzer begins with what NAME.seeds lists (paths from the top of the repository, globs allowed), the words of
# NAME.dict, and what earlier runs found worth keeping (BUILD/fuzz/NAME.corpus). A finding (a crash, a sanitiser's
# report, a leak, more than 10 s or 1 GiB for one input, a broken promise of check.h) stops it; the input that did it is
# then in BUILD/fuzz/NAME.findings. A finding becomes a test.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

build=$1 seconds=$2
shift 2
failed=0 number=0

for name in "$@"; do
    number=$((number + 1))
    corpus=$build/fuzz/$name.corpus findings=$build/fuzz/$name.findings log=$build/fuzz/$name.log
    seeds=$build/fuzz/$name.seeds
    rm -rf "$seeds"
    mkdir -p "$corpus" "$findings" "$seeds"
    # shellcheck disable=SC2046
    cp $(cat "tests/fuzz/$name.seeds") "$seeds"
    dictionary=()
    [ ! -e "tests/fuzz/$name.dict" ] || dictionary=(-dict="tests/fuzz/$name.dict")
    if "$build/fuzz/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=4096 -print_final_stats=1 \
        -artifact_prefix="$findings/" "${dictionary[@]}" "$corpus" "$seeds" >"$log" 2>&1; then
        runs=$(awk '/stat::number_of_executed_units/ { print $2 }' "$log")
        covered=$(awk '/ cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") covered = $(i + 1) } END { print covered }' "$log")
        echo "ok $number - $name: $seconds s, $runs runs, $covered places reached"
    else
        failed=1
        echo "not ok $number - $name: see $log and $findings"
        grep -v '^#' "$log" | tail -n 40 | sed 's/^/# /'
    fi
done
echo "1..$number"
exit $failed
