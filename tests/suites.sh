# suites.sh: the list of suites, for check.sh. `$depth` is c (what runs under sanitizers), quick or full.
# shellcheck shell=bash disable=SC2154

# --- policy/: no CUDA anywhere ---
suite policy criterion "$build/tests/policy_test" -j2

# --- the simulated CUDA itself ---
suite simcuda-gemm criterion "$build/tests/simcuda_gemm_test" -j2
suite conformance tap "$build/tests/conformance"

# --- the preloaded library, in C ---
suite shim criterion preloaded "$build/tests/shim_test" -j2
[ "$depth" != c ] || return 0

suite exports tap tests/shim/exports.sh "$shim"
suite pass-through-cost tap tests/bench/instructions.sh "$shim" "$build/bench/calls"
suite simcuda-golden tap tests/simcuda/golden/record/check.sh "$build/tests/recorder" "$build/simcuda"
