# Tests of the order in which simulated streams work: hazards and replays. Plain programs, which run under TSan too.
SIMORDER := tests/simcuda/order

hazards_CFLAGS := -isystem $(CUDA_INCLUDE)
hazards_LIBS := $(SIMCUDA_DIR)/libcudart.so.13
hazards_LINK_DEPS := $(SIMCUDA_DIR)/libcudart.so.13 $(SIMCUDA_DIR)/libcuda.so.1
$(eval $(call program,hazards,$(BUILD)/tests/hazards,$(SIMORDER)/hazards.c))
TEST_PROGRAMS += $(BUILD)/tests/hazards

replay_CFLAGS := -isystem $(CUDA_INCLUDE)
replay_LIBS := $(SIMCUDA_DIR)/libcudart.so.13 $(SIMCUDA_DIR)/libcuda.so.1 -lpthread -ldl
replay_LINK_DEPS := $(SIMCUDA_DIR)/libcudart.so.13 $(SIMCUDA_DIR)/libcuda.so.1
$(eval $(call program,replay,$(BUILD)/tests/replay,$(SIMORDER)/replay.c $(SIMORDER)/pthread_turns.c))
TEST_PROGRAMS += $(BUILD)/tests/replay
