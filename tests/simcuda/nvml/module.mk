# The simulated libnvidia-ml.so.1. It reads the machine with the driver's own sources.
SIMNVML := tests/simcuda/nvml
SIMNVML_LIBRARY := $(SIMCUDA_DIR)/libnvidia-ml.so.1

simnvml_CFLAGS := -isystem $(CUDA_INCLUDE)
simnvml_LDFLAGS := -Wl,-soname,libnvidia-ml.so.1 -Wl,--version-script=$(SIMNVML)/exports.map -Wl,--exclude-libs,ALL \
	$(if $(SANITIZE),,-Wl,-z,defs)
simnvml_LIBS := $(POLICY_LIBRARY) -Wl,-Bstatic -lyaml -Wl,-Bdynamic -ldl -lpthread
simnvml_LINK_DEPS := $(SIMNVML)/exports.map $(POLICY_LIBRARY)
$(eval $(call shared_library,simnvml,$(SIMNVML_LIBRARY),$(wildcard $(SIMNVML)/*.c) \
	$(addprefix tests/simcuda/driver/,machine.c visible.c)))
SIMCUDA_LIBRARIES += $(SIMNVML_LIBRARY)

# The tests do not link the driver: that nothing is in use before it is loaded belongs to what they test.
simcuda_nvml_test_CFLAGS := -isystem $(CUDA_INCLUDE)
simcuda_nvml_test_LINK_DEPS := $(SIMNVML_LIBRARY)
simcuda_nvml_test_LIBS := $(SIMNVML_LIBRARY) -lcriterion -ldl
simcuda_nvml_test_LDFLAGS := -Wl,--disable-new-dtags,-rpath,'$$ORIGIN/../simcuda'
$(eval $(call program,simcuda_nvml_test,$(BUILD)/tests/simcuda_nvml_test,$(wildcard $(SIMNVML)/tests/*_test.c)))
TEST_PROGRAMS += $(BUILD)/tests/simcuda_nvml_test
