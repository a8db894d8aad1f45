# Costs of the hooks. The runtime below is a stand-in whose functions do nothing, so that the difference is all ours.
BENCH_DIR := $(BUILD)/bench

bench_cudart_LDFLAGS := -Wl,-soname,libcudart.so.13 -Wl,--version-script=tests/bench/cudart.map
$(eval $(call shared_library,bench_cudart,$(BENCH_DIR)/libcudart.so.13,tests/bench/idle_cudart.c))
calls_LINK_DEPS := $(BENCH_DIR)/libcudart.so.13
calls_LDFLAGS := -Wl,--disable-new-dtags,-rpath,'$$ORIGIN'
calls_LIBS := $(BENCH_DIR)/libcudart.so.13 -ldl
$(eval $(call program,calls,$(BENCH_DIR)/calls,tests/bench/calls.c))
dlsym_cost_LDFLAGS := -Wl,--disable-new-dtags,-rpath,'$$ORIGIN'
dlsym_cost_LINK_DEPS := $(BENCH_DIR)/libcudart.so.13
dlsym_cost_LIBS := -ldl
$(eval $(call program,dlsym_cost,$(BENCH_DIR)/dlsym_cost,tests/bench/dlsym.c))
TEST_PROGRAMS += $(BENCH_DIR)/calls $(BENCH_DIR)/dlsym_cost

# What passing the gate costs, as code of a shared library.
gate_pass_LIBS := -lpthread
$(eval $(call shared_library,gate_pass,$(BENCH_DIR)/libgate_pass.so,tests/bench/gate_pass.c shim/gate.c))
bench_gate_LINK_DEPS := $(BENCH_DIR)/libgate_pass.so
bench_gate_LDFLAGS := -Wl,--disable-new-dtags,-rpath,'$$ORIGIN'
bench_gate_LIBS := $(BENCH_DIR)/libgate_pass.so
$(eval $(call program,bench_gate,$(BENCH_DIR)/gate,tests/bench/gate.c))
TEST_PROGRAMS += $(BENCH_DIR)/gate

# What the simulated driver's own calls cost.
driver_calls_CFLAGS := -isystem $(CUDA_INCLUDE)
driver_calls_LINK_DEPS := $(SIMCUDA_DIR)/libcuda.so.1
driver_calls_LDFLAGS := -Wl,--disable-new-dtags,-rpath,'$$ORIGIN/../simcuda'
driver_calls_LIBS := $(SIMCUDA_DIR)/libcuda.so.1
$(eval $(call program,driver_calls,$(BENCH_DIR)/driver_calls,tests/bench/driver_calls.c))
TEST_PROGRAMS += $(BENCH_DIR)/driver_calls

# What an activation's allocation costs.
pool_cudart_CFLAGS := -I$(BENCH_DIR) -fno-builtin
pool_cudart_DEPS := $(BENCH_DIR)/idle_functions.h
pool_cudart_LDFLAGS := -Wl,-soname,libcudart.so.13 -Wl,--version-script=tests/bench/cudart.map
$(BENCH_DIR)/idle_functions.h: shim/hooks.def
	$(Q)mkdir -p $(@D) && awk -F'|' '/^cudart/ { gsub(/ /, "", $$2); if ($$2 !~ /^cuda(Malloc|Free)Async$$/) print "IDLE(" $$2 ")" }' $< > $@
$(eval $(call shared_library,pool_cudart,$(BENCH_DIR)/pool/libcudart.so.13,tests/bench/pool_cudart.c))
allocations_CFLAGS := -isystem $(CUDA_INCLUDE)
allocations_LINK_DEPS := $(BENCH_DIR)/pool/libcudart.so.13 $(SIMCUDA_LIBRARIES)
allocations_LDFLAGS := -Wl,--disable-new-dtags,-rpath,'$$ORIGIN/pool:$$ORIGIN/../simcuda'
allocations_LIBS := $(BENCH_DIR)/pool/libcudart.so.13 $(SIMCUDA_DIR)/libcuda.so.1 -ldl
$(eval $(call program,allocations,$(BENCH_DIR)/allocations,tests/bench/allocations.c))
TEST_PROGRAMS += $(BENCH_DIR)/allocations

# What it costs to ask whether an address is ours.
look_up_CFLAGS := -isystem $(CUDA_INCLUDE)
$(eval $(call program,look_up,$(BENCH_DIR)/look_up,tests/bench/look_up.c shim/pages.c))
TEST_PROGRAMS += $(BENCH_DIR)/look_up

.PHONY: bench
bench: $(BUILD)/libvramspan.so $(SHIM_TEST) $(addprefix $(BENCH_DIR)/,calls dlsym_cost gate driver_calls look_up allocations) simcuda simcuda-nvidia ## costs of the hooks and of the simulated driver
	$(Q)LD_PRELOAD=$(abspath $(BUILD)/libvramspan.so) $(BENCH_DIR)/calls
	$(Q)LD_PRELOAD=$(abspath $(BUILD)/libvramspan.so) VRAMSPAN_VIRTUAL_VRAM=1gb $(BENCH_DIR)/dlsym_cost
	$(Q)$(BENCH_DIR)/gate
	$(Q)tests/bench/startup.sh $(BUILD)/libvramspan.so
	$(Q)$(BENCH_DIR)/look_up
	$(Q)tests/bench/allocations.sh $(BUILD)/libvramspan.so $(BENCH_DIR)/allocations ns
	$(Q)LD_LIBRARY_PATH=$(SIMCUDA_DIR) tests/bench/handles.sh $(SHIM_TEST) $(BUILD)/libvramspan.so
	$(Q)$(BENCH_DIR)/driver_calls
	$(Q)BUILD=$(BUILD) tests/simcuda/vramspan-sim --quiet $(TORCH_ENV)/bin/python tests/bench/load.py

# What planning a model takes.
plan_LINK_DEPS := $(POLICY_LIBRARY)
plan_LIBS := $(POLICY_LIBRARY) -l:libyaml.a -l:libjansson.a
$(eval $(call program,plan,$(BENCH_DIR)/plan,tests/bench/plan.c))
TEST_PROGRAMS += $(BENCH_DIR)/plan
