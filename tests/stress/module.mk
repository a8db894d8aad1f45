# The stress program: random operations under the preloaded library, each byte known beforehand. A plain program, which
# runs under sanitizers. Under ThreadSanitizer threads run freely, and their mutexes are left to it.
STRESS := $(BUILD)/tests/stress
stress_CFLAGS := -isystem $(CUDA_INCLUDE)
stress_LINK_DEPS := $(SIMCUDA_LIBRARIES)
# It exports its mutexes and conditions, whose waits are turns.
stress_LDFLAGS := -Wl,--export-dynamic
stress_LIBS := $(addprefix $(SIMCUDA_DIR)/,libcudart.so.13 libcuda.so.1) -lpthread -ldl
$(eval $(call program,stress,$(STRESS),$(wildcard tests/stress/*.c) \
	$(if $(findstring thread,$(SANITIZE)),,tests/simcuda/order/pthread_turns.c)))
TEST_PROGRAMS += $(STRESS)

.PHONY: stress
stress: $(BUILD)/tests/libvramspan_control.so $(STRESS) ## random operations, each byte known beforehand (SEED=n OPS=n MACHINE=name|all ORDER= THREADS= FAULTS=1)
	$(Q)BUILD=$(BUILD) SEED=$(SEED) OPS=$(OPS) MACHINE=$(MACHINE) ORDER=$(ORDER) THREADS=$(THREADS) TURNS=$(TURNS) \
		FAULTS=$(FAULTS) VERBOSE=$(VERBOSE) tests/stress/stress.sh
