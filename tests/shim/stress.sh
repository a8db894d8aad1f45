#!/bin/bash
# stress.sh: the stress runner by itself, for builds that Criterion cannot test (ThreadSanitizer). BUILD is the build folder.
set -euo pipefail
build=$(realpath "${BUILD:-build}")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

python3 - "$scratch/model.safetensors" <<'PYTHON'
import json, struct, sys

count, size = 64, 262144
header = json.dumps({f"layer.{i}.weight": {"dtype": "U8", "shape": [size], "data_offsets": [i * size, (i + 1) * size]}
                     for i in range(count)}).encode()
with open(sys.argv[1], "wb") as file:
    file.write(struct.pack("<Q", len(header)) + header)
    file.truncate(8 + len(header) + count * size)
PYTHON
printf 'version: 1\nmodels:\n  - match: "*.safetensors"\n    distorch: "cuda:0,2mb;cuda:1,3mb;cpu,*"\n' >"$scratch/policy.yaml"

sanitizer=
! readelf -d "$build/libvramspan.so" | grep -q libtsan || sanitizer=$(gcc -print-file-name=libtsan.so):
LD_LIBRARY_PATH=$build/simcuda LD_PRELOAD=$sanitizer$build/libvramspan.so VRAMSPAN_POLICY=$scratch/policy.yaml \
    VRAMSPAN_LOG=warn TSAN_OPTIONS=halt_on_error=1 "$build/tests/programs/stress" 8 40 "$scratch/model.safetensors" 262144
