#!/bin/bash
# moving.sh BUILD COUNT [OPERATIONS]: threads that launch while pages move, by COUNT seeds, each in one of the orders in which
# the simulated device may work. Prints TAP; a failing seed can be repeated by hand as its line says.
set -uo pipefail
build=$(realpath "$1") count=$2 operations=${3:-40} failed=0
orders=(early late random)
sanitizer=
! readelf -d "$build/libvramspan.so" | grep -q libtsan || sanitizer=$(gcc -print-file-name=libtsan.so):
export LD_LIBRARY_PATH=$build/simcuda VRAMSPAN_POLICY=chosen-by-the-program VRAMSPAN_LOG=warn TSAN_OPTIONS=halt_on_error=1
for ((seed = 1; seed <= count; seed++)); do
    order=${orders[seed % 3]}
    if output=$(SIMCUDA_ORDER=$order SIMCUDA_SEED=$seed LD_PRELOAD=$sanitizer$build/tests/libvramspan_control.so \
        timeout 120 "$build/tests/programs/moving" "$seed" "$operations" 2>&1); then
        echo "ok $seed - seed $seed, order $order${output##*ok - "$seed"}"
    else
        printf 'not ok %d - SIMCUDA_ORDER=%s SIMCUDA_SEED=%d moving %d %d\n%s\n' "$seed" "$order" "$seed" "$seed" "$operations" "$output"
        failed=1
    fi
done
exit $failed
