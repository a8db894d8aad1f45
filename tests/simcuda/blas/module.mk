# The simulated cuBLAS and cuBLASLt of CUDA 13 and 12, from the same sources, and the tests of the matrix products.
SIMCUDA_BLAS := tests/simcuda/blas
SIMCUDA_BLAS_COMMON := $(SIMCUDA_BLAS)/driver.c $(SIMCUDA_BLAS)/version.c tests/simcuda/driver/gemm_types.c \
	tests/simcuda/library/library.c $(SIMCUDA_RULES)

# $(call simcuda_blas_library,MAJOR,NAME,UNIT,SOURCES): lib<NAME>.so.<MAJOR>. PyTorch's references carry the SONAME as
# version node.
define simcuda_blas_library
$(3)$(1)_CFLAGS := -isystem $$(CUDA_INCLUDE) -Itests/simcuda/rules -DSIMCUDA_MAJOR=$(1)
$(3)$(1)_LDFLAGS := -Wl,-soname,lib$(2).so.$(1) -Wl,--version-script=$$(BUILD)/simcuda/lib$(2).so.$(1).map $$(if $$(SANITIZE),,-Wl,-z,defs)
$(3)$(1)_LINK_DEPS += $$(BUILD)/simcuda/lib$(2).so.$(1).map
$$(BUILD)/simcuda/lib$(2).so.$(1).map: $$(SIMCUDA_BLAS)/module.mk
	$$(Q)mkdir -p $$(@D) && echo 'lib$(2).so.$(1) { global: cublas*; local: *; };' >$$@
$$(eval $$(call shared_library,$(3)$(1),$$(SIMCUDA_DIR)/lib$(2).so.$(1),$(4)))
SIMCUDA_LIBRARIES += $$(SIMCUDA_DIR)/lib$(2).so.$(1)
endef

define simcuda_blas_major
simcuda_cublas$(1)_LINK_DEPS := $$(SIMCUDA_DIR)/libcublasLt.so.$(1)
simcuda_cublas$(1)_LIBS := $$(SIMCUDA_DIR)/libcublasLt.so.$(1)
$$(eval $$(call simcuda_blas_library,$(1),cublasLt,simcuda_cublaslt,\
	$(SIMCUDA_BLAS_COMMON) $(wildcard $(SIMCUDA_BLAS)/cublaslt_*.c)))
$$(eval $$(call simcuda_blas_library,$(1),cublas,simcuda_cublas,\
	$(SIMCUDA_BLAS_COMMON) $(wildcard $(SIMCUDA_BLAS)/cublas_*.c)))
endef
$(eval $(call simcuda_blas_major,13))
$(eval $(call simcuda_blas_major,12))

# --- Matrix products on the CPU: tests ---
simcuda_gemm_test_CFLAGS := -isystem $(CUDA_INCLUDE) -Itests/simcuda/rules
simcuda_gemm_test_LIBS := -lcriterion -lxxhash -lm
$(eval $(call program,simcuda_gemm_test,$(BUILD)/tests/simcuda_gemm_test,\
	$(wildcard tests/simcuda/driver/tests/gemm*_test.c) $(wildcard tests/simcuda/driver/gemm*.c) \
	tests/simcuda/driver/threads.c $(SIMCUDA_RULES)))
TEST_PROGRAMS += $(BUILD)/tests/simcuda_gemm_test

# --- cuBLAS and cuBLASLt on a driver that records: tests ---
SIMCUDA_BLAS_RECORDER := $(BUILD)/tests/simcuda_blas/libcuda.so.1
simcuda_blas_recorder_CFLAGS := -isystem $(CUDA_INCLUDE)
simcuda_blas_recorder_LDFLAGS := -Wl,-soname,libcuda.so.1
$(eval $(call shared_library,simcuda_blas_recorder,$(SIMCUDA_BLAS_RECORDER),$(SIMCUDA_BLAS)/tests/recording_driver.c))

# The recorder is loaded with the program, so that the libraries' dlopen finds it whatever LD_LIBRARY_PATH says.
simcuda_blas_test_CFLAGS := -isystem $(CUDA_INCLUDE)
simcuda_blas_test_LINK_DEPS := $(SIMCUDA_BLAS_RECORDER) $(SIMCUDA_DIR)/libcublas.so.13 $(SIMCUDA_DIR)/libcublasLt.so.13
simcuda_blas_test_LIBS := $(simcuda_blas_test_LINK_DEPS) -lcriterion
simcuda_blas_test_LDFLAGS := -Wl,--disable-new-dtags,-rpath,'$$ORIGIN/simcuda_blas:$$ORIGIN/../simcuda'
$(eval $(call program,simcuda_blas_test,$(BUILD)/tests/simcuda_blas_test,\
	$(SIMCUDA_BLAS)/tests/blas_test.c $(SIMCUDA_BLAS)/tests/blaslt_test.c))
TEST_PROGRAMS += $(BUILD)/tests/simcuda_blas_test

# --- The same on the whole simulated CUDA: tests ---
simcuda_blas_whole_test_CFLAGS := -isystem $(CUDA_INCLUDE)
simcuda_blas_whole_test_LINK_DEPS := $(SIMCUDA_DIR)/libcuda.so.1 $(SIMCUDA_DIR)/libcublas.so.13
simcuda_blas_whole_test_LIBS := $(simcuda_blas_whole_test_LINK_DEPS) -lcriterion
simcuda_blas_whole_test_LDFLAGS := -Wl,--disable-new-dtags,-rpath,'$$ORIGIN/../simcuda',--allow-shlib-undefined
$(eval $(call program,simcuda_blas_whole_test,$(BUILD)/tests/simcuda_blas_whole_test,\
	$(SIMCUDA_BLAS)/tests/blas_on_simcuda_test.c))
TEST_PROGRAMS += $(BUILD)/tests/simcuda_blas_whole_test
