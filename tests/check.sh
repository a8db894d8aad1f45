#!/bin/bash
# check.sh c|quick|full: runs the test suites and counts. Called by `make check-c`, `check` and `check-full`, which build
# first.
#
# Each suite is a command and the form of its last lines. Its output goes to a log; of a failing suite the log's end is
# shown. The last line is `N passed, N failed`; the exit status is 1 when a test failed, or a suite ran none.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

depth=${1:-quick}
build=${BUILD:-build}
build=$(realpath "$build")
logs=$build/logs
python=${TORCH_ENV:-}/bin/python
mkdir -p "$logs"
shopt -s nullglob

passed=0 failed=0
export LD_LIBRARY_PATH=$build/simcuda VRAMSPAN_TEST_PROGRAMS=$build/tests/programs
export shim=$build/libvramspan.so
sim="tests/simcuda/vramspan-sim --quiet --machine 2x24gb"
export BUILD=$build VRAMSPAN_LIBRARY=$shim
export XDG_CONFIG_HOME=$build/no-config # the developer's own policies are not for tests
# What is found out about memory is found out once for each simulated machine, not in each of hundreds of processes.
export VRAMSPAN_CACHE=$build/cache
rm -rf "$VRAMSPAN_CACHE"
# What Python imports is compiled once, not in each of forty processes, and not beside the packages' own files.
unset PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX=$build/pycache
running=
trap '[ -z "$running" ] || kill -- "-$running" 2>/dev/null; echo; echo "interrupted"; exit 130' INT TERM

# count FORM LOG: prints "passed failed" from a suite's output.
count() {
    case $1 in
    criterion) sed -E 's/\x1b\[[0-9;]*m//g' "$2" | awk '/Synthesis: Tested:/ {
        gsub(/[|:]/, " "); for (i = 1; i <= NF; i++) { if ($i == "Passing") p = $(i + 1); if ($i == "Failing") f = $(i + 1); if ($i == "Crashing") c = $(i + 1) } }
        END { print p + 0, f + c + 0 }' ;;
    tap) awk '/^ok / { p++ } /^not ok / { f++ } END { print p + 0, f + 0 }' "$2" ;;
    pytest) sed -E 's/\x1b\[[0-9;]*m//g' "$2" | awk '/ (passed|failed|error|errors)[ ,].* in [0-9.]+s/ || / (passed|failed) in / {
        for (i = 2; i <= NF; i++) { word = $i; gsub(/,/, "", word); if (word == "passed") p += $(i - 1); if (word == "failed" || word ~ /^error/) f += $(i - 1) } }
        END { print p + 0, f + 0 }' ;;
    sum) sed -nE 's/^([0-9]+) passed, ([0-9]+) failed.*/\1 \2/p' "$2" | tail -1 ;;
    unittest) awk '/^Ran [0-9]+ test/ { n = $2 } /^FAILED/ { gsub(/[^0-9]+/, " "); for (i = 1; i <= NF; i++) f += $i }
        END { print n - f, f + 0 }' "$2" ;;
    esac
}

# A command in a process group of its own, so that Ctrl-C ends all that it started. Functions of this script may be named.
run_apart() {
    if declare -F "$1" >/dev/null; then
        export -f preloaded "$1"
        exec setsid bash -c '"$@"' bash "$@"
    fi
    exec setsid "$@"
}

# suite NAME FORM COMMAND...
suite() {
    local name=$1 form=$2 log p f status began=$SECONDS
    shift 2
    log=$logs/$name.log
    printf '%-34s' "$name"
    run_apart "$@" >"$log" 2>&1 </dev/null &
    running=$!
    wait "$running"
    status=$?
    running=
    read -r p f < <(count "$form" "$log")
    p=${p:-0} f=${f:-0}
    if { [ "$status" != 0 ] || [ "$p" = 0 ]; } && [ "$f" = 0 ]; then
        f=$((f + 1)) # it died, or ran nothing
    fi
    passed=$((passed + p)) failed=$((failed + f))
    printf '%5d passed %3d failed %5d s\n' "$p" "$f" $((SECONDS - began))
    [ "$f" = 0 ] || { tail -n 40 "$log"; echo "  (all of it: $log; exit status $status)"; }
}

# preloaded COMMAND...: under the preload, on the simulated CUDA. A sanitizer's library must come before ours. What the
# simulated driver keeps for the life of a process is no leak.
preloaded() {
    local sanitizer= library=${preload:-$shim}
    ! readelf -d "$shim" | grep -q libasan || sanitizer=$(gcc -print-file-name=libasan.so):
    exec env LD_PRELOAD="$sanitizer$library" VRAMSPAN_POLICY=chosen-by-each-test \
        ASAN_OPTIONS=detect_leaks=0:abort_on_error=0 "$@"
}

# The same with the build that lets tests move pages by hand.
preloaded_control() {
    preload=${shim%/*}/tests/libvramspan_control.so preloaded "$@"
}

. tests/suites.sh

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
