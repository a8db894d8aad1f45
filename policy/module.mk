# The policy library: what should be where. A static archive of hidden symbols; who links it adds libyaml and jansson.
POLICY_LIBRARY := $(BUILD)/libvramspan-policy.a
# In a sanitised build, what the sanitiser finds ends the test instead of being printed and forgotten.
policy_CFLAGS := $(if $(SANITIZE),-fno-sanitize-recover=all)
$(eval $(call static_library,policy,$(POLICY_LIBRARY),$(wildcard policy/*/*.c) policy/model/builtin_tables.S))
# The tables that it holds.
$(call object_of,policy,policy/model/builtin_tables.S): $(wildcard examples/models/*.json)
