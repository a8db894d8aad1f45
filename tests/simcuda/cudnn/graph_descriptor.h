/* graph_descriptor.h: the backend's descriptors: a type, its attributes, and once it is finalized perhaps a program. */
#ifndef SIMCUDA_CUDNN_GRAPH_DESCRIPTOR_H
#define SIMCUDA_CUDNN_GRAPH_DESCRIPTOR_H

#include "cudnn_api.h"
#include "program.h"

enum { DNN_ATTRIBUTES = 12 };

struct dnn_attribute {
    int name, type;
    int64_t count;
    void *elements; /* a copy */
};

struct dnn_descriptor {
    uint32_t magic;
    int type;
    bool finalized;
    int attribute_count;
    struct dnn_attribute attributes[DNN_ATTRIBUTES];
    struct dnn_program
        program; /* of a finalized graph, and of what is made from it: values, so that these outlive it */
};

/* The descriptor behind the program's pointer where it is a live one, else NULL. */
struct dnn_descriptor *dnn_descriptor_of(cudnnBackendDescriptor_t descriptor);
/* An attribute that was set, or NULL. */
const struct dnn_attribute *dnn_attribute_of(const struct dnn_descriptor *descriptor, int name);
/* Its elements; only for attributes that finalizing wants, of one that is finalized or being so. */
const int64_t *dnn_numbers_of(const struct dnn_descriptor *descriptor, int name);
/* A finalized descriptor of that type in an attribute, or NULL. */
struct dnn_descriptor *dnn_part_of(const struct dnn_descriptor *descriptor, int name, int type);

/* Checks and completes a descriptor whose wanted attributes are there: graph_finalize.c. */
cudnnStatus_t dnn_finalize(struct dnn_descriptor *descriptor);

#endif
