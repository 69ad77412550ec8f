// The arguments of the class update, which every plan's second pass ends with.
#include "kernels/cuda/plan_stages.h"

namespace qcface::kernels::cuda {

ClassUpdate update_of(const HeadCall& call, const Plan& plan) {
  const qcf_head_args& args = call.args;
  ClassUpdate u{};
  u.k_loc = plan.k_loc;
  u.sampled = plan.sampled;
  u.d = plan.d;
  u.n = plan.n;
  u.w = args.w;
  u.dw = args.dw;
  u.accumulate = args.dw_mode == QCF_GRADIENT_ACCUMULATE;
  if (args.sgd != nullptr) {
    u.sgd_w = args.sgd->w;
    u.velocity = args.sgd->velocity;
    u.lr = args.sgd->lr;
    u.skip = args.sgd->skip;
    u.momentum = args.sgd->momentum;
    u.weight_decay = args.sgd->weight_decay;
    u.unit_w = args.unit_w;
  }
  u.type = plan.type;
  u.labels = plan.labels;
  u.x = plan.x;
  u.z = plan.z;
  u.target_c = plan.target;
  u.one_minus_q = plan.one_minus_q;
  u.slope = plan.slope;
  u.scale = plan.batch > 0 ? call.config.s / plan.batch : 0.0;
  u.errors = &plan.state->errors;
  u.vectorised = plan.d % 4 == 0;
  for (const float* matrix :
       {plan.x, args.w, static_cast<const float*>(args.dw), static_cast<const float*>(u.velocity)}) {
    u.vectorised = u.vectorised && reinterpret_cast<std::uintptr_t>(matrix) % 16 == 0;  // NULL is aligned
  }
  return u;
}

}  // namespace qcface::kernels::cuda
