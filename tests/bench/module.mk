# Costs of the hooks. The runtime below is a stand-in whose functions do nothing, so that the difference is all ours.
BENCH_DIR := $(BUILD)/bench

bench_cudart_LDFLAGS := -Wl,-soname,libcudart.so.13 -Wl,--version-script=tests/bench/cudart.map
$(eval $(call shared_library,bench_cudart,$(BENCH_DIR)/libcudart.so.13,tests/bench/idle_cudart.c))
calls_LINK_DEPS := $(BENCH_DIR)/libcudart.so.13
calls_LDFLAGS := -Wl,--disable-new-dtags,-rpath,'$$ORIGIN'
calls_LIBS := $(BENCH_DIR)/libcudart.so.13 -ldl
$(eval $(call program,calls,$(BENCH_DIR)/calls,tests/bench/calls.c))
TEST_PROGRAMS += $(BENCH_DIR)/calls

.PHONY: bench
bench: $(BUILD)/libvramspan.so $(BENCH_DIR)/calls simcuda simcuda-nvidia ## costs of the hooks beside direct calls; a load on the simulated CUDA beside a copy
	$(Q)LD_PRELOAD=$(abspath $(BUILD)/libvramspan.so) $(BENCH_DIR)/calls
	$(Q)tests/bench/startup.sh $(BUILD)/libvramspan.so
	$(Q)BUILD=$(BUILD) tests/simcuda/vramspan-sim --quiet $(TORCH_ENV)/bin/python tests/bench/load.py
