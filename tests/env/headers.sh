#!/bin/bash
# headers.sh: makes sure that the CUDA headers to compile with are there.
#
#   tests/env/headers.sh            CUDA 13's and CUDA 12's
#   tests/env/headers.sh --print    prints the folder of CUDA 13's (and fetches nothing)
#
# CUDA 13: an installed toolkit of version 13 or newer ($CUDA_HOME, /usr/local/cuda), else the cache's
# cuda-13/include, filled from the packages nvidia-cuda-runtime, -crt and -profiler-api (3 MB). CUDA 12, whose
# structures the simulated libcudart.so.12 needs: always the cache's cuda-12/include, from nvidia-cuda-runtime-cu12
# (1 MB); the one header that this package lacks, crt/host_defines.h, holds compiler attributes only, and CUDA 13's
# serves.
# VRAMSPAN_NO_TOOLKIT=1 makes an installed toolkit invisible.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/env/common.sh
source "$here/common.sh"

readonly runtime_13=nvidia-cuda-runtime==13.0.96
readonly crt_13=nvidia-cuda-crt==13.0.88
readonly profiler_13=nvidia-cuda-profiler-api==13.0.85     # cudaProfiler.h
readonly packages_13="$runtime_13 $crt_13 $profiler_13"
readonly runtime_12=nvidia-cuda-runtime-cu12==12.4.127

# Prints the include folder of the first installed toolkit that is new enough.
toolkit_include() {
    local folder version
    [ -z "${VRAMSPAN_NO_TOOLKIT:-}" ] || return 1
    for folder in ${CUDA_HOME:+"$CUDA_HOME/include"} /usr/local/cuda/include; do
        if [ ! -f "$folder/cuda_runtime_api.h" ] || [ ! -f "$folder/crt/host_defines.h" ] ||
            [ ! -f "$folder/cudaProfiler.h" ]; then continue; fi
        version=$(awk '$1 == "#define" && $2 == "CUDA_VERSION" { print $3; exit }' "$folder/cuda.h")
        if [ "${version:-0}" -ge 13000 ]; then
            printf '%s\n' "$folder"
            return 0
        fi
    done
    return 1
}

# is_complete MAJOR CONTENT: whether the cache's folder was filled from exactly these packages.
is_complete() {
    [ "$(cat "$cache/cuda-$1/complete" 2>/dev/null)" = "$2" ]
}

# fill MAJOR CONTENT PACKAGE...: downloads and unpacks the packages, compiles a line with their
# headers, and puts them in place.
fill() {
    local major=$1 content=$2 wheel
    shift 2
    say "CUDA $major headers: fetching $*"
    mkdir -p "$scratch/wheels" "$scratch/unpacked" "$scratch/cuda-$major"
    "$scratch/pip/bin/python" -m pip --disable-pip-version-check --quiet download --no-deps --only-binary=:all: \
        -d "$scratch/wheels" "$@" || fail "pip could not download the CUDA headers ($*): see that the network and" \
        "PyPI, or the mirror that pip is set to, can be reached; then run the same command again"
    for wheel in "$scratch"/wheels/*.whl; do
        "$interpreter" -m zipfile -e "$wheel" "$scratch/unpacked"
    done
    # Both packages of CUDA 13 share a folder. For CUDA 12, its own headers replace what they have in common.
    cp -R "$scratch"/unpacked/nvidia/cu13/include "$scratch/cuda-$major/"
    if [ "$major" = 12 ]; then
        cp -R "$scratch"/unpacked/nvidia/cuda_runtime/include "$scratch/cuda-12/"
    fi
    compile_check "$scratch/cuda-$major/include" "$major"
    printf '%s\n' "$content" >"$scratch/cuda-$major/complete"
    rm -rf "${cache:?}/cuda-$major" "$scratch/wheels" "$scratch/unpacked"
    mv "$scratch/cuda-$major" "$cache/"
}

# compile_check FOLDER MAJOR: the headers must compile as C and be of that major version.
compile_check() {
    printf '%s\n' '#include <cuda.h>' '#include <cuda_runtime_api.h>' \
        "_Static_assert(CUDART_VERSION / 1000 == $2 && CUDA_VERSION / 1000 == $2, \"version\");" >"$scratch/check.c"
    gcc -std=gnu17 -Wall -Werror -fsyntax-only -isystem "$1" "$scratch/check.c" ||
        fail "the CUDA $2 headers in $1 do not compile (gcc's messages are above)"
}

if include_13=$(toolkit_include); then
    needs_13=
else
    include_13=$cache/cuda-13/include
    needs_13=yes
fi
if [ "${1:-}" = --print ]; then
    printf '%s\n' "$include_13"
    exit 0
fi
[ $# = 0 ] || fail "'$1' is no option: --print is the only one"

all_there() {
    { [ -z "$needs_13" ] || is_complete 13 "$packages_13"; } && is_complete 12 "$runtime_12 $crt_13"
}
all_there && exit 0
mkdir -p "$cache"
take_lock "$cache/headers.lock" "the CUDA headers"
all_there && exit 0
free_space_or_fail 100 "the set of CUDA headers"
command -v gcc >/dev/null || fail "gcc is missing: tests/env/debian.sh installs it"
choose_interpreter
scratch=$cache/headers.scratch
rm -rf "$scratch"
mkdir -p "$scratch"
trap 'rm -rf "$scratch"' EXIT
"$interpreter" -m venv "$scratch/pip" || fail "$interpreter could not make an environment in $scratch (see above)"
if [ -n "$needs_13" ] && ! is_complete 13 "$packages_13"; then
    fill 13 "$packages_13" "$runtime_13" "$crt_13" "$profiler_13"
fi
if ! is_complete 12 "$runtime_12 $crt_13"; then
    fill 12 "$runtime_12 $crt_13" "$runtime_12" "$crt_13"
fi
say "CUDA headers: done in ${SECONDS} s"
