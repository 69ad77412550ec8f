// The fused plans' passes: one kernel each, on mma.sync or wgmma.
#include "kernels/cuda/plan_stages.h"
#include "kernels/cuda/plan_table.h"
#include "kernels/cuda/sequence.h"

namespace qcface::kernels::cuda {

qcf_status fused_sums(const HeadCall& call, const Plan& plan) {
  if constexpr (kMmaBuilt || kWgmmaBuilt) {
    FusedSums f{};
    f.kind = call.config.kind;
    f.shape = shape_of(call.args);
    f.s = static_cast<float>(call.config.s);
    f.mv_a = static_cast<float>(call.config.mv_a);
    f.t = &plan.state->t;
    f.unit_x = plan.xh;
    f.unit_w = call.args.unit_w;
    f.margin = plan.margin;
    f.target_c = plan.target_c;
    f.label = plan.label;
    f.plain = plan.plain;
    f.vectors = plan.vectors;
    f.parts = plan.parts;
    f.partials = plan.partials;
    f.shift = plan.shift;
    f.sum = plan.sum;
    f.counts = plan.counts;
    f.out_vectors = plan.sums_vectors;
    f.errors = &plan.state->errors;
    cudaError_t error = cudaErrorInvalidValue;
    if constexpr (kMmaBuilt) {
      if (plan.kind == QCF_PLAN_MMA) error = mma_sums(f, stream_of(call.context));
    }
    if constexpr (kWgmmaBuilt) {
      if (plan.kind == QCF_PLAN_WGMMA) error = wgmma_sums(f, stream_of(call.context));
    }
    return error == cudaSuccess ? QCF_OK : device_error(call.context, error, "fused sums");
  } else {
    return fail(call.context, QCF_UNSUPPORTED, "the fused plans are not in this build");
  }
}

qcf_status fused_weights(const HeadCall& call, const Plan& plan) {
  if constexpr (kMmaBuilt || kWgmmaBuilt) {
    FusedWeights f{};
    f.kind = call.config.kind;
    f.shape = shape_of(call.args);
    f.s = static_cast<float>(call.config.s);
    f.mv_a = static_cast<float>(call.config.mv_a);
    f.batch = plan.batch;
    f.t = &plan.state->t;
    f.unit_x = plan.xh;
    f.unit_w = call.args.unit_w;
    f.margin = plan.margin;
    f.shift = plan.log_shift;
    f.factor = plan.factor;
    f.label = plan.label;
    f.rows = plan.fused_rows;
    f.update = update_of(call, plan);
    cudaError_t error = cudaErrorInvalidValue;
    if constexpr (kMmaBuilt) {
      if (plan.kind == QCF_PLAN_MMA) error = mma_weights(f, stream_of(call.context));
    }
    if constexpr (kWgmmaBuilt) {
      if (plan.kind == QCF_PLAN_WGMMA) error = wgmma_weights(f, stream_of(call.context));
    }
    return error == cudaSuccess ? QCF_OK : device_error(call.context, error, "fused weights");
  } else {
    return fail(call.context, QCF_UNSUPPORTED, "the fused plans are not in this build");
  }
}

}  // namespace qcface::kernels::cuda
