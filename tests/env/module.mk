# Set-up of a fresh machine: Debian packages, CUDA headers, Python environments. Everything downloaded lies in $(CACHE);
# the stamps here only spare the scripts from being asked again.
SETUP := $(BUILD)/setup
BUILD_READY := $(SETUP)/debian-build $(SETUP)/headers

$(SETUP)/debian-%: tests/env/debian.sh
	$(Q)tests/env/debian.sh $*
	$(Q)mkdir -p $(@D) && touch $@

$(SETUP)/headers: tests/env/headers.sh | $(SETUP)/debian-build
	$(Q)tests/env/headers.sh
	$(Q)mkdir -p $(@D) && touch $@

# The Python environment of the tests. Its script knows whether it is complete, and asks in a tenth of a second.
TORCH_ENV_NAME := torch-2.11.0
TORCH_ENV ?= $(CACHE)/envs/$(TORCH_ENV_NAME)
.PHONY: python-environment
python-environment: | $(SETUP)/debian-build
	$(Q)tests/env/python.sh $(TORCH_ENV_NAME)

# Other versions of PyTorch, for `make check-full`.
OTHER_TORCH_ENV_NAMES := torch-2.15.0 torch-2.6.0
OTHER_TORCH_ENVS := $(addprefix $(CACHE)/envs/,$(OTHER_TORCH_ENV_NAMES))
.PHONY: other-python-environments
other-python-environments: | $(SETUP)/debian-build python-environment
	$(Q)set -e; for name in $(OTHER_TORCH_ENV_NAMES); do tests/env/python.sh $$name; done

# comfy-aimdo, for tests/aimdo: a small environment, whose packages are added to PyTorch's.
AIMDO_ENV_NAME := aimdo-0.6.0
AIMDO_ENV := $(CACHE)/envs/$(AIMDO_ENV_NAME)
.PHONY: aimdo-environment
aimdo-environment: | $(SETUP)/debian-build
	$(Q)tests/env/python.sh $(AIMDO_ENV_NAME)
