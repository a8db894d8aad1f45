# The test build of the library: the same objects, and what lets tests move pages by hand.
CONTROL := $(BUILD)/tests/libvramspan_control.so
control_CFLAGS := $(shim_CFLAGS)
control_DEPS := $(shim_DEPS)
$(eval $(call compile_rules,control,tests/shim/control/control.c))
CONTROL_OBJECTS := $(call object_of,shim,$(SHIM_SOURCES)) $(call object_of,control,tests/shim/control/control.c)
$(CONTROL): $(CONTROL_OBJECTS) $(shim_LINK_DEPS)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) -shared $(LDFLAGS_BASE) $(shim_LDFLAGS) -o $@ $(CONTROL_OBJECTS) $(shim_LIBS)

# Its tests: each in a process of its own, with that build preloaded.
move_test_CFLAGS := -isystem $(CUDA_INCLUDE)
move_test_LINK_DEPS := $(SIMCUDA_LIBRARIES)
move_test_LIBS := $(addprefix $(SIMCUDA_DIR)/,libcudart.so.13 libcuda.so.1) -lcriterion -lm -ldl -lpthread
$(eval $(call program,move_test,$(BUILD)/tests/move_test,$(wildcard tests/shim/control/*_test.c) tests/shim/control/movable.c tests/shim/control/mixed_forms.c tests/shim/fixture.c))

# A plain program: threads that launch while pages move. It exports its mutexes and conditions, whose waits are turns.
moving_CFLAGS := -isystem $(CUDA_INCLUDE)
moving_LINK_DEPS := $(SIMCUDA_LIBRARIES)
moving_LDFLAGS := -Wl,--export-dynamic
moving_LIBS := $(addprefix $(SIMCUDA_DIR)/,libcudart.so.13 libcuda.so.1) -lpthread -ldl
$(eval $(call program,moving,$(SHIM_PROGRAMS)/moving,tests/shim/control/moving.c tests/simcuda/order/pthread_turns.c))

# The same on a GPU, or on a simulated one: NVIDIA's libraries are found at run time.
rehoming_CFLAGS := -isystem $(CUDA_INCLUDE)
rehoming_LINK_DEPS := $(SIMCUDA_LIBRARIES)
rehoming_LIBS := $(addprefix $(SIMCUDA_DIR)/,libcudart.so.13 libcuda.so.1) -lpthread -ldl
$(eval $(call program,rehoming,$(SHIM_PROGRAMS)/rehoming,tests/shim/control/rehoming.c))

SHIM_TEST_PROGRAMS += $(SHIM_PROGRAMS)/rehoming $(CONTROL) $(BUILD)/tests/move_test $(SHIM_PROGRAMS)/moving

# Maps memory itself; run with and without the library.
mapping_CFLAGS := -isystem $(CUDA_INCLUDE)
mapping_LINK_DEPS := $(SIMCUDA_LIBRARIES)
mapping_LIBS := $(SIMCUDA_DIR)/libcuda.so.1 -ldl -lpthread
$(eval $(call program,mapping,$(SHIM_PROGRAMS)/mapping,$(wildcard tests/shim/control/mapping*.c)))
SHIM_TEST_PROGRAMS += $(SHIM_PROGRAMS)/mapping
