// The fused plans' passes: one kernel each, on mma.sync or wgmma.
#include "kernels/cuda/passes.h"
#include "kernels/cuda/sequence.h"

namespace qcface::kernels::cuda {

qcf_status fused_sums(const HeadCall& call, const Layout& layout) {
  FusedSums f{};
  f.kind = call.config.kind;
  f.shape = shape_of(call.args);
  f.s = static_cast<float>(call.config.s);
  f.mv_a = static_cast<float>(call.config.mv_a);
  f.t = &layout.state->t;
  f.unit_x = layout.xh;
  f.unit_w = call.args.unit_w;
  f.margin = layout.margin;
  f.target_c = layout.target_c;
  f.label = layout.label;
  f.plain = layout.plain;
  f.vectors = layout.vectors;
  f.parts = layout.parts;
  f.partials = layout.partials;
  f.shift = layout.shift;
  f.sum = layout.sum;
  f.counts = layout.counts;
  f.out_vectors = layout.sums_vectors;
  f.errors = &layout.state->errors;
  const cudaStream_t stream = stream_of(call.context);
  const cudaError_t error = layout.plan == QCF_PLAN_MMA ? mma_sums(f, stream) : wgmma_sums(f, stream);
  return error == cudaSuccess ? QCF_OK : device_error(call.context, error, "fused sums");
}

qcf_status fused_weights(const HeadCall& call, const Layout& layout) {
  FusedWeights f{};
  f.kind = call.config.kind;
  f.shape = shape_of(call.args);
  f.s = static_cast<float>(call.config.s);
  f.mv_a = static_cast<float>(call.config.mv_a);
  f.batch = layout.batch;
  f.t = &layout.state->t;
  f.unit_x = layout.xh;
  f.unit_w = call.args.unit_w;
  f.margin = layout.margin;
  f.shift = layout.log_shift;
  f.factor = layout.factor;
  f.label = layout.label;
  f.rows = layout.fused_rows;
  f.update = update_of(call, layout);
  const cudaStream_t stream = stream_of(call.context);
  const cudaError_t error = layout.plan == QCF_PLAN_MMA ? mma_weights(f, stream) : wgmma_weights(f, stream);
  return error == cudaSuccess ? QCF_OK : device_error(call.context, error, "fused weights");
}

}  // namespace qcface::kernels::cuda
