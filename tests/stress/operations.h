/* operations.h: the table of operations. */
#ifndef STRESS_OPERATIONS_H
#define STRESS_OPERATIONS_H

#include "stress.h"

/* One random operation of the worker. */
void do_operation(struct worker *worker);
/* Prints how often each was done. */
void tell_operations(void);

/* allocate.c */
void do_allocate(struct worker *worker);
struct allocation *allocate(struct worker *worker, size_t bytes, int device);
/* By cudaMallocAsync in this slot's stream. */
struct allocation *allocate_in_order(struct worker *worker, size_t bytes, int slot);
/* release.c */
void do_release(struct worker *worker);
void do_take_again(struct worker *worker);
void do_take_elsewhere(struct worker *worker);
void release(struct worker *worker, struct allocation *allocation);
/* models.c */
void make_models(void);
void do_open_model(struct worker *worker);
void do_load(struct worker *worker);
void do_unload(struct worker *worker);
void do_trim(struct worker *worker);
void do_rehome(struct worker *worker);
bool can_rehome(void);
/* Opens a model: the size of one of its tensors of which it has the most. */
size_t open_for_one_size(struct worker *worker);
/* A size of some tensor of some model, and what lay elsewhere so far. */
size_t weight_bytes(struct worker *worker);
void look_where_it_lies(struct worker *worker, const struct allocation *allocation);
void tell_models(void);
bool weights_were_elsewhere(void);
/* copy.c */
void do_copy_in(struct worker *worker);
void do_copy_out(struct worker *worker);
void copy_out_of(struct worker *worker, struct allocation *allocation, bool pinned);
void do_copy_across(struct worker *worker);
/* fill.c */
void do_fill(struct worker *worker);
void fill_some(struct worker *worker, struct allocation *allocation);
void fill_whole(struct worker *worker, struct allocation *allocation);
/* kernel.c */
void open_kernels(int device);
void do_kernel(struct worker *worker);
void launch_fill(
    struct worker *worker, void *address, unsigned char value, size_t bytes, int device, cudaStream_t stream);
void launch_add(
    struct worker *worker, void *to, const void *from, int addend, size_t count, int device, cudaStream_t stream);
void add_in_shadow(struct allocation *to, size_t to_offset, const struct allocation *from, size_t from_offset,
    int addend, size_t count);
/* graph.c */
void do_make_graph(struct worker *worker);
void do_launch_graph(struct worker *worker);
void do_drop_graph(struct worker *worker);
void drop_graphs(struct worker *worker);
/* ask.c */
void do_ask(struct worker *worker);
void do_wrong_call(struct worker *worker);
void expect_own_pointer(struct worker *worker, const struct allocation *allocation);

#endif
