# The conformance suite: what CUDA does, checked on the simulated CUDA (`make conformance-check`) or on a GPU. Built twice,
# for the runtimes of CUDA 13 and 12.
CONFORMANCE := tests/simcuda/conformance

# $(call conformance,UNIT,MAJOR,INCLUDE)
define conformance
$(1)_CFLAGS := -isystem $(3)
# Lazy binding: on a driver that is older than some function, only the check that calls it is skipped.
$(1)_LDFLAGS := -Wl,-z,lazy
$(1)_LIBS := $(SIMCUDA_DIR)/libcudart.so.$(2) $(SIMCUDA_DIR)/libcuda.so.1 -Wl,-Bstatic -ljansson -Wl,-Bdynamic -ldl -lpthread
$(1)_LINK_DEPS := $(SIMCUDA_DIR)/libcudart.so.$(2) $(SIMCUDA_DIR)/libcuda.so.1
$(call program,$(1),$(BUILD)/tests/$(1),$(wildcard $(CONFORMANCE)/*.c) shim/proof_kernels.c)
endef
$(eval $(call conformance,conformance,13,$(CUDA_INCLUDE)))
$(eval $(call conformance,conformance-12,12,$(CUDA12_INCLUDE)))

# On each simulated machine that has a file, and in each order in which simulated streams may work; TAP. One machine does
# not keep what it reports, and is found out; on another one nothing ends.
CONFORMANCE_FAULTY := 2x24gb-peer-faults
CONFORMANCE_MACHINES := $(filter-out $(CONFORMANCE_FAULTY) 2x24gb-peer-hangs,$(basename $(notdir $(wildcard tests/simcuda/machines/*.yaml))))
CONFORMANCE_ORDERS := early late random
.PHONY: conformance-check
conformance-check: simcuda $(BUILD)/tests/conformance $(BUILD)/tests/conformance-12
	$(Q)for machine in $(CONFORMANCE_MACHINES); do for order in $(CONFORMANCE_ORDERS); do \
	for program in conformance conformance-12; do \
		echo "# $$program, machine $$machine, order $$order"; \
		SIMCUDA_MACHINE=$$machine SIMCUDA_ORDER=$$order SIMCUDA_SEED=1 SIMCUDA_FRESH=poison LD_LIBRARY_PATH=$(SIMCUDA_DIR) \
			$(BUILD)/tests/$$program || exit 1; \
	done; done; done
	$(Q)echo "# machine $(CONFORMANCE_FAULTY): peer_store fails"; \
		! SIMCUDA_MACHINE=$(CONFORMANCE_FAULTY) LD_LIBRARY_PATH=$(SIMCUDA_DIR) $(BUILD)/tests/conformance --only peer_store
TEST_PROGRAMS += $(BUILD)/tests/conformance $(BUILD)/tests/conformance-12

.PHONY: conformance-weak
conformance-weak: simcuda $(BUILD)/tests/conformance ## each rule of the simulated CUDA switched off in turn: its checks must notice
	$(Q)LD_LIBRARY_PATH=$(SIMCUDA_DIR) tests/simcuda/conformance/weak.sh $(BUILD)/tests/conformance

# On a real GPU: NVIDIA's libcuda.so.1 and libcudart are found at run time, not the simulated ones.
GPU_CHECK_ENV ?=
.PHONY: gpu-check
gpu-check: $(BUILD)/tests/conformance $(BUILD)/tests/conformance-12 $(BUILD)/libvramspan.so $(BUILD)/tests/libvramspan_control.so $(BUILD)/tests/programs/rehoming ## the same checks on this machine's GPU, and what calls cost there: a report to attach
	$(Q)python3 $(CONFORMANCE)/gpu_check.py --programs $(BUILD)/tests --out $(BUILD)/gpu-check --release $(VERSION) \
		--control $(BUILD)/tests/libvramspan_control.so \
		--library $(BUILD)/libvramspan.so \
		$(foreach env,$(GPU_CHECK_ENV) $(TORCH_ENV),--python-env $(env))
