# Tests of tools/: Python's unittest, since they run the command as a user does.
TEST_PROGRAMS += $(TOOL)
# `--machine NAME` finds the machines that lie beside it.
$(TOOL): | $(SIMCUDA_MACHINES)

# A program with a model to load.
places_CFLAGS := -isystem $(CUDA_INCLUDE)
places_LINK_DEPS := $(SIMCUDA_LIBRARIES)
places_LIBS := $(addprefix $(SIMCUDA_DIR)/,libcudart.so.13 libcuda.so.1)
$(eval $(call program,places,$(SHIM_PROGRAMS)/places,tests/tools/programs/places.c))
TEST_PROGRAMS += $(SHIM_PROGRAMS)/places
