# The command `vramspan`. policy/ and what it needs are linked statically, so that one file can be copied anywhere;
# libelf is the system's.
TOOL := $(BUILD)/vramspan
tools_CFLAGS := -DVS_VERSION='"$(VERSION)"'
tools_LINK_DEPS := $(POLICY_LIBRARY)
tools_LIBS := $(POLICY_LIBRARY) -l:libyaml.a -l:libjansson.a -lelf -lm
$(eval $(call program,tools,$(TOOL),$(wildcard tools/*.c)))
