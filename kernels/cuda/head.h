// The CUDA side of the C entries (api.cpp calls them after check.cpp has passed the arguments). Host functions: they
// enqueue on the context's stream and return; nothing here synchronises but check().
#pragma once

#include <cstddef>
#include <cstdint>

#include "qcface/kernels.h"

namespace qcface::kernels::cuda {

struct HeadCall {
  qcf_context* context;
  const qcf_head_config& config;
  const qcf_head_args& args;
};

qcf_status open(qcf_context* context);
void close(qcf_context* context);
/// A device that runs our kernels at context->device_index, made current; else a status with the reason.
qcf_status check_device(qcf_context* context);

/// Resolves AUTO, or says why a forced plan cannot run.
qcf_status choose_plan(const HeadCall& call, qcf_plan* plan);
/// What this call needs, and what calls with any number of rows up to this one's do (host work grows with n).
qcf_status workspace_bytes(const HeadCall& call, std::size_t* bytes);
qcf_status largest_workspace_bytes(const HeadCall& call, std::size_t* bytes);
qcf_status exchange_view(const HeadCall& call, qcf_head_exchange* exchange);
qcf_status prepare(const HeadCall& call);
qcf_status sums(const HeadCall& call);
qcf_status finish(const HeadCall& call);
qcf_status weights(const HeadCall& call);
qcf_status check(const HeadCall& call);

qcf_status unit_rows(qcf_context* context, std::int64_t rows, std::int64_t d, const float* matrix,
                     qcf_type type, void* unit);
std::size_t cosines_workspace_bytes(const qcf_context& context, std::int64_t n, std::int64_t d,
                                    std::int64_t k);
qcf_status cosines(qcf_context* context, std::int64_t n, std::int64_t d, std::int64_t k, const float* x,
                   const float* w, double scale, float* out, void* workspace);

}  // namespace qcface::kernels::cuda
