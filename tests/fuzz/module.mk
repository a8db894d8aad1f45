# Fuzzers of policy/ (libFuzzer): each tests/fuzz/NAME_fuzz.c is a program of its own, with policy/ compiled for it.
# `make fuzz-policy SECONDS=600 FUZZERS="gguf"` runs them in turn, each so long; tests/fuzz/run.sh says with what.
FUZZ_CC ?= clang
SECONDS ?= 60
FUZZERS ?= $(patsubst tests/fuzz/%_fuzz.c,%,$(wildcard tests/fuzz/*_fuzz.c))
FUZZ_SOURCES := $(wildcard policy/*/*.c) $(filter-out %_fuzz.c,$(wildcard tests/fuzz/*.c))
FUZZ_OBJECTS := $(patsubst %,$(BUILD)/obj/policy_fuzz/%.o,$(basename $(FUZZ_SOURCES) policy/model/builtin_tables.S))
FUZZ_PROGRAMS := $(patsubst %,$(BUILD)/fuzz/%,$(FUZZERS))
FUZZ_CFLAGS := -std=gnu17 -g -O1 $(WARNINGS) -D_GNU_SOURCE -fno-omit-frame-pointer \
	-fsanitize=address,undefined -fno-sanitize-recover=all

$(BUILD)/obj/policy_fuzz/%.o: %.c | $(SETUP)/debian-fuzz $(BUILD_READY)
	$(call say,FUZZCC,$<)
	$(Q)mkdir -p $(@D) && $(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c $< -o $@
$(BUILD)/obj/policy_fuzz/%.o: %.S | $(SETUP)/debian-fuzz $(BUILD_READY)
	$(call say,AS,$<)
	$(Q)mkdir -p $(@D) && $(FUZZ_CC) -c $< -o $@
-include $(FUZZ_OBJECTS:.o=.d) $(patsubst %,$(BUILD)/obj/policy_fuzz/tests/fuzz/%_fuzz.d,$(FUZZERS))

.SECONDARY: $(SETUP)/debian-fuzz $(FUZZ_OBJECTS) $(patsubst %,$(BUILD)/obj/policy_fuzz/tests/fuzz/%_fuzz.o,$(FUZZERS))
$(BUILD)/fuzz/%: $(BUILD)/obj/policy_fuzz/tests/fuzz/%_fuzz.o $(FUZZ_OBJECTS)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(FUZZ_CC) $(FUZZ_CFLAGS) -fsanitize=fuzzer $^ -l:libyaml.a -l:libjansson.a -lm -o $@

.PHONY: fuzz-policy
fuzz-policy: $(FUZZ_PROGRAMS) ## random policies and model files for SECONDS each
	$(Q)tests/fuzz/run.sh $(BUILD) $(SECONDS) $(FUZZERS)
