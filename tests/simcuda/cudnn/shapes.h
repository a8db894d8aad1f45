/* shapes.h: descriptors of cuDNN's older interface: tensors and filters (libcudnn_ops), used by convolutions
 * (libcudnn_cnn). */
#ifndef SIMCUDA_CUDNN_SHAPES_H
#define SIMCUDA_CUDNN_SHAPES_H

#include "cudnn_api.h"
#include "program.h"

/* Both kinds hold a shape; a filter keeps its format, too. */
struct cudnnTensorStruct {
    int data_type; /* cudnnDataType_t */
    struct dnn_tensor shape;
};

struct cudnnFilterStruct {
    int data_type, format;
    struct dnn_tensor shape;
};

#endif
