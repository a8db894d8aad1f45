# Threads at the simulated driver, for ThreadSanitizer: `make SANITIZE=thread simcuda-stress-thread`, part of `make sanitize`.
simcuda_stress_CFLAGS := -isystem $(CUDA_INCLUDE)
simcuda_stress_LIBS := $(SIMDRIVER_LIBRARY) -lpthread
simcuda_stress_LINK_DEPS := $(SIMDRIVER_LIBRARY)
$(eval $(call program,simcuda_stress,$(BUILD)/tests/simcuda_stress,tests/simcuda/stress/main.c))
TEST_PROGRAMS += $(BUILD)/tests/simcuda_stress

.PHONY: simcuda-stress-thread
simcuda-stress-thread: $(BUILD)/tests/simcuda_stress
	$(Q)for order in early late random; do SIMCUDA_ORDER=$$order SIMCUDA_SEED=3 LD_LIBRARY_PATH=$(SIMCUDA_DIR) \
		TSAN_OPTIONS=halt_on_error=1 timeout 300 $(BUILD)/tests/simcuda_stress || exit 1; done
