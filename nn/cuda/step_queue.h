// The step queue of a GPU: see nn/step_queue.h.
#pragma once

#include "nn/cuda/cuda_backend.h"
#include "nn/step_queue.h"

namespace qcface::nn::cuda {

/// `backend` must outlive the queue. `recorded`: steps become CUDA graphs; else each is enqueued anew.
std::unique_ptr<StepQueue> make_cuda_step_queue(const CudaBackend& backend, std::size_t input_bytes,
                                                const void* results, std::size_t result_bytes, bool recorded);

}  // namespace qcface::nn::cuda
