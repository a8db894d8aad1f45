# The simulated CUDA. All its libraries land in one folder, by SONAME, ready for LD_LIBRARY_PATH.
SIMCUDA_DIR := $(BUILD)/simcuda
# Part of each simulated library: the rules that SIMCUDA_WEAK switches off.
SIMCUDA_RULES := tests/simcuda/rules/rules.c

include tests/simcuda/driver/module.mk
include tests/simcuda/runtime/module.mk
include tests/simcuda/blas/module.mk
include tests/simcuda/nvml/module.mk
include tests/simcuda/cudnn/module.mk
include tests/simcuda/stubs/module.mk
include tests/simcuda/conformance/module.mk
include tests/simcuda/order/module.mk
include tests/simcuda/fuzz/module.mk
include tests/simcuda/stress/module.mk

.PHONY: simcuda
simcuda: $(SIMCUDA_LIBRARIES)
