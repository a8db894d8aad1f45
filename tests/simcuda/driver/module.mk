# The simulated driver, libcuda.so.1: all state of the simulated machine.
SIMDRIVER := tests/simcuda/driver
SIMDRIVER_GEN := $(BUILD)/gen/$(SIMDRIVER)
SIMDRIVER_LOOKUPS := $(wildcard tests/simcuda/golden/cudart1[0-9]_lookups.txt)
SIMKERNELS := tests/simcuda/kernels
SIMKERNELS_SOURCES := $(wildcard $(SIMKERNELS)/*.c)
SIMDRIVER_SOURCES := $(wildcard $(SIMDRIVER)/*.c) $(SIMKERNELS_SOURCES) $(SIMCUDA_RULES)
SIMDRIVER_LIBRARY := $(SIMCUDA_DIR)/libcuda.so.1

simdriver_CFLAGS := -isystem $(CUDA_INCLUDE) -I$(SIMDRIVER) -Itests/simcuda/rules -pthread
# -Bsymbolic: look-ups hand out this library's own functions, whoever interposes their names.
simdriver_LDFLAGS := -Wl,-soname,libcuda.so.1 -Wl,-Bsymbolic -Wl,--version-script=$(SIMDRIVER)/exports.map -Wl,--exclude-libs,ALL \
	$(if $(SANITIZE),,-Wl,-z,defs)
simdriver_LIBS := $(POLICY_LIBRARY) -Wl,-Bstatic -lyaml -lxxhash -Wl,-Bdynamic -lm -ldl -lpthread
simdriver_LINK_DEPS := $(POLICY_LIBRARY) $(SIMDRIVER)/exports.map $(SIMDRIVER_GEN)/lookup_stubs.o

$(eval $(call shared_library,simdriver,$(SIMDRIVER_LIBRARY),$(SIMDRIVER_SOURCES)))
# What kernels compute must not depend on the processor: no contraction to fused multiply-adds.
$(call object_of,simdriver,$(SIMKERNELS_SOURCES)): private simdriver_CFLAGS += $(if $(DEBUG),,-O3) -ffp-contract=off
$(SIMDRIVER_LIBRARY): private simdriver_LIBS := $(SIMDRIVER_GEN)/lookup_stubs.o $(simdriver_LIBS)

$(SIMDRIVER_GEN)/lookup_stubs.c: $(SIMDRIVER)/make_stubs.sh $(SIMDRIVER)/driver_api.def $(SIMDRIVER_LOOKUPS) | $(BUILD_READY)
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D) && $< $(SIMDRIVER)/driver_api.def $(CUDA_INCLUDE)/cudaTypedefs.h $(SIMDRIVER_LOOKUPS) > $@
$(SIMDRIVER_GEN)/lookup_stubs.o: $(SIMDRIVER_GEN)/lookup_stubs.c $(SIMDRIVER)/lookup.h
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS_BASE) $(simdriver_CFLAGS) -c $< -o $@

# Linking with -lcuda, as C tests do.
$(SIMCUDA_DIR)/libcuda.so: $(SIMDRIVER_LIBRARY)
	$(Q)ln -sf libcuda.so.1 $@

# The machine files lie beside the library, which finds them there.
SIMCUDA_MACHINES := $(patsubst tests/simcuda/machines/%,$(SIMCUDA_DIR)/machines/%,$(wildcard tests/simcuda/machines/*.yaml))
$(SIMCUDA_DIR)/machines/%.yaml: tests/simcuda/machines/%.yaml
	$(Q)mkdir -p $(@D) && cp $< $@

SIMCUDA_LIBRARIES += $(SIMDRIVER_LIBRARY) $(SIMCUDA_DIR)/libcuda.so $(SIMCUDA_MACHINES)

# --- Tests: single parts, and the driver as a whole ---
simcuda_parts_test_CFLAGS := -isystem $(CUDA_INCLUDE) -I$(SIMDRIVER)
simcuda_parts_test_LINK_DEPS := $(POLICY_LIBRARY)
simcuda_parts_test_LIBS := $(POLICY_LIBRARY) -lcriterion -l:libyaml.a -ldl -lm
$(eval $(call program,simcuda_parts_test,$(BUILD)/tests/simcuda_parts_test,\
	$(wildcard $(SIMDRIVER)/tests/parts_*_test.c) \
	$(addprefix $(SIMDRIVER)/,extents.c knowledge.c signature.c machine.c visible.c)))
TEST_PROGRAMS += $(BUILD)/tests/simcuda_parts_test

simcuda_driver_test_CFLAGS := -isystem $(CUDA_INCLUDE)
simcuda_driver_test_LINK_DEPS := $(SIMDRIVER_LIBRARY)
simcuda_driver_test_LIBS := $(SIMDRIVER_LIBRARY) -lcriterion
simcuda_driver_test_LDFLAGS := -Wl,--disable-new-dtags,-rpath,'$$ORIGIN/../simcuda'
$(eval $(call program,simcuda_driver_test,$(BUILD)/tests/simcuda_driver_test,\
	$(wildcard $(SIMDRIVER)/tests/driver_*_test.c)))
TEST_PROGRAMS += $(BUILD)/tests/simcuda_driver_test
