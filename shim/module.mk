# The preloaded library. Third-party code is linked statically and hidden: a preloaded library that exported yaml_* or
# json_* would take over other libraries' calls. NEEDED is glibc's only.
SHIM_GENERATED := $(BUILD)/gen/shim
SHIM_SOURCES := $(wildcard shim/*.c) $(wildcard shim/*.S) $(SHIM_GENERATED)/hooks_generated.c $(SHIM_GENERATED)/entry.S

shim_CFLAGS := -I$(SHIM_GENERATED) -Ishim -isystem $(CUDA_INCLUDE) -DVS_VERSION='"$(VERSION)"'
shim_DEPS := $(SHIM_GENERATED)/hooks_generated.h
shim_LINK_DEPS := $(POLICY_LIBRARY) $(SHIM_GENERATED)/export.map
shim_LDFLAGS := -Wl,-soname,libvramspan.so -Wl,--version-script=$(SHIM_GENERATED)/export.map -Wl,--exclude-libs,ALL \
	-Wl,-z,now -Wl,-z,defs -Wl,-e,vs_proof_enter
shim_LIBS := $(POLICY_LIBRARY) -Wl,-Bstatic -lyaml -ljansson -Wl,-Bdynamic -lpthread -ldl -lc -Wl,--as-needed -lm

$(eval $(call shared_library,shim,$(BUILD)/libvramspan.so,$(SHIM_SOURCES)))

# $(call from_hooks,FILE,WHAT): a file made from the table of hooks.
define from_hooks
$(SHIM_GENERATED)/$(1): shim/hooks.def shim/hooks.awk
	$$(call say,GEN,$$@)
	$$(Q)mkdir -p $$(@D) && awk -v what=$(2) -f shim/hooks.awk shim/hooks.def > $$@
endef
$(eval $(call from_hooks,hooks_generated.h,header))
$(eval $(call from_hooks,hooks_generated.c,source))
$(eval $(call from_hooks,entry.S,asm))
$(eval $(call from_hooks,export.map,map))

# For people: the table as a page.
$(BUILD)/hooks.md: shim/hooks.def shim/hooks.awk
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D) && awk -v what=doc -f shim/hooks.awk shim/hooks.def > $@
