#!/bin/bash
# faults.sh BUILD: every driver call that the library makes for itself fails once, at each of its first occurrences. The
# program must not notice: every byte is what it was, and no call of its own fails. Prints TAP.
set -uo pipefail
export BUILD=$1
here=$(dirname "${BASH_SOURCE[0]}") number=0 failed=0

# The calls of shim/driver.h that change something. NAME:N where the program's own runtime makes the first N-1.
calls='cuMemAddressReserve cuMemCreate cuMemMap cuMemSetAccess cuMemGetAllocationGranularity cuMemRelease
    cuCtxPushCurrent_v2 cuEventCreate cuEventRecord cuDevicePrimaryCtxRetain:2 cuThreadExchangeStreamCaptureMode
    cuDeviceCanAccessPeer cuStreamGetId'
trace=$(mktemp)
trap 'rm -f "$trace"' EXIT
for call in $calls; do
    first=${call#*:} call=${call%:*}
    [ "$first" != "$call" ] || first=1
    for nth in 1 2 3 5 8 13 21 34; do
        [ "$nth" -ge "$first" ] || continue
        : >"$trace"
        output=$(SIMCUDA_TRACE=$trace SIMCUDA_FAIL=$call:$nth "$here/stress.sh" 1 30 2>&1)
        status=$?
        if ! grep -q "\"call\":\"$call\".*\"error\"" "$trace"; then
            [ "$nth" = "$first" ] || break # it is not called so often
            output="no call of it failed: the sweep proves nothing" status=1
        fi
        number=$((number + 1))
        if [ "$status" = 0 ]; then
            echo "ok $number - $call fails at call $nth"
        else
            printf 'not ok %d - %s fails at call %d\n%s\n' "$number" "$call" "$nth" "$output"
            failed=1
        fi
    done
done
exit $failed
