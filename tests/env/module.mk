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
