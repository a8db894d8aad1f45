# The simulated cuDNN, built as the real one is: libcudnn.so.9 dispatches to sub-libraries by name. One set serves CUDA 13
# and 12.
SIMCUDNN := tests/simcuda/cudnn
SIMCUDNN_COMMON := $(SIMCUDNN)/handle.c $(SIMCUDNN)/missing.c tests/simcuda/library/library.c
SIMCUDNN_PROGRAM := $(SIMCUDNN)/program.c $(SIMCUDNN)/program_compute.c tests/simcuda/driver/gemm_types.c

# PyTorch's references carry the SONAME as version node.
define simcudnn_map
$$(BUILD)/simcuda/$(1).map: $$(SIMCUDNN)/module.mk
	$$(Q)mkdir -p $$(@D) && echo '$(1) { global: cudnn*; local: *; };' >$$@
endef

# $(call simcudnn_library,NAME,SOURCES): libcudnn_NAME.so.9. -Bsymbolic: what calls another function of its own does not
# pass through the dispatcher.
define simcudnn_library
simcudnn_$(1)_CFLAGS := -isystem $$(CUDA_INCLUDE) -DSUBLIBRARY_$(1) -DLIBRARY='"libcudnn_$(1).so.9"'
simcudnn_$(1)_LDFLAGS := -Wl,-soname,libcudnn_$(1).so.9 -Wl,--version-script=$$(BUILD)/simcuda/libcudnn_$(1).so.9.map \
	-Wl,-Bsymbolic $$(if $$(SANITIZE),,-Wl,-z,defs)
simcudnn_$(1)_LIBS := -ldl -lpthread -lm
simcudnn_$(1)_LINK_DEPS := $$(BUILD)/simcuda/libcudnn_$(1).so.9.map
$$(eval $$(call simcudnn_map,libcudnn_$(1).so.9))
$$(eval $$(call shared_library,simcudnn_$(1),$$(SIMCUDA_DIR)/libcudnn_$(1).so.9,$$(SIMCUDNN_COMMON) $(2)))
SIMCUDNN_LIBRARIES += $$(SIMCUDA_DIR)/libcudnn_$(1).so.9
endef

SIMCUDNN_LIBRARIES := $(SIMCUDA_DIR)/libcudnn.so.9
$(eval $(call simcudnn_library,graph,$(SIMCUDNN_PROGRAM) $(wildcard $(SIMCUDNN)/graph_*.c)))
$(eval $(call simcudnn_library,ops,$(SIMCUDNN_PROGRAM) $(wildcard $(SIMCUDNN)/ops_*.c)))
$(eval $(call simcudnn_library,cnn,$(SIMCUDNN_PROGRAM) $(wildcard $(SIMCUDNN)/cnn_*.c)))
$(eval $(call simcudnn_library,adv,))

simcudnn_CFLAGS := -isystem $(CUDA_INCLUDE) -I$(SIMCUDNN)
simcudnn_LDFLAGS := -Wl,-soname,libcudnn.so.9 -Wl,--version-script=$(BUILD)/simcuda/libcudnn.so.9.map \
	-Wl,-rpath,'$$ORIGIN' $(if $(SANITIZE),,-Wl,-z,defs)
simcudnn_LIBS := -ldl -lpthread
simcudnn_LINK_DEPS := $(BUILD)/simcuda/libcudnn.so.9.map
$(eval $(call simcudnn_map,libcudnn.so.9))
$(eval $(call shared_library,simcudnn,$(SIMCUDA_DIR)/libcudnn.so.9,$(SIMCUDNN)/dispatch.c $(SIMCUDNN)/dispatch_entries.S))
SIMCUDA_LIBRARIES += $(SIMCUDNN_LIBRARIES)

# The tests find the libraries beside each other, as programs do.
simcuda_cudnn_test_CFLAGS := -isystem $(CUDA_INCLUDE)
simcuda_cudnn_test_LINK_DEPS := $(SIMCUDNN_LIBRARIES) $(SIMCUDA_DIR)/libcuda.so.1
simcuda_cudnn_test_LIBS := $(SIMCUDA_DIR)/libcudnn.so.9 $(SIMCUDA_DIR)/libcuda.so.1 -lcriterion
simcuda_cudnn_test_LDFLAGS := -Wl,--disable-new-dtags,-rpath,'$$ORIGIN/../simcuda'
$(eval $(call program,simcuda_cudnn_test,$(BUILD)/tests/simcuda_cudnn_test,$(wildcard $(SIMCUDNN)/tests/*_test.c)))
TEST_PROGRAMS += $(BUILD)/tests/simcuda_cudnn_test

# A program that a preloaded dlsym watches; the tests start it.
SIMCUDNN_PROBE := $(BUILD)/tests/simcuda_cudnn
cudnn_watcher_LIBS := -ldl
$(eval $(call shared_library,cudnn_watcher,$(SIMCUDNN_PROBE)/watch_dlsym.so,$(SIMCUDNN)/tests/programs/watch_dlsym.c))
cudnn_probe_CFLAGS := -isystem $(CUDA_INCLUDE)
cudnn_probe_LINK_DEPS := $(SIMCUDNN_LIBRARIES) $(SIMCUDA_DIR)/libcuda.so.1
cudnn_probe_LIBS := $(SIMCUDA_DIR)/libcudnn.so.9
cudnn_probe_LDFLAGS := -Wl,--disable-new-dtags,-rpath,'$$ORIGIN/../../simcuda'
$(eval $(call program,cudnn_probe,$(SIMCUDNN_PROBE)/probe,$(SIMCUDNN)/tests/programs/probe.c))
TEST_PROGRAMS += $(SIMCUDNN_PROBE)/watch_dlsym.so $(SIMCUDNN_PROBE)/probe
