#!/bin/bash
# record.sh RECORDER_DIR MAJOR [LIBCUDART]: writes golden/cudartMAJOR_lookups.txt and golden/cudartMAJOR_exports.txt
# from the real CUDA runtime. RECORDER_DIR holds libcuda.so.1 (recording_driver.c) and record_lookups, as
# `make recorder` builds them. Without LIBCUDART the library comes from an installed toolkit, else from the
# nvidia-cuda-runtime package (nvidia-cuda-runtime-cu12 for 12) that pip downloads to a temporary folder.
set -euo pipefail

usage() { echo "usage: record.sh RECORDER_DIR 12|13 [LIBCUDART]" >&2; exit 2; }
if [ $# -lt 2 ] || [ $# -gt 3 ]; then usage; fi
recorder=$1 major=$2
case $major in
12) package=nvidia-cuda-runtime-cu12==12.4.127 ;; # as PyTorch's wheels for CUDA 12.4 pin it
13) package=nvidia-cuda-runtime==13.0.96 ;;       # as PyTorch 2.11's wheel for CUDA 13.0 pins it
*) usage ;;
esac
golden=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

library=${3:-}
for folder in ${CUDA_HOME:+"$CUDA_HOME/lib64"} /usr/local/cuda/lib64; do
    [ -z "$library" ] && [ -e "$folder/libcudart.so.$major" ] && library=$folder/libcudart.so.$major
done
if [ -z "$library" ]; then
    echo "no installed toolkit has libcudart.so.$major; downloading $package" >&2
    python3 -m pip download --quiet --no-deps --only-binary=:all: --platform manylinux2014_x86_64 --dest "$scratch" "$package"
    python3 -m zipfile -e "$scratch"/*.whl "$scratch"
    library=$(find "$scratch" -name "libcudart.so.$major" | head -1)
    [ -n "$library" ] || { echo "record.sh: $package holds no libcudart.so.$major" >&2; exit 1; }
fi

RECORD_LOG=$scratch/log LD_LIBRARY_PATH=$recorder "$recorder/record_lookups" "$library"

# The toolkit's exact version stands in the file name behind the link, or in the package's name.
origin=$(basename "$(readlink -f "$library")")
lookups=$golden/cudart${major}_lookups.txt
{
    echo "# What the real $origin asks of the driver before its first call returns, in order."
    echo "# One look-up a line through cuGetProcAddress_v2: name version flags. The name \"-\" stands for the empty name."
    echo "# Recorded by golden/record/record.sh; README.md tells what else was seen."
    sed -n 's/^lookup //p' "$scratch/log"
} > "$lookups"

exports=$golden/cudart${major}_exports.txt
{
    echo "# Functions that the real $origin exports, all with the version node libcudart.so.$major."
    echo "# Recorded by golden/record/record.sh."
    nm -D --defined-only "$library" | awk '$2 == "T" { sub(/@.*/, "", $3); print $3 }' | LC_ALL=C sort
} > "$exports"

echo "$lookups: $(grep -vc '^#' "$lookups") look-ups"
echo "$exports: $(grep -vc '^#' "$exports") functions"
echo "Beside the look-ups (flags of dlopen in decimal):"
grep -v '^lookup ' "$scratch/log" | sed 's/^/    /'
