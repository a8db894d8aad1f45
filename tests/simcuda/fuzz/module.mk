# Random calls of the simulated CUDA: `fuzz --help`.
fuzz_CFLAGS := -isystem $(CUDA_INCLUDE)
fuzz_LIBS := $(SIMCUDA_DIR)/libcudart.so.13 $(SIMCUDA_DIR)/libcuda.so.1
fuzz_LINK_DEPS := $(SIMCUDA_DIR)/libcudart.so.13 $(SIMCUDA_DIR)/libcuda.so.1
$(eval $(call program,fuzz,$(BUILD)/tests/fuzz,$(wildcard tests/simcuda/fuzz/*.c)))
TEST_PROGRAMS += $(BUILD)/tests/fuzz
