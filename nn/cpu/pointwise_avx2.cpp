// The pointwise kernels for AVX2 with FMA.
#define QCFACE_KERNELS_8 kAvx2x8
#define QCFACE_KERNELS_16 kAvx2x16
#define QCFACE_KERNELS_NAME "avx2"
#include "nn/cpu/pointwise_kernels.inl"
