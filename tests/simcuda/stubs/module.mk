# Stand-ins for the NVIDIA libraries that are not simulated, made for one installed PyTorch: TORCH_ENV (tests/env) is
# the Python environment that holds it. They are made when a torch is first imported on the simulated CUDA; here they are
# made beforehand, so that no test waits for it. The generator knows whether there is something to do, and asks in a tenth
# of a second.
.PHONY: simcuda-nvidia
simcuda-nvidia: $(SIMCUDA_LIBRARIES) | python-environment
	$(Q)folder=$$(echo $(TORCH_ENV)/lib/python3.*/site-packages/torch/lib); \
	if [ ! -d "$$folder" ]; then \
		echo "No PyTorch in $(TORCH_ENV): make that environment first, or name another one with TORCH_ENV=folder" >&2; \
		exit 1; \
	fi; \
	CC="$(CC)" tests/simcuda/stubs/generate.py "$$folder" $(SIMCUDA_DIR) $(SIMCUDA_DIR)-nvidia >/dev/null

# vramspan-sim (a script; it finds what it needs in $(SIMCUDA_DIR)) asks this program what a machine is.
describe_machine_LINK_DEPS := $(POLICY_LIBRARY)
describe_machine_LIBS := $(POLICY_LIBRARY) -l:libyaml.a -ldl -lm
$(eval $(call program,describe_machine,$(SIMCUDA_DIR)/describe-machine,tests/simcuda/describe_machine.c \
	$(SIMDRIVER)/machine.c))
SIMCUDA_LIBRARIES += $(SIMCUDA_DIR)/describe-machine

# Where `vramspan run --simulate` finds the script: beside itself.
$(BUILD)/vramspan-sim: tests/simcuda/vramspan-sim
	$(Q)mkdir -p $(@D) && ln -sf $(abspath $<) $@
SIMCUDA_LIBRARIES += $(BUILD)/vramspan-sim
