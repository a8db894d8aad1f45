#!/bin/bash
# demo.sh BUILD PYTHON [ORDER]: what `make demo` shows: an unmodified ComfyUI server makes a picture on a simulated machine
# with two GPUs, its model spread over three devices by a policy; where the bytes are is told by the machine, not by the
# library. ORDER (`make demo ORDER=spread`) is the order of the plan, where it is not to be the policy's own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
build=$1 python=$2 order=${3:-}
policy=examples/sd15-three-devices.yaml
out=$build/demo
mkdir -p "$out"
if [ -n "$order" ]; then
    sed "s/^\( *\)distorch:.*/&\n\1order: $order/" "$policy" >"$out/policy.yaml"
    policy=$out/policy.yaml
fi
unset PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX=$build/pycache # not beside the packages' own files

bold() { if [ -t 1 ]; then printf '\033[1m%s\033[0m\n' "$*"; else printf '%s\n' "$*"; fi; }

bold "1. A checkpoint of Stable Diffusion 1.5's architecture (made once; its weights are patterns, not trained)"
"$python" tests/comfyui/make_checkpoint.py
checkpoint=${XDG_CACHE_HOME:-$HOME/.cache}/vramspan/models/v1-5-patterned.safetensors

bold "2. The policy, $policy"
sed -n '/^[^#]/p' "$policy" | sed '/^ *#/d; s/^/     /'

# ComfyUI runs in another folder.
launcher=("$(realpath "$build/vramspan")" run --simulate 2x24gb --policy "$(realpath "$policy")")

bold "3. What is planned with it, before anything runs"
"$build/vramspan" check --machine 2x24gb "$policy" | sed 's/^/     /'
"$build/vramspan" plan --machine 2x24gb --policy "$policy" --part diffusion "$checkpoint" | sed 's/^/     /'

bold "4. ComfyUI, unmodified, on a simulated machine with two 24 GB GPUs, under vramspan"
status=0
"$python" tests/comfyui/server.py --size 256 --picture "$out/picture.png" --log "$out/comfyui.log" --json "$out/account.json" --places 3 -- \
    "${launcher[@]}" || status=$?

if [ -f "$out/comfyui.log" ]; then
    bold "5. What libvramspan.so said meanwhile"
    awk '/^vramspan: / { print "     " $0; next } /: [0-9]+ tensors, / { table = 1 }
        table { print "     " $0; if (/^-+$/ && ++lines == 2) table = lines = 0 }' "$out/comfyui.log"
fi
[ "$status" = 0 ] || { echo "The demonstration failed (status $status); ComfyUI's own words are in $out/comfyui.log" >&2; exit "$status"; }

bold "6. By hand"
cat <<HAND
     $python tests/comfyui/server.py -- \\
         ${launcher[*]}
   With --serve it only starts ComfyUI and leaves it up: open its address in a browser; /account tells where bytes are.
   Other machines: $build/vramspan-sim --list. The picture ($out/picture.png) is
   what these weights make of noise, no lighthouse: they are patterns. Without the library it is the same, bit for bit.
HAND
