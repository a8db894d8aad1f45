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
calling_blas_LDFLAGS := -Wl,-soname,libcublas.so.13,--default-symver
$(eval $(call shared_library,calling_blas,$(SHIM_PROGRAMS)/calling/libcublas.so.13,tests/shim/control/calling_blas.c))
mapping_LINK_DEPS := $(SIMCUDA_LIBRARIES) $(SHIM_PROGRAMS)/calling/libcublas.so.13
mapping_LDFLAGS := -Wl,--disable-new-dtags,-rpath,'$$ORIGIN/calling'
mapping_LIBS := $(SHIM_PROGRAMS)/calling/libcublas.so.13 $(SIMCUDA_DIR)/libcuda.so.1 -ldl -lpthread
$(eval $(call program,mapping,$(SHIM_PROGRAMS)/mapping,$(wildcard tests/shim/control/mapping*.c)))
SHIM_TEST_PROGRAMS += $(SHIM_PROGRAMS)/mapping

# A program over a runtime whose calls stay inside as long as it wishes.
INSIDE_GENERATED := $(BUILD)/gen/inside
$(INSIDE_GENERATED)/inside_functions.h: shim/hooks.def
	$(Q)mkdir -p $(@D) && awk -F'|' '/^cudart/ { gsub(/ /, "", $$2); if ($$2 !~ /^cuda(LaunchKernel|GraphLaunch|MemcpyAsync|MemsetAsync)$$/) print "IDLE(" $$2 ")" }' $< > $@
inside_cudart_CFLAGS := -I$(INSIDE_GENERATED) -fno-builtin
inside_cudart_DEPS := $(INSIDE_GENERATED)/inside_functions.h
inside_cudart_LDFLAGS := -Wl,-soname,libcudart.so.12
$(eval $(call shared_library,inside_cudart,$(SHIM_PROGRAMS)/inside_runtime/libcudart.so.12,tests/shim/control/inside_cudart.c))
inside_CFLAGS := -isystem $(CUDA_INCLUDE)
inside_LINK_DEPS := $(SHIM_PROGRAMS)/inside_runtime/libcudart.so.12 $(SIMCUDA_LIBRARIES)
inside_LDFLAGS := -Wl,--disable-new-dtags,-rpath,'$$ORIGIN/inside_runtime'
inside_LIBS := $(SHIM_PROGRAMS)/inside_runtime/libcudart.so.12 $(SIMCUDA_DIR)/libcuda.so.1 -lpthread -ldl
$(eval $(call program,inside,$(SHIM_PROGRAMS)/inside,tests/shim/control/inside.c))
SHIM_TEST_PROGRAMS += $(SHIM_PROGRAMS)/inside
