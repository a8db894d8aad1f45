#!/bin/bash
# proof_faults.sh BUILD: every driver call of a proof fails once, at each of its occurrences. The process must end by itself,
# tell that the memory did not prove itself, and leave nothing behind, by the simulator's trace. Prints TAP.
set -uo pipefail
build=$(realpath "$1")
loader=$(sed -n 's,.* \(/.*/ld-linux.*\),\1,p' /proc/self/maps | head -1)
cards=(GPU-00000100-7369-6d75-6c61-746564475055 GPU-00000200-7369-6d75-6c61-746564475055) # of the machine 2x24gb
trace=$(mktemp)
trap 'rm -f "$trace"' EXIT
export LD_LIBRARY_PATH=$build/simcuda SIMCUDA_MACHINE=2x24gb SIMCUDA_TRACE=$trace
number=0 failed=0

prove() { # prove BACKING PLACE: what it tells
    : >"$trace"
    "$loader" "$build/libvramspan.so" --prove "$1" "$2" "${cards[0]}" "$([ "$2" != peer ] || echo "${cards[1]}")" \
        "$build/simcuda/libcuda.so.1" 3>&1 >/dev/null 2>&1
}

say() { # say SENTENCE PROBLEM
    number=$((number + 1))
    [ -z "$2" ] && echo "ok $number - $1" && return
    printf 'not ok %d - %s\n%s\n' "$number" "$1" "$2"
    failed=1
}

# Memory that was had and not given back.
leftover() {
    awk -F'"' '{ for (i = 2; i < NF; i += 2) if ($i == "event") { event = $(i + 2)
        if (event ~ /^(alloc|create|map)$/) left++
        if (event ~ /^(free|release|unmap)$/) left-- } } END { print left + 0 }' "$trace"
}

# What gives back may fail: then something is left. The proof stands where that is its own tools, and where it is tried again.
tried_again=cuMemUnmap
gives_back=cuMemHostUnregister
gives_tools_back='cuMemRelease cuMemFree_v2 cuMemFreeHost cuModuleUnload cuStreamDestroy_v2'
calls='cuDevicePrimaryCtxRetain cuStreamCreate cuModuleLoadData cuModuleGetFunction cuMemAlloc_v2 cuMemHostAlloc
    cuLaunchKernel cuMemcpyAsync cuMemsetD32Async cuStreamSynchronize cuMemCreate cuMemMap
    cuMemSetAccess cuMemHostRegister_v2 cuMemHostGetDevicePointer_v2 cuMemGetAllocationGranularity'
for where in 'vmm peer' 'pinned host'; do
    for call in $calls $tried_again $gives_back $gives_tools_back; do
        for ((nth = 1; nth < 40; nth++)); do
            # shellcheck disable=SC2086 # two words
            told=$(SIMCUDA_FAIL=$call:$nth:INVALID_VALUE prove $where)
            status=$?
            grep -q "\"call\":\"$call\".*\"error\"" "$trace" || break # it is not called so often
            last=${told##*$'\n'} problem=
            [ $status = 0 ] || problem="it ended with status $status: $last"
            expected='^(failed|untried) '
            [[ " $tried_again $gives_tools_back " != *" $call "* ]] || expected='^works$'
            [[ $last =~ $expected ]] || problem="it told: $last"
            [[ " $calls $tried_again " != *" $call "* || $(leftover) = 0 ]] || problem="$(leftover) pieces of memory are left"
            say "$where: $call fails at call $nth" "$problem"
        done
    done
done
say "the sweep has met each step" "$([ $number -ge 60 ] || echo "only $number faults")"
exit $failed
