# Tests of the preloaded library, on the simulated CUDA. Programs that need a process of their own are in programs/.
SHIM_TEST := $(BUILD)/tests/shim_test
SHIM_PROGRAMS := $(BUILD)/tests/programs

# The driver's rows of the table of hooks.
ROWS_GENERATED := $(BUILD)/gen/rows
$(ROWS_GENERATED)/rows.h: tests/shim/rows.awk shim/hooks.def
	$(Q)mkdir -p $(@D) && awk -f $^ > $@

shim_test_CFLAGS := -isystem $(CUDA_INCLUDE) -I$(SHIM_GENERATED) -I$(ROWS_GENERATED)
shim_test_DEPS := $(SHIM_GENERATED)/hooks_generated.h $(ROWS_GENERATED)/rows.h
shim_test_LINK_DEPS := $(SIMCUDA_LIBRARIES)
shim_test_LIBS := $(addprefix $(SIMCUDA_DIR)/,libcudart.so.13 libcublas.so.13 libcublasLt.so.13 libcuda.so.1) -lcriterion -l:libjansson.a -lm
$(eval $(call program,shim_test,$(SHIM_TEST),$(wildcard tests/shim/*_test.c tests/shim/*_support.c) tests/shim/fixture.c tests/shim/sees.c tests/policy/model/gguf_writer.c policy/text/text.c shim/pages.c shim/spans.c shim/wanted_sizes.c \
	shim/host_memory.c shim/proof_spawn.c policy/machine/host_memory_text.c))

asks_LIBS := -ldl
$(eval $(call program,asks,$(SHIM_PROGRAMS)/asks,tests/shim/programs/asks.c))

# The gate alone, without CUDA.
gate_LIBS := -lpthread
$(eval $(call program,gate,$(SHIM_PROGRAMS)/gate,tests/shim/programs/gate.c shim/gate.c))

exiting_CFLAGS := -isystem $(CUDA_INCLUDE)
exiting_LINK_DEPS := $(SIMCUDA_LIBRARIES)
exiting_LIBS := $(addprefix $(SIMCUDA_DIR)/,libcudart.so.13 libcuda.so.1)
$(eval $(call program,exiting,$(SHIM_PROGRAMS)/exiting,tests/shim/programs/exiting.c))

sees_CFLAGS := -isystem $(CUDA_INCLUDE)
sees_LINK_DEPS := $(SIMCUDA_LIBRARIES)
sees_LIBS := $(addprefix $(SIMCUDA_DIR)/,libcudart.so.13 libcuda.so.1) -lpthread -ldl
$(eval $(call program,sees,$(SHIM_PROGRAMS)/sees,tests/shim/programs/sees.c))

# The same program over functions that it looks up, as Python's ctypes does, and over a runtime of its own, as extensions are
# linked that bring the static one.
sees_by_look_up_CFLAGS := -isystem $(CUDA_INCLUDE) -include tests/shim/programs/by_look_up.h
sees_by_look_up_LIBS := $(SIMCUDA_DIR)/libcuda.so.1 -lpthread -ldl
sees_by_look_up_LINK_DEPS := $(SIMCUDA_LIBRARIES)
$(eval $(call program,sees_by_look_up,$(SHIM_PROGRAMS)/sees_by_look_up,tests/shim/programs/sees.c))
sees_static_CFLAGS := -isystem $(CUDA_INCLUDE)
sees_static_LIBS = $(call objects,cudart13,$(CUDART_SOURCES)) $(SIMCUDA_DIR)/libcuda.so.1 -lpthread -ldl
sees_static_LINK_DEPS := $(SIMCUDA_LIBRARIES)
$(eval $(call program,sees_static,$(SHIM_PROGRAMS)/sees_static,tests/shim/programs/sees.c))

# $(call with_runtime,NAME): a library with a runtime of its own.
define with_runtime
with_runtime_$(1)_CFLAGS := -isystem $(CUDA_INCLUDE)
with_runtime_$(1)_LDFLAGS := -Wl,-Bsymbolic
with_runtime_$(1)_LIBS = $$(call objects,cudart13,$$(CUDART_SOURCES)) -lpthread -ldl
with_runtime_$(1)_LINK_DEPS := $$(SIMCUDA_LIBRARIES)
$$(eval $$(call shared_library,with_runtime_$(1),$$(SHIM_PROGRAMS)/lib$(1).so,tests/shim/programs/workspace.c))
endef
$(eval $(call with_runtime,extension))
$(eval $(call with_runtime,cublas_workspace))

below_CFLAGS := -isystem $(CUDA_INCLUDE)
below_LIBS = $(call objects,cudart13,$(CUDART_SOURCES)) -lpthread -ldl
below_LINK_DEPS := $(SIMCUDA_LIBRARIES)
$(eval $(call program,below,$(SHIM_PROGRAMS)/below,tests/shim/programs/below.c))

forking_CFLAGS := -isystem $(CUDA_INCLUDE)
forking_LINK_DEPS := $(SIMCUDA_LIBRARIES)
forking_LIBS := $(addprefix $(SIMCUDA_DIR)/,libcudart.so.13 libcuda.so.1) -lpthread -ldl
$(eval $(call program,forking,$(SHIM_PROGRAMS)/forking,tests/shim/programs/forking.c))

# Calls made of the table of hooks.
EACH_CALL_GENERATED := $(BUILD)/gen/each_call
$(EACH_CALL_GENERATED)/each_call.h: tests/shim/each_call.awk tests/shim/first_calls.def shim/hooks.def
	$(Q)mkdir -p $(@D) && awk -f $^ > $@
each_call_CFLAGS := -isystem $(CUDA_INCLUDE) -I$(EACH_CALL_GENERATED) -Wno-deprecated-declarations
each_call_DEPS := $(EACH_CALL_GENERATED)/each_call.h
each_call_LINK_DEPS := $(SIMCUDA_LIBRARIES)
each_call_LIBS := -ldl
$(eval $(call program,each_call,$(SHIM_PROGRAMS)/each_call,tests/shim/programs/each_call.c))

# What is found of the driver, and in two libraries of one name.
$(foreach name,a b other,$(eval chain_$(name)_CFLAGS := -DNAME='"$(name)"' -DNEXT=$(name)_next $(if $(filter other,$(name)),-DOF_DRIVER)))
$(foreach name,a b other,$(eval chain_$(name)_LIBS := -ldl))
$(foreach name,a b other,$(eval $(call shared_library,chain_$(name),$(SHIM_PROGRAMS)/libchain_$(name).so,tests/shim/programs/chain.c)))
finds_CFLAGS := -isystem $(CUDA_INCLUDE) -I$(ROWS_GENERATED)
finds_DEPS := $(ROWS_GENERATED)/rows.h
finds_LINK_DEPS := $(SIMCUDA_LIBRARIES) $(addprefix $(SHIM_PROGRAMS)/,libchain_a.so libchain_b.so libchain_other.so libuser13.so)
finds_LDFLAGS := -Wl,--no-as-needed
finds_LIBS := $(foreach name,a b,$(SHIM_PROGRAMS)/libchain_$(name).so) $(addprefix $(SIMCUDA_DIR)/,libcudart.so.13 libcuda.so.1) -ldl
$(eval $(call program,finds,$(SHIM_PROGRAMS)/finds,tests/shim/programs/finds.c))

# The runtime's calls of the table, and what becomes of them.
$(BUILD)/gen/pairs/pairs.h: tests/shim/pairs.awk shim/hooks.def
	$(Q)mkdir -p $(@D) && awk -f $^ > $@
pairs_CFLAGS := -isystem $(CUDA_INCLUDE) -I$(BUILD)/gen/pairs -I$(ROWS_GENERATED)
pairs_DEPS := $(BUILD)/gen/pairs/pairs.h $(ROWS_GENERATED)/rows.h
pairs_LINK_DEPS := $(SIMCUDA_LIBRARIES)
pairs_LIBS := $(addprefix $(SIMCUDA_DIR)/,libcudart.so.13 libcuda.so.1) -ldl
$(eval $(call program,pairs,$(SHIM_PROGRAMS)/pairs,tests/shim/programs/pairs.c))

# Libraries between a program and CUDA.
patcher_LIBS := -ldl
$(eval $(call shared_library,patcher,$(SHIM_PROGRAMS)/libpatcher.so,tests/shim/programs/patcher.c))
patcher_marked_CFLAGS := -DMARKED
patcher_marked_LIBS := -ldl
$(eval $(call shared_library,patcher_marked,$(SHIM_PROGRAMS)/libpatcher_marked.so,tests/shim/programs/patcher.c))
interposer_LIBS := -ldl
$(eval $(call shared_library,interposer,$(SHIM_PROGRAMS)/libinterposer.so,tests/shim/programs/interposer.c))

# $(call cudart_user,MAJOR,INCLUDE): a library linked against one major version of the runtime.
define cudart_user
user$(1)_CFLAGS := -isystem $(2) -DUSER=user$(1)
user$(1)_LINK_DEPS := $(SIMCUDA_LIBRARIES)
user$(1)_LIBS := $(SIMCUDA_DIR)/libcudart.so.$(1)
$(call shared_library,user$(1),$(SHIM_PROGRAMS)/libuser$(1).so,tests/shim/programs/cudart_user.c)
endef
$(eval $(call cudart_user,12,$(CUDA12_INCLUDE)))
$(eval $(call cudart_user,13,$(CUDA_INCLUDE)))

# A program over a runtime of another age; it finds that one by its run path, whatever LD_LIBRARY_PATH says.
old_cudart_LDFLAGS := -Wl,-soname,libcudart.so.12,--default-symver
old_cudart_LIBS := -ldl
$(eval $(call shared_library,old_cudart,$(SHIM_PROGRAMS)/old/libcudart.so.12,tests/shim/programs/old_cudart.c))
old_program_LINK_DEPS := $(SHIM_PROGRAMS)/old/libcudart.so.12
old_program_LDFLAGS := -Wl,--disable-new-dtags,-rpath,'$$ORIGIN/old'
old_program_LIBS := $(SHIM_PROGRAMS)/old/libcudart.so.12
$(eval $(call program,old_program,$(SHIM_PROGRAMS)/old_program,tests/shim/programs/old_program.c))

nvml_library_CFLAGS := -DAS_LIBRARY
nvml_library_LDFLAGS := -Wl,-soname,libnvidia-ml.so.1
$(eval $(call shared_library,nvml_library,$(SHIM_PROGRAMS)/nvml/libnvidia-ml.so.1,tests/shim/programs/nvml_only.c))
nvml_only_LDFLAGS := -Wl,--disable-new-dtags,-rpath,'$$ORIGIN/nvml'
nvml_only_LIBS := -ldl
$(eval $(call program,nvml_only,$(SHIM_PROGRAMS)/nvml_only,tests/shim/programs/nvml_only.c))

old_user_LINK_DEPS := $(SHIM_PROGRAMS)/old/libcudart.so.12
old_user_LDFLAGS := -Wl,--disable-new-dtags,-rpath,'$$ORIGIN/old'
old_user_LIBS := $(SHIM_PROGRAMS)/old/libcudart.so.12
$(eval $(call shared_library,old_user,$(SHIM_PROGRAMS)/libold_user.so,tests/shim/programs/old_user.c))

waiting_library_CFLAGS := -DAS_LIBRARY
waiting_library_LIBS := -lpthread
$(eval $(call shared_library,waiting_library,$(SHIM_PROGRAMS)/libwaiting.so,tests/shim/programs/waiting.c))
waiting_LDFLAGS := -Wl,--disable-new-dtags,-rpath,'$$ORIGIN'
waiting_LIBS := -ldl
$(eval $(call program,waiting,$(SHIM_PROGRAMS)/waiting,tests/shim/programs/waiting.c))

# A program whose library uses CUDA in its constructor.
early_library_CFLAGS := -isystem $(CUDA_INCLUDE) -DAS_LIBRARY
early_library_LINK_DEPS := $(SIMCUDA_LIBRARIES)
early_library_LIBS := $(SIMCUDA_DIR)/libcudart.so.13
$(eval $(call shared_library,early_library,$(SHIM_PROGRAMS)/libearly.so,tests/shim/programs/early.c))
early_CFLAGS := -isystem $(CUDA_INCLUDE)
early_LINK_DEPS := $(SHIM_PROGRAMS)/libearly.so
early_LDFLAGS := -Wl,--disable-new-dtags,-rpath,'$$ORIGIN'
early_LIBS := $(SHIM_PROGRAMS)/libearly.so $(SIMCUDA_DIR)/libcudart.so.13 $(SIMCUDA_DIR)/libcuda.so.1
$(eval $(call program,early,$(SHIM_PROGRAMS)/early,tests/shim/programs/early.c))

# A program over a runtime whose calls reach the driver by symbol.
NESTING_GENERATED := $(BUILD)/gen/nesting
$(NESTING_GENERATED)/idle_functions.h: shim/hooks.def
	$(Q)mkdir -p $(@D) && awk -F'|' '/^cudart/ { gsub(/ /, "", $$2); if ($$2 != "cudaMalloc") print "IDLE(" $$2 ")" }' $< > $@
nesting_cudart_CFLAGS := -isystem $(CUDA_INCLUDE) -I$(NESTING_GENERATED) -fno-builtin
nesting_cudart_DEPS := $(NESTING_GENERATED)/idle_functions.h
nesting_cudart_LDFLAGS := -Wl,-soname,libcudart.so.12
nesting_cudart_LINK_DEPS := $(SIMCUDA_LIBRARIES)
nesting_cudart_LIBS := $(SIMCUDA_DIR)/libcuda.so.1
$(eval $(call shared_library,nesting_cudart,$(SHIM_PROGRAMS)/nesting_runtime/libcudart.so.12,\
	tests/shim/programs/nesting_cudart.c))
nesting_CFLAGS := -isystem $(CUDA_INCLUDE)
nesting_LINK_DEPS := $(SHIM_PROGRAMS)/nesting_runtime/libcudart.so.12
nesting_LDFLAGS := -Wl,--disable-new-dtags,-rpath,'$$ORIGIN/nesting_runtime'
nesting_LIBS := $(SHIM_PROGRAMS)/nesting_runtime/libcudart.so.12 $(SIMCUDA_DIR)/libcuda.so.1
$(eval $(call program,nesting,$(SHIM_PROGRAMS)/nesting,tests/shim/programs/nesting.c))

SHIM_TEST_PROGRAMS := $(SHIM_TEST) $(addprefix $(SHIM_PROGRAMS)/,asks gate exiting sees sees_by_look_up sees_static below \
	libextension.so libcublas_workspace.so forking each_call finds pairs early nesting waiting libwaiting.so libpatcher.so \
	libpatcher_marked.so libinterposer.so old_program libold_user.so libuser12.so libuser13.so nvml_only \
	nvml/libnvidia-ml.so.1)
include tests/shim/control/module.mk

TEST_PROGRAMS += $(SHIM_TEST_PROGRAMS)
