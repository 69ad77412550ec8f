// What is wrong with the data, as the kernels find it: one 64-bit key a workspace, lowered by integer atomicMin, so that
// the same error is told whichever thread comes first. Order: the tensor, then the row. Read back by qcf_head_check.
#pragma once

#include <cstdint>

#if defined(__CUDACC__) || defined(QCF_EMULATE)
#include "kernels/device/device.cuh"
#endif

namespace qcface::kernels::cuda {

/// Among several the lowest is told.
enum class ErrorTensor : std::uint32_t {
  kStage = 0,  // row: (stage found << 8) | stage expected
  kT = 1,
  kTargetMean = 2,
  kRate = 3,  // optimiser.lr
  kLabels = 4,
  kX = 5,
  kW = 6,
  kLengthStats = 7,
  kLengthMoments = 8,
  kSampled = 9,
  kNotSampled = 10  // a label whose class is not in `sampled`
};

inline constexpr unsigned long long kNoError = ~0ull;

struct ErrorRecord {
  unsigned long long key;  // tensor << 56 | row, or kNoError
};

#if defined(__CUDACC__) || defined(QCF_EMULATE)
__device__ __forceinline__ void record_error(ErrorRecord* errors, ErrorTensor tensor, std::int64_t row) {
  atomicMin(&errors->key,
            static_cast<unsigned long long>(tensor) << 56 | static_cast<unsigned long long>(row));
}
#endif

}  // namespace qcface::kernels::cuda
