/* probe.c: calls one function of each sub-library of cuDNN, one of them twice, and one that calls others within; says
 * what came of it. */
#include "../../cudnn_api.h"

#include <stdio.h>
#include <unistd.h>

CUDNN_API cudnnStatus_t cudnnCreateRNNDescriptor(void **descriptor);

int main(void)
{
    cudnnTensorDescriptor_t tensor = NULL;
    cudnnConvolutionDescriptor_t convolution = NULL;
    cudnnFilterDescriptor_t filter = NULL;
    void *rnn = NULL;
    cudnnStatus_t results[5];

    alarm(10); /* a dispatcher that goes round without looking up would never be stopped by the watcher */
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("version %zu %zu\n", cudnnGetVersion(), cudnnGetVersion());
    results[0] = cudnnCreateTensorDescriptor(&tensor);
    results[1] = cudnnCreateConvolutionDescriptor(&convolution);
    results[2] = cudnnCreateFilterDescriptor(&filter);
    results[3] = cudnnSetFilter4dDescriptor(filter, CUDNN_DATA_FLOAT, CUDNN_TENSOR_NCHW, 1, 1, 1, 1);
    results[4] = cudnnCreateRNNDescriptor(&rnn);
    for (int i = 0; i < 5; i++)
        printf("result %d\n", results[i]);
    return 0;
}
