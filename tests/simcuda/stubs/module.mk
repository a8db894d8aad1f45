# Stand-ins for the NVIDIA libraries that are not simulated, made for one installed PyTorch: TORCH_ENV (tests/env) is
# the Python environment that holds it. The generator itself knows whether there is something to do, and asks in milliseconds.
SIMCUDA_NVIDIA_DIR := $(SIMCUDA_DIR)-nvidia

.PHONY: simcuda-nvidia force-simcuda-nvidia
simcuda-nvidia: $(SIMCUDA_NVIDIA_DIR)/stamp
$(SIMCUDA_NVIDIA_DIR)/stamp: force-simcuda-nvidia | python-environment
	$(Q)folder=$$(echo $(TORCH_ENV)/lib/python3.*/site-packages/torch/lib); \
	if [ ! -d "$$folder" ]; then \
		echo "No PyTorch in $(TORCH_ENV): make that environment first, or name another one with TORCH_ENV=folder" >&2; \
		exit 1; \
	fi; \
	CC="$(CC)" tests/simcuda/stubs/generate.py "$$folder" $(@D)
