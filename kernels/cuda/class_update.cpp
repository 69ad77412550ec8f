// The arguments of the class update, which every plan's second pass ends with.
#include "kernels/cuda/passes.h"

namespace qcface::kernels::cuda {

ClassUpdate update_of(const HeadCall& call, const Layout& layout) {
  const qcf_head_args& args = call.args;
  ClassUpdate u{};
  u.k_loc = layout.classes;
  u.sampled = layout.sampled;
  u.d = layout.d;
  u.n = layout.n;
  u.w = args.w;
  u.dw = args.dw;
  u.accumulate = args.dw_mode == QCF_GRADIENT_ACCUMULATE;
  if (args.optimiser != nullptr) {
    u.new_w = call.optimiser.w;
    u.slot = call.optimiser.slots[0];
    u.lr = call.optimiser.lr;
    u.skip = call.optimiser.skip;
    u.momentum = call.optimiser.momentum;
    u.weight_decay = call.optimiser.weight_decay;
    u.unit_w = args.unit_w;
  }
  u.type = layout.type;
  u.labels = layout.labels;
  u.x = layout.x;
  u.z = layout.z;
  u.target_c = layout.target;
  u.one_minus_q = layout.one_minus_q;
  u.slope = layout.slope;
  u.scale = layout.batch > 0 ? call.config.s / layout.batch : 0.0;
  u.errors = &layout.state->errors;
  u.vectorised = layout.d % 4 == 0;
  for (const float* matrix :
       {layout.x, args.w, static_cast<const float*>(args.dw), static_cast<const float*>(u.slot)}) {
    u.vectorised = u.vectorised && reinterpret_cast<std::uintptr_t>(matrix) % 16 == 0;  // NULL is aligned
  }
  return u;
}

}  // namespace qcface::kernels::cuda
