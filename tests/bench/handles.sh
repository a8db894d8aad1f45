#!/bin/bash
# handles.sh SHIM_TEST LIBRARY: how many pieces of memory real models take, for each GiB of weights: each piece is a handle that
# the driver creates and maps, and a move unmaps and maps again (60 and 50 microseconds each). Takes the sizes of models that
# tests/shim/arena_sizes_test.c allocates, spread over a machine.
set -uo pipefail
TELL_SIZES=1 LD_PRELOAD=$(realpath "$2") VRAMSPAN_LOG=error VRAMSPAN_POLICY=chosen-by-each-test \
    "$1" -j1 --filter 'arena_sizes/*_spread' 2>&1 |
    awk '/^SIZES / {
            model = $2; sub(/,.*/, "", model)
            for (i = 2; i <= NF; i++) { if ($i ~ /^MB,?$/ && !mb) mb = $(i - 1); if ($i == "pieces") pieces = $(i - 1) }
            printf "handles: %-12s %5.1f a GiB (%d for %.0f MB)\n", model, pieces / mb * 1024, pieces, mb
            all += pieces; bytes += mb; mb = 0
        }
        END { if (!all) exit 1; printf "handles: %-12s %5.1f a GiB\n", "in all", all / bytes * 1024 }'
