#!/bin/bash
# stress.sh [THREADS ROUNDS]: the stress runner on a model and a policy of its own. BUILD is the build folder. The variables
# of the simulated CUDA (SIMCUDA_ORDER, SIMCUDA_SEED, SIMCUDA_FAIL) reach it.
set -euo pipefail
build=$(realpath "${BUILD:-build}")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
count=64 size=262144

{ # a safetensors file: the header's length in 8 bytes, the header, zeros
    header={
    for ((i = 0; i < count; i++)); do
        header+="\"layer.$i.weight\":{\"dtype\":\"U8\",\"shape\":[$size],\"data_offsets\":[$((i * size)),$(((i + 1) * size))]},"
    done
    header=${header%,}}
    printf "$(printf '\\x%02x\\x%02x' $((${#header} % 256)) $((${#header} / 256)))\\0\\0\\0\\0\\0\\0%s" "$header"
} >"$scratch/model.safetensors"
truncate -s "+$((count * size))" "$scratch/model.safetensors"
# Where no donor is left, the program goes on without.
printf 'version: 1\non-error: passthrough\nmodels:\n  - match: "*.safetensors"
    distorch: "cuda:0,2mb;cuda:1,3mb;cpu,*"\n    order: listed\n' >"$scratch/policy.yaml"

sanitizer=
! readelf -d "$build/libvramspan.so" | grep -q libtsan || sanitizer=$(gcc -print-file-name=libtsan.so):
export VRAMSPAN_CACHE=${VRAMSPAN_CACHE:-$build/cache}
LD_LIBRARY_PATH=$build/simcuda LD_PRELOAD=$sanitizer$build/libvramspan.so VRAMSPAN_POLICY=$scratch/policy.yaml \
    VRAMSPAN_LOG=warn TSAN_OPTIONS=halt_on_error=1 timeout 300 \
    "$build/tests/programs/stress" "${1:-8}" "${2:-40}" "$scratch/model.safetensors" $size
