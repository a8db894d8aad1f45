#!/bin/bash
# run.sh BUILD [NAME]: proves that the tests notice bugs. Each NAME.patch in this folder is a deliberate bug in shim/ or policy/; its head says
# what it breaks and which test must fail then:
#
#     Breaks: cudaFreeAsync gives memory back at once
#     Noticed by: free/cudaFreeAsync_waits_for_the_work_before_it
#     Preloaded: libvramspan_control.so        only for tests of build/tests/move_test, which need that build of the library
#
# The library is built from a patched copy of the sources, in a build folder of its own, and the named test runs on it;
# it must pass on the unpatched library and fail on the mutant. Prints TAP. Called by `make mutants`.
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(realpath "$here/../..")
build=$(realpath "$1")
copy=$build/mutants/source
export LD_LIBRARY_PATH=$build/simcuda VRAMSPAN_TEST_PROGRAMS=$build/tests/programs
number=0 failed=0

runs() { # runs LIBRARY TEST: whether the test passes with that library
    local program=shim_test
    [ "${1##*/}" = libvramspan.so ] || program=move_test
    LD_PRELOAD=$1 VRAMSPAN_POLICY=chosen-by-each-test timeout 120 "$build/tests/$program" -j1 --filter "$2" >"$build/mutants/log" 2>&1 &&
        grep -q 'Passing: 1' <(sed -E 's/\x1b\[[0-9;]*m//g' "$build/mutants/log")
}

verdict() { # verdict FINE SENTENCE
    number=$((number + 1))
    if [ "$1" = 0 ]; then echo "ok $number - $2"; else
        echo "not ok $number - $2"
        failed=$((failed + 1))
    fi
}

mkdir -p "$copy"
only=${2:-}
for patch in "$here"/${only:-*}.patch; do
    name=$(basename "$patch" .patch)
    breaks=$(sed -n 's/^Breaks: //p' "$patch") noticed=$(sed -n 's/^Noticed by: //p' "$patch")
    library=$(sed -n 's/^Preloaded: //p' "$patch")
    library=${library:+tests/$library}
    library=${library:-libvramspan.so}
    rm -rf "$copy/shim" "$copy/policy" "$copy/tools" "$copy/examples"
    cp -r "$root/shim" "$root/policy" "$root/tools" "$root/examples" "$root/Makefile" "$copy/" # the library holds tables of examples/
    mkdir -p "$copy/tests"
    cp -r "$root/tests" "$copy/"
    if ! patch --silent -d "$copy" -p1 <"$patch"; then
        verdict 1 "$name: the patch no longer applies"
        continue
    fi
    if ! make -s -C "$copy" BUILD="$copy/build" "$copy/build/$library" >"$build/mutants/make.log" 2>&1; then
        verdict 1 "$name: the mutant does not build ($build/mutants/make.log)"
        continue
    fi
    if ! runs "$build/$library" "$noticed"; then
        verdict 1 "$name: $noticed fails without the bug"
        continue
    fi
    ! runs "$copy/build/$library" "$noticed"
    verdict $? "$name ($breaks) is noticed by $noticed"
done
echo "$((number - failed)) passed, $failed failed"
[ "$failed" = 0 ]
