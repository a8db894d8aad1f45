# Installing: `make install PREFIX=/usr/local`, with DESTDIR for packages. Nothing that is installed knows the prefix:
# the tree may be moved as a whole. `make uninstall` takes away the same files, and folders that are empty then.
PREFIX ?= /usr/local
DESTDIR ?=

# FILE|PLACE: each file, and where it goes below the prefix. Programs and libraries keep their permissions.
INSTALLED := \
	$(TOOL)|bin/vramspan \
	$(BUILD)/libvramspan.so|lib/libvramspan.so \
	tools/completion.bash|share/bash-completion/completions/vramspan \
	$(foreach page,$(wildcard tools/*.1),$(page)|share/man/man1/$(notdir $(page))) \
	policy/vramspan-policy.5|share/man/man5/vramspan-policy.5 \
	$(foreach file,$(wildcard examples/*.*) $(wildcard examples/models/*.*),$(file)|share/vramspan/$(file)) \
	$(foreach file,$(wildcard tests/simcuda/machines/*.yaml),$(file)|share/vramspan/machines/$(notdir $(file)))

# The simulated CUDA for `vramspan run --simulate`, in a folder of its own.
SIMCUDA_INSTALLED := \
	tests/simcuda/vramspan-sim|libexec/vramspan/vramspan-sim \
	tests/simcuda/python/sitecustomize.py|libexec/vramspan/python/sitecustomize.py \
	$(foreach file,generate.py stub.h,tests/simcuda/stubs/$(file)|libexec/vramspan/stubs/$(file)) \
	$(foreach file,$(filter $(SIMCUDA_DIR)/%,$(SIMCUDA_LIBRARIES)), \
		$(file)|libexec/vramspan/simcuda/$(patsubst $(SIMCUDA_DIR)/%,%,$(file)))

# $(call install_files,LIST), $(call uninstall_files,LIST)
define install_files
	$(Q)set -e; for pair in $(foreach pair,$(1),'$(pair)'); do \
		file=$${pair%%|*} place="$(DESTDIR)$(PREFIX)/$${pair#*|}"; \
		mode=644; [ ! -x "$$file" ] || mode=755; \
		install -D -m $$mode "$$file" "$$place"; \
	done
endef
define uninstall_files
	$(Q)set -e; for pair in $(foreach pair,$(1),'$(pair)'); do \
		place="$${pair#*|}"; \
		[ -d "$(DESTDIR)$(PREFIX)" ] || continue; \
		cd "$(DESTDIR)$(PREFIX)"; \
		rm -f "$$place"; \
		folder=$$(dirname "$$place"); \
		while [ "$$folder" != . ] && rmdir "$$folder" 2>/dev/null; do folder=$$(dirname "$$folder"); done; \
	done
endef

.PHONY: install install-simcuda uninstall
install: all ## the command, the library, man pages, completion, examples: PREFIX=/usr/local DESTDIR=
	$(call say,INSTALL,$(DESTDIR)$(PREFIX))
	$(call install_files,$(INSTALLED))

install-simcuda: $(SIMCUDA_LIBRARIES) ## the simulated CUDA, for `vramspan run --simulate`
	$(call say,INSTALL,$(DESTDIR)$(PREFIX)/libexec/vramspan)
	$(call install_files,$(SIMCUDA_INSTALLED))

uninstall: ## takes away what `install` and `install-simcuda` put there
	$(call say,REMOVE,$(DESTDIR)$(PREFIX))
	$(Q)rm -rf $(addprefix "$(DESTDIR)$(PREFIX)"/libexec/vramspan/,simcuda-nvidia python/__pycache__)
	$(call uninstall_files,$(INSTALLED) $(SIMCUDA_INSTALLED))
