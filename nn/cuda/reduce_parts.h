// The reduction in the order of the ranks (core/comm/reduction.h) for arrays on the device.
#pragma once

#include <cstdint>

#include "core/comm/communicator.h"
#include "kernels/device/runtime.h"

namespace qcface::nn::cuda {

/// out[i] = the reduction of parts[i], parts[count + i] and so on, `ranks` of them: the sum ((v0 + v1) + v2) ... in the arrays'
/// own type, which are the host's bits; the largest, NaN if one of them is; log sum exp, f64 only, -1e300 standing for the
/// logarithm of 0, by the device's exp and log. `out` may be one of the parts, else it overlaps none. Always the same bits.
void reduce_parts(ElementType type, Reduce reduce, int ranks, std::int64_t count, const void* parts,
                  void* out, cudaStream_t stream);

}  // namespace qcface::nn::cuda
