# Tests of policy/: one program. libyaml and jansson are linked statically, as in the product, so that the functions
# which make memory can be replaced in them too (memory.c).
POLICY_TEST := $(BUILD)/tests/policy_test
policy_test_CFLAGS := -DSOURCE_ROOT='"$(CURDIR)"' $(if $(SANITIZE),-fno-sanitize-recover=all)
policy_test_LINK_DEPS := $(POLICY_LIBRARY)
policy_test_LDFLAGS := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free,--wrap=strdup,--wrap=vasprintf
policy_test_LIBS := $(POLICY_LIBRARY) -l:libyaml.a -l:libjansson.a -lcriterion -lm
$(eval $(call program,policy_test,$(POLICY_TEST),$(wildcard tests/policy/*.c tests/policy/*/*_test.c tests/policy/*/*_support.c) tests/policy/model/gguf_writer.c tests/policy/plan/golden_cases.c))
TEST_PROGRAMS += $(POLICY_TEST)

# What is said about a policy, for the stored messages and for the test of the JSON Schema.
POLICY_CHECK := $(BUILD)/tests/programs/policy_check
policy_check_LINK_DEPS := $(POLICY_LIBRARY)
policy_check_LIBS := $(POLICY_LIBRARY) -l:libyaml.a -l:libjansson.a
$(eval $(call program,policy_check,$(POLICY_CHECK),tests/policy/programs/policy_check.c))
TEST_PROGRAMS += $(POLICY_CHECK)

# What DisTorch2 computed, case by case; VRAMSPAN_GOLDEN_CASES=path/cases.json names another file of cases.
CHECK_GOLDEN := $(BUILD)/tests/check_golden
check_golden_LINK_DEPS := $(POLICY_LIBRARY)
check_golden_LIBS := $(POLICY_LIBRARY) -l:libyaml.a -l:libjansson.a
$(eval $(call program,check_golden,$(CHECK_GOLDEN),tests/policy/golden/check_golden.c tests/policy/plan/golden_cases.c))
.PHONY: check-golden
check-golden: $(CHECK_GOLDEN) ## DisTorch2's own results, case by case
	$(Q)$(CHECK_GOLDEN) tests/policy/golden/cases.json
