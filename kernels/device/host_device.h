// Functions that every backend compiles: host code everywhere, device code too under nvcc. Forced inline, because the
// CPU backend compiles them once per instruction set and an out-of-line copy of one build could end up in another.
#pragma once

#if defined(__CUDACC__)
#define QCF_HD __host__ __device__ __forceinline__
#elif defined(__GNUC__)
#define QCF_HD inline __attribute__((always_inline))
#else
#define QCF_HD inline
#endif
