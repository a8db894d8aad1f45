# vramspan: build, tests and demonstrations. `make help` lists what can be asked for.
#
# One make, no recursion: each folder's module.mk adds its programs to the lists below with the macros of this file.

MAKEFLAGS += --no-builtin-rules --no-builtin-variables
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

# --- What a user may set -----------------------------------------------------------------------------------------
BUILD ?= build
V ?=
DEBUG ?=
SANITIZE ?=
WERROR ?=
CC := $(if $(filter default undefined,$(origin CC)),gcc,$(CC))
CACHE := $(if $(XDG_CACHE_HOME),$(XDG_CACHE_HOME),$(HOME)/.cache)/vramspan

comma := ,
ifneq ($(SANITIZE),)
override BUILD := $(BUILD)/sanitize-$(subst $(comma),-,$(SANITIZE))
endif
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(2)')

# --- Flags ---------------------------------------------------------------------------------------------------------
VERSION := 0.1.0
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla -Wundef $(if $(WERROR),-Werror)
CFLAGS_BASE := -std=gnu17 -fPIC -g $(if $(DEBUG),-O0,-O2) $(WARNINGS) -fvisibility=hidden -D_GNU_SOURCE \
	$(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer)
LDFLAGS_BASE := $(if $(SANITIZE),-fsanitize=$(SANITIZE))

# CUDA 13's headers: of an installed toolkit, else the folder that tests/env/headers.sh fills.
CUDA_INCLUDE := $(shell tests/env/headers.sh --print)
# CUDA 12's headers, for the simulated libcudart.so.12 (structures differ between the majors).
CUDA12_INCLUDE := $(CACHE)/cuda-12/include

# --- How things are built --------------------------------------------------------------------------------------------
# $(call objects,UNIT,SOURCES): the object files of one program or library. Each unit has objects of its own, since
# units differ in flags. UNIT_CFLAGS and UNIT_DEPS (made before any of its sources is compiled) may be set.
object_of = $(patsubst %,$(BUILD)/obj/$(1)/%.o,$(basename $(2)))
objects = $(call object_of,$(1),$(2))

define compile_rules
$(BUILD)/obj/$(1)/%.o: %.c
	$$(call say,CC,$$<)
	$$(Q)mkdir -p $$(@D) && $(CC) $(CFLAGS_BASE) $$($(1)_CFLAGS) -MMD -MP -c $$< -o $$@
$(BUILD)/obj/$(1)/%.o: %.S
	$$(call say,AS,$$<)
	$$(Q)mkdir -p $$(@D) && $(CC) $(CFLAGS_BASE) $$($(1)_CFLAGS) -MMD -MP -c $$< -o $$@
-include $(patsubst %.o,%.d,$(call object_of,$(1),$(2)))
$(call object_of,$(1),$(2)): | $$(BUILD_READY) $$($(1)_DEPS)
endef

# $(call shared_library,UNIT,FILE,SOURCES): FILE from SOURCES with UNIT_LDFLAGS and UNIT_LIBS.
define shared_library
$(call compile_rules,$(1),$(3))
$(2): $(call object_of,$(1),$(3)) $$($(1)_LINK_DEPS)
	$$(call say,LINK,$$@)
	$$(Q)mkdir -p $$(@D) && $(CC) -shared $(LDFLAGS_BASE) $$($(1)_LDFLAGS) -o $$@ $(call object_of,$(1),$(3)) $$($(1)_LIBS)
endef

# $(call program,UNIT,FILE,SOURCES): the same for an executable.
define program
$(call compile_rules,$(1),$(3))
$(2): $(call object_of,$(1),$(3)) $$($(1)_LINK_DEPS)
	$$(call say,LINK,$$@)
	$$(Q)mkdir -p $$(@D) && $(CC) $(LDFLAGS_BASE) $$($(1)_LDFLAGS) -o $$@ $(call object_of,$(1),$(3)) $$($(1)_LIBS)
endef

# $(call static_library,UNIT,FILE,SOURCES): the same for an archive.
define static_library
$(call compile_rules,$(1),$(3))
$(2): $(call object_of,$(1),$(3))
	$$(call say,AR,$$@)
	$$(Q)mkdir -p $$(@D) && rm -f $$@ && ar rcs $$@ $(call object_of,$(1),$(3))
endef

# Lists that the modules add to.
SIMCUDA_LIBRARIES :=
TEST_PROGRAMS :=

.PHONY: all
all: $(BUILD)/libvramspan.so $(BUILD)/vramspan $(BUILD)/hooks.md ## the preloaded library, and the command (default)

include tests/env/module.mk
include policy/module.mk
include shim/module.mk
include tools/module.mk
include tests/simcuda/module.mk
include tests/module.mk
include tools/install.mk

.PHONY: clean
clean: ## removes what was built (not the downloads in the user's cache folder)
	$(Q)rm -rf $(BUILD)

.PHONY: help
help: ## this list
	@echo "vramspan $(VERSION): make TARGET [V=1] [DEBUG=1] [SANITIZE=address,undefined|thread] [BUILD=folder]"
	@awk -F':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(filter %Makefile %.mk,$(MAKEFILE_LIST))
