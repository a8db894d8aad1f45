#!/bin/bash
# finds.sh BUILD: what a program finds that looks functions up (programs/finds.c), where the library acts and where not. As
# look_up_test.c, for ThreadSanitizer, which Criterion does not run under, and for builds without optimisation.
set -uo pipefail
failed=0
build=$(realpath "$1")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
printf 'version: 1\nmodels: [{match: "*", virtual-vram: 1gb}]\n' >"$scratch/policy.yaml"
sanitizer=
for name in asan tsan; do
    ! readelf -d "$build/libvramspan.so" | grep -q "lib$name" || sanitizer=$(gcc -print-file-name=lib$name.so):
done

finds() { # finds MODE VARIABLE...
    env LD_LIBRARY_PATH="$build/simcuda:$build/tests/programs" LD_PRELOAD="$sanitizer$build/libvramspan.so" VRAMSPAN_LOG=warn \
        ASAN_OPTIONS=detect_leaks=0 SIMCUDA_MACHINE=8gb+24gb "${@:2}" "$build/tests/programs/finds" "$1" ||
        { echo "not ok - finds $1 ended with status $?"; failed=1; }
}

finds acting VRAMSPAN_POLICY="$scratch/policy.yaml"
finds hiding VRAMSPAN_POLICY="$scratch/policy.yaml" VRAMSPAN_DEVICES=cuda:1 VRAMSPAN_DONORS=cuda:0
finds idle XDG_CONFIG_HOME="$scratch"
finds idle VRAMSPAN_POLICY= VRAMSPAN_DEVICES=cuda:1
exit $failed
