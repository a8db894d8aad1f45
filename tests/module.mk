# Tests, demonstrations and benchmarks: how they are built and run. tests/check.sh runs what `make check` promises.

include tests/policy/module.mk
include tests/shim/module.mk
include tests/tools/module.mk
include tests/bench/module.mk
include tests/fuzz/module.mk

CHECK_READY := $(BUILD)/libvramspan.so $(SIMCUDA_LIBRARIES) $(TEST_PROGRAMS) $(SETUP)/debian-check

.PHONY: check check-full
check: $(CHECK_READY) $(FUZZ_PROGRAMS) simcuda-nvidia aimdo-environment ## every test once, at small size (20 minutes at most)
	$(Q)BUILD=$(BUILD) TORCH_ENV=$(TORCH_ENV) AIMDO_ENV=$(AIMDO_ENV) tests/check.sh quick

check-full: $(CHECK_READY) $(FUZZ_PROGRAMS) simcuda-nvidia aimdo-environment other-python-environments ## the same with all matrices, versions, seeds and fault sweeps
	$(Q)BUILD=$(BUILD) TORCH_ENV=$(TORCH_ENV) AIMDO_ENV=$(AIMDO_ENV) OTHER_TORCH_ENVS="$(OTHER_TORCH_ENVS)" \
		tests/check.sh full

.PHONY: lint
lint: $(SETUP)/debian-lint $(BUILD_READY) $(SHIM_GENERATED)/hooks_generated.h ## layout, static analysis, arrows between folders
	$(Q)tests/lint.sh $(CUDA_INCLUDE) $(SHIM_GENERATED)

.PHONY: mutants
mutants: $(SETUP)/debian-check $(BUILD)/libvramspan.so $(SIMCUDA_LIBRARIES) $(SHIM_TEST_PROGRAMS) ## deliberate bugs, each noticed by a named test
	$(Q)mkdir -p $(BUILD)/mutants && tests/mutants/run.sh $(BUILD)

# The same C tests, built with sanitizers (in build folders of their own, which a second make fills).
.PHONY: check-c stress-thread sanitize
check-c: $(CHECK_READY)
	$(Q)BUILD=$(BUILD) tests/check.sh c

stress-thread: $(BUILD)/libvramspan.so $(addprefix $(SHIM_PROGRAMS)/,stress finds gate) $(CONTROL) $(SHIM_PROGRAMS)/moving
	$(Q)tests/shim/control/moving.sh $(BUILD) 9
	$(Q)TSAN_OPTIONS=halt_on_error=1 timeout 300 $(SHIM_PROGRAMS)/gate 300
	$(Q)TSAN_OPTIONS=halt_on_error=1 timeout 300 $(SHIM_PROGRAMS)/gate 300 without
	$(Q)BUILD=$(BUILD) tests/shim/stress.sh
	$(Q)tests/shim/finds.sh $(BUILD)

sanitize: ## C tests (with a million random calls) under ASan and UBSan, the stress runners under TSan
	+$(Q)FUZZ_CALLS=1000000 $(MAKE) --no-print-directory SANITIZE=address,undefined check-c
	+$(Q)$(MAKE) --no-print-directory SANITIZE=thread stress-thread simcuda-stress-thread

.PHONY: demo
demo: $(BUILD)/libvramspan.so $(TOOL) $(SIMCUDA_LIBRARIES) simcuda-nvidia ## ComfyUI under the library on a simulated machine (ORDER=spread: planned in that order)
	$(Q)tests/comfyui/demo.sh $(BUILD) $(TORCH_ENV)/bin/python $(ORDER)
