# Tests of policy/: one program. libyaml and jansson are linked statically, as in the product, so that the functions
# which make memory can be replaced in them too (memory.c).
POLICY_TEST := $(BUILD)/tests/policy_test
policy_test_CFLAGS := -DSOURCE_ROOT='"$(CURDIR)"' $(if $(SANITIZE),-fno-sanitize-recover=all)
policy_test_LINK_DEPS := $(POLICY_LIBRARY)
policy_test_LDFLAGS := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free,--wrap=strdup,--wrap=vasprintf
policy_test_LIBS := $(POLICY_LIBRARY) -l:libyaml.a -l:libjansson.a -lcriterion
$(eval $(call program,policy_test,$(POLICY_TEST),$(wildcard tests/policy/*.c)))
TEST_PROGRAMS += $(POLICY_TEST)
