/* dispatch.h: the sub-libraries, as numbers for the entry points. */
#ifndef SIMCUDA_CUDNN_DISPATCH_H
#define SIMCUDA_CUDNN_DISPATCH_H

#define SUBLIBRARY_NUMBER_graph 0
#define SUBLIBRARY_NUMBER_ops   1
#define SUBLIBRARY_NUMBER_cnn   2
#define SUBLIBRARY_NUMBER_adv   3

#endif
