// The rule by which an optimiser changes weights, element by element: once for every device, for heads and backbone. SGD with
// momentum as torch.optim.SGD has it, without dampening or Nesterov's look-ahead:
//   G' = G + weight_decay P      slot <- momentum slot + G'      P <- P - rate slot
// Each operation is rounded by itself, so that all devices give the same bits. `slot` is what the rule keeps of a weight from
// step to step, 0 before the first: here its velocity.
#pragma once

#include "kernels/device/host_device.h"

namespace qcface {

struct UpdateRule {
  float rate, momentum, weight_decay;

  QCF_HD void apply(float gradient, float& weight, float& slot) const {
#if defined(__CUDA_ARCH__)
    slot = __fadd_rn(__fmul_rn(momentum, slot), __fadd_rn(gradient, __fmul_rn(weight_decay, weight)));
    weight = __fadd_rn(weight, -__fmul_rn(rate, slot));
#else
    slot = momentum * slot + (gradient + weight_decay * weight);
    weight -= rate * slot;
#endif
  }
};

}  // namespace qcface
