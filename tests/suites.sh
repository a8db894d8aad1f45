# suites.sh: the list of suites, for check.sh. `$depth` is c (what runs under sanitizers), quick or full.
# shellcheck shell=bash disable=SC2154,SC2086

# --- policy/: no CUDA anywhere ---
suite policy criterion "$build/tests/policy_test" -j2

# --- the simulated CUDA itself ---
# C tests must not count on zeros in memory that they have not written; the real programs below get zeros.
export SIMCUDA_FRESH=poison
suite simcuda-gemm criterion "$build/tests/simcuda_gemm_test" -j2
suite simcuda-parts criterion "$build/tests/simcuda_parts_test" -j2
suite simcuda-driver criterion "$build/tests/simcuda_driver_test" -j2
suite simcuda-stress tap "$build/tests/simcuda_stress"
suite simcuda-fuzz sum "$build/tests/fuzz" --calls "${FUZZ_CALLS:-20000}"
suite simcuda-blas criterion "$build/tests/simcuda_blas_test" -j2
suite simcuda-blas-whole criterion "$build/tests/simcuda_blas_whole_test" -j2
suite simcuda-nvml criterion "$build/tests/simcuda_nvml_test" -j2
suite simcuda-cudnn criterion "$build/tests/simcuda_cudnn_test" -j2
suite simcuda-cudart-13 criterion "$build/tests/cudart13_translation_test"
suite simcuda-cudart-12 criterion "$build/tests/cudart12_translation_test"
suite conformance tap "$build/tests/conformance"
suite conformance-cudart-12 tap "$build/tests/conformance-12"
for order in late random; do
    suite "conformance-$order" tap env SIMCUDA_ORDER=$order SIMCUDA_SEED=7 "$build/tests/conformance"
done

seeds=10
[ "$depth" != full ] || seeds=200
suite simcuda-hazards tap tests/simcuda/order/hazards.sh "$build" $seeds
suite simcuda-replay tap tests/simcuda/order/replay.sh "$build" $seeds

# --- the preloaded library, in C ---
suite shim criterion preloaded "$build/tests/shim_test" -j2
suite stress tap tests/stress/suite.sh "$build" quick
suite shim-gate tap "$build/tests/programs/gate"
suite shim-move criterion preloaded_control "$build/tests/move_test" -j2
suite shim-gate-without-membarrier tap "$build/tests/programs/gate" 2000 without
for way in sees_by_look_up sees_static; do
    suite "shim-devices-$way" criterion preloaded env SEES=$way "$build/tests/shim_test" -j2 --filter 'devices/*'
done
# The command, where it starts no program: none of Python's takes a sanitizer's library.
[ "$depth" != c ] || suite tools-sanitized unittest env PYTHONPATH=tests/tools VRAMSPAN="$build/vramspan" \
    /usr/bin/python3 -m unittest test_check test_check_machine test_main test_plan test_plan_json
[ "$depth" != c ] || return 0
unset SIMCUDA_FRESH

suite conformance-weak tap tests/simcuda/conformance/weak.sh "$build/tests/conformance"
suite policy-language unittest env VRAMSPAN_POLICY_CHECK="$build/tests/programs/policy_check" \
    /usr/bin/python3 -m unittest discover tests/policy/language
fuzz_seconds=4
[ "$depth" != full ] || fuzz_seconds=30
suite fuzz-policy tap tests/fuzz/run.sh "$build" $fuzz_seconds $(ls tests/fuzz/*_fuzz.c | sed 's,.*/,,; s,_fuzz.c,,')
suite tools unittest env VRAMSPAN="$build/vramspan" /usr/bin/python3 -m unittest discover tests/tools
suite gpu-check-on-simulated unittest python3 -m unittest discover tests/simcuda/conformance
suite exports tap tests/shim/exports.sh "$shim"
suite shim-launches tap tests/shim/launches.sh "$(tests/env/headers.sh --print)"
suite shim-moving tap tests/shim/control/moving.sh "$build" 12
suite shim-proof-faults tap tests/shim/proof_faults.sh "$build"
suite pass-through-cost tap tests/bench/instructions.sh "$shim" "$build/bench/calls"
suite dlsym-cost tap tests/bench/dlsym.sh "$shim" "$build/bench/dlsym_cost"
suite gate-cost tap tests/bench/gate_instructions.sh "$build/bench/gate"
suite look-up-cost tap tests/bench/look_up.sh "$build/bench/look_up"
suite allocation-cost tap tests/bench/allocations.sh "$shim" "$build/bench/allocations"
suite simcuda-cost tap tests/bench/driver_instructions.sh "$build/bench/driver_calls"
plan_counts="1000 20000"
[ "$depth" != full ] || plan_counts="1000 10000 100000"
suite planner-cost tap tests/bench/plan.sh "$build/bench/plan" $plan_counts
suite simcuda-golden tap tests/simcuda/golden/record/check.sh "$build/tests/recorder" "$build/simcuda"
suite simcuda-fuzz-notices tap tests/simcuda/fuzz/notices.sh "$build/tests/fuzz"
suite simcuda-stubs unittest python3 -m unittest discover tests/simcuda/stubs

# --- the real programs ---
pytest="$python -m pytest -q -p no:cacheprovider"
under_the_library="env LD_PRELOAD=$shim VRAMSPAN_POLICY=$PWD/tests/torch/policy.yaml VRAMSPAN_LOG=warn"
suite torch sum $sim "$python" tests/torch/run.py
suite torch-run pytest env SIMCUDA_QUIET=1 "$build/vramspan" run --simulate 2x24gb --policy tests/torch/policy.yaml --log warn -- \
    $pytest tests/torch/test_placed.py
suite torch-preloaded sum $sim $under_the_library "$python" tests/torch/run.py native cudaMallocAsync
unlike_cards="tests/simcuda/vramspan-sim --quiet --machine 8gb+24gb"
suite shim-devices-of-torch pytest $unlike_cards $pytest tests/shim
suite torch-waits pytest $sim env SIMCUDA_ORDER=late $pytest tests/torch/test_streams.py tests/torch/test_pinned_cache.py
every=4
[ "$depth" != full ] || every=1
suite torch-kernels pytest $sim $pytest tests/torch/kernels --every $every
suite torch-nvml pytest $sim $pytest tests/simcuda/nvml/tests/test_torch_devices.py
suite torch-cudnn pytest $sim $pytest tests/simcuda/cudnn/tests/test_torch_convolutions.py
# comfy-aimdo is not in PyTorch's environments. Two small cards, which are filled quickly.
with_aimdo="env PYTHONPATH=$(echo ${AIMDO_ENV:-}/lib/python3.*/site-packages) $sim --machine 2gb+1536mb"
suite aimdo sum $with_aimdo "$python" tests/aimdo/run.py --parts none:late
suite aimdo-preloaded sum $with_aimdo $under_the_library "$python" tests/aimdo/run.py \
    --parts none:late,cudaMallocAsync:early
suite comfyui-checkpoint pytest $pytest tests/comfyui/test_checkpoint.py
suite comfyui-export-modules pytest $sim $pytest tests/comfyui/test_export_modules.py
suite comfyui-spread pytest $sim $pytest tests/comfyui/test_spread.py
suite comfyui-picture pytest $sim $pytest tests/comfyui/test_picture.py
suite comfyui-server-preloaded pytest $sim env LD_PRELOAD="$shim" \
    VRAMSPAN_POLICY="$PWD/examples/sd15-three-devices.yaml" $pytest tests/comfyui/test_server.py
[ "$depth" = full ] || return 0

# --- matrices, seeds, fault sweeps ---
for machine in tests/simcuda/machines/*.yaml; do
    machine=$(basename "$machine" .yaml)
    [[ $machine != 2x24gb-peer-@(faults|hangs) ]] || continue # their peers fail the checks, as they should
    suite "conformance-$machine" tap env SIMCUDA_FRESH=poison SIMCUDA_MACHINE=$machine "$build/tests/conformance"
done
for order in late random; do
    suite "conformance-$order" tap env SIMCUDA_FRESH=poison SIMCUDA_ORDER=$order SIMCUDA_SEED=7 "$build/tests/conformance"
done
for order in early late random; do
    suite "simcuda-fuzz-$order" sum env SIMCUDA_ORDER=$order SIMCUDA_SEED=7 \
        "$build/tests/fuzz" --calls 340000 --seed "1${#order}" --both
done
# The goal is 1.5 (make bench); here there is room for a busy machine.
suite simcuda-load-speed tap $sim "$python" tests/bench/load.py --at-most 2
for order in late random; do
    suite "shim-$order" criterion preloaded env SIMCUDA_ORDER=$order SIMCUDA_SEED=7 "$build/tests/shim_test" -j2
done
suite stress-full tap tests/stress/suite.sh "$build" full
suite stress-start-faults tap tests/stress/start_faults.sh "$build" 12
suite shim-moving-seeds tap tests/shim/control/moving.sh "$build" 1000
suite torch-preloaded-expandable sum $sim $under_the_library "$python" tests/torch/run.py expandable_segments
# All pages of expandable segments move to another device, the host and home again while the tests run.
wandering="$under_the_library LD_PRELOAD=$build/tests/libvramspan_control.so"
for environment in "${TORCH_ENV:-}" ${OTHER_TORCH_ENVS:-}; do
    suite "wandering-${environment##*/}" sum $sim $wandering "$environment/bin/python" tests/torch/run.py --wander \
        expandable_segments
done
for order in late random; do
    suite "torch-$order" sum $sim env SIMCUDA_ORDER=$order SIMCUDA_SEED=7 "$python" tests/torch/run.py
done
for environment in ${OTHER_TORCH_ENVS:-}; do
    name=${environment##*/}
    suite "$name" sum $sim "$environment/bin/python" tests/torch/run.py
    suite "$name-preloaded" sum $sim $under_the_library "$environment/bin/python" tests/torch/run.py
    suite "$name-devices" pytest $unlike_cards "$environment/bin/python" -m pytest -q -p no:cacheprovider tests/shim
done
for environment in "${TORCH_ENV:-}" ${OTHER_TORCH_ENVS:-}; do
    name=${environment##*/}
    [ "$name" != torch-2.6.0 ] || continue # ComfyUI uses comfy-aimdo from PyTorch 2.8 on
    suite "aimdo-$name" sum $with_aimdo "$environment/bin/python" tests/aimdo/run.py
    suite "aimdo-$name-preloaded" sum $with_aimdo $under_the_library "$environment/bin/python" tests/aimdo/run.py
done
suite comfyui-picture-128 pytest $sim env PICTURE_SIZE=128 $pytest tests/comfyui/test_picture.py
# Where bytes are is asked here; comfyui-picture asks what is made of them.
suite comfyui-drive pytest $sim --compute gemm $pytest tests/comfyui/test_drive.py
suite comfyui-drive-preloaded pytest $sim --compute gemm env LD_PRELOAD="$shim" \
    VRAMSPAN_POLICY="$PWD/examples/sd15-three-devices.yaml" $pytest tests/comfyui/test_drive.py
suite comfyui-server pytest $sim $pytest tests/comfyui/test_server.py
