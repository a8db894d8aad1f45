# The simulated CUDA runtime, built twice from one source: libcudart.so.13 and libcudart.so.12.
CUDART_SOURCES := $(wildcard tests/simcuda/runtime/*.c) $(SIMCUDA_RULES)
CUDART_GOLDEN := tests/simcuda/golden

# $(call cudart,MAJOR,INCLUDE): the library for one major version of CUDA, with that version's headers.
define cudart
cudart$(1)_GENERATED := $(BUILD)/generated/cudart$(1)
cudart$(1)_CFLAGS := -fvisibility=default -isystem $(2) -I$$(cudart$(1)_GENERATED) -Itests/simcuda/runtime -Itests/simcuda/rules
cudart$(1)_DEPS := $$(cudart$(1)_GENERATED)/lookups.h
cudart$(1)_LDFLAGS := -Wl,-soname,libcudart.so.$(1) -Wl,--version-script=$$(cudart$(1)_GENERATED)/exports.map $(if $(SANITIZE),,-Wl,-z,defs)
cudart$(1)_LIBS := -ldl -lpthread
cudart$(1)_LINK_DEPS := $$(cudart$(1)_GENERATED)/stubs.c

$$(cudart$(1)_GENERATED)/lookups.h: tests/simcuda/runtime/generate_lookups.awk $(CUDART_GOLDEN)/cudart$(1)_lookups.txt
	$$(call say,GEN,$$@)
	$$(Q)mkdir -p $$(@D) && awk -f $$^ > $$@

$$(cudart$(1)_GENERATED)/stubs.c: tests/simcuda/runtime/generate_stubs.sh $(CUDART_GOLDEN)/cudart$(1)_exports.txt \
		$(call objects,cudart$(1),$(CUDART_SOURCES))
	$$(call say,GEN,$$@)
	$$(Q)OUT=$$(@D) $$< $(1) $$(filter-out $$<,$$^)

$(call shared_library,cudart$(1),$(SIMCUDA_DIR)/libcudart.so.$(1),$(CUDART_SOURCES) $(BUILD)/generated/cudart$(1)/stubs.c)
SIMCUDA_LIBRARIES += $(SIMCUDA_DIR)/libcudart.so.$(1)
endef

$(eval $(call cudart,13,$(CUDA_INCLUDE)))
$(eval $(call cudart,12,$(CUDA12_INCLUDE)))

# The recorder of the golden look-ups, also used to compare ours with them.
RECORDER_DIR := $(BUILD)/tests/recorder
recorder_driver_CFLAGS := -isystem $(CUDA_INCLUDE)
recorder_driver_LDFLAGS := -Wl,-soname,libcuda.so.1
recorder_program_LDFLAGS := -rdynamic
recorder_program_LIBS := -ldl
$(eval $(call shared_library,recorder_driver,$(RECORDER_DIR)/libcuda.so.1,$(CUDART_GOLDEN)/record/recording_driver.c))
$(eval $(call program,recorder_program,$(RECORDER_DIR)/record_lookups,$(CUDART_GOLDEN)/record/record_lookups.c))
.PHONY: recorder
recorder: $(RECORDER_DIR)/libcuda.so.1 $(RECORDER_DIR)/record_lookups
TEST_PROGRAMS += $(RECORDER_DIR)/libcuda.so.1 $(RECORDER_DIR)/record_lookups

# Ours make the same look-ups as the real ones, and export the same names.
.PHONY: check-golden-lookups
check-golden-lookups: recorder $(SIMCUDA_DIR)/libcudart.so.13 $(SIMCUDA_DIR)/libcudart.so.12
	$(Q)$(CUDART_GOLDEN)/record/check.sh $(RECORDER_DIR) $(SIMCUDA_DIR)

# Which driver calls runtime calls become, over the recording driver; for both majors.
define cudart_translation_test
cudart$(1)_translation_test_CFLAGS := -isystem $(2)
cudart$(1)_translation_test_LIBS := $(SIMCUDA_DIR)/libcudart.so.$(1) -lcriterion
cudart$(1)_translation_test_LDFLAGS := -Wl,--disable-new-dtags,-rpath,$(abspath $(RECORDER_DIR)):$(abspath $(SIMCUDA_DIR))
cudart$(1)_translation_test_LINK_DEPS := $(SIMCUDA_DIR)/libcudart.so.$(1) $(RECORDER_DIR)/libcuda.so.1
$(call program,cudart$(1)_translation_test,$(BUILD)/tests/cudart$(1)_translation_test,\
	tests/simcuda/runtime/tests/translation_test.c)
TEST_PROGRAMS += $(BUILD)/tests/cudart$(1)_translation_test
endef
$(eval $(call cudart_translation_test,13,$(CUDA_INCLUDE)))
$(eval $(call cudart_translation_test,12,$(CUDA12_INCLUDE)))
