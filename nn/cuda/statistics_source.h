// Who leaves the statistics of a value for the batch norm that reads it, and in which form. The writer and the reader
// both ask here when they are compiled.
#pragma once

#include "nn/cuda/cuda_backend.h"

namespace qcface::nn::cuda {

enum class Statistics {
  kNone,      // the batch norm reads the value once more
  kPartials,  // of a pointwise layer: as batch_norm_statistics() leaves them
  kSums,      // of a convolution: fp32 sums and sums of squares
};

/// Whether this layer normalises by the statistics of its batch.
bool wants_batch_statistics(const Layer& layer, Mode mode);

/// What `writer` leaves of its output.
Statistics statistics_left_by(const CudaBackend& backend, const LoweredGraph& graph, const Layer& writer,
                              int n, Mode mode);
/// What `reader` finds of its input.
Statistics statistics_found_by(const CudaBackend& backend, const LoweredGraph& graph, const Layer& reader,
                               int n, Mode mode);

}  // namespace qcface::nn::cuda
