/*
 * Models, machines and wishes for tests of the planner.
 */
#ifndef VRAMSPAN_TESTS_POLICY_PLAN_SUPPORT_H
#define VRAMSPAN_TESTS_POLICY_PLAN_SUPPORT_H

#include "../support.h"

#include "../../../policy/plan/plan.h"

#define KB UINT64_C(1024)
#define MB (KB * 1024)
#define GB (MB * 1024)

/* A model that grows; names are kept, shapes have one dimension or are the caller's. */
struct test_model {
    struct vs_plan_tensor *tensors;
    size_t count, capacity;
};

void add_tensor(struct test_model *model, uint64_t bytes, const char *name_format, ...)
    __attribute__((format(printf, 3, 4)));
/* All tensors of a table of examples/models/, each name behind the prefix, elements of so many bytes. */
struct test_model model_of_table(const struct vs_module_table *table, const char *prefix, unsigned element_bytes);
struct vs_module_table load_table(const char *model);
void shuffle_model(struct test_model *model, uint64_t *seed);
void free_model(struct test_model *model);

/* A machine of GPUs with so many bytes each (0 ends the list), and host memory that is not known. */
struct test_machine {
    struct vs_plan_machine_device devices[16];
    struct vs_plan_machine machine;
};
void make_machine(struct test_machine *machine, const uint64_t *gpu_bytes);

/* Machines and wishes that many tests have: 24 and 12 GB; blocks of one matrix of 100 MB each; cuda:0 computes, by line
 * 4 of p.yaml. */
struct test_machine two_gpus(void);
/* Points a machine that was copied at its own devices. */
const struct vs_plan_machine *with_devices(struct test_machine *machine);
struct test_model blocks_model(size_t count);
struct vs_plan_wish wish_for(const struct vs_distorch *allocation);
struct vs_distorch read_allocation(const char *string);

/* Plans and expects no error; what is said must be `expected`. */
struct vs_plan expect_plan(const struct test_model *model, const struct vs_plan_wish *wish,
    const struct vs_plan_machine *machine, const char *expected);
/* Expects an error that contains a text. */
void expect_no_plan(const struct test_model *model, const struct vs_plan_wish *wish,
    const struct vs_plan_machine *machine, const char *part_of_error);

/* The device of the tensor with this name, by its name; and the reason. */
const char *home_of(const struct vs_plan *plan, const struct test_model *model, const char *name);
enum vs_plan_reason reason_of(const struct vs_plan *plan, const struct test_model *model, const char *name);
/* What the plan puts on a device: 0 where it does not know it. */
uint64_t placed_on(const struct vs_plan *plan, struct vs_device_id device);

/*
 * The largest distance of the off-device bytes from the straight line, in the order of execution, over tensors whose
 * reason is SHARE (those that leave first have none); and the largest of those tensors.
 */
double deviation_from_line(const struct vs_plan *plan, const struct test_model *model, uint64_t *largest_bytes);

#endif
