// The pointwise kernels for AVX-512.
#define QCFACE_KERNELS_8 kAvx512x8
#define QCFACE_KERNELS_16 kAvx512x16
#define QCFACE_KERNELS_NAME "avx512"
#include "nn/cpu/pointwise_kernels.inl"
