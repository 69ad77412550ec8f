// The pointwise kernels for any processor.
#define QCFACE_KERNELS_8 kBase8
#define QCFACE_KERNELS_16 kBase16
#define QCFACE_KERNELS_NAME "base"
#include "nn/cpu/pointwise_kernels.inl"
