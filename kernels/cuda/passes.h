// The two passes over the classes, by plan, and the text of an error that a stage recorded. Host functions: head.cpp
// calls them between the stages that all plans share.
#pragma once

#include "kernels/backend.h"
#include "kernels/cuda/class_update.h"
#include "kernels/cuda/fused.h"
#include "kernels/cuda/layout.h"

namespace qcface::kernels::cuda {

inline FusedShape shape_of(const qcf_head_args& args) {
  return {args.operand_type, args.n, args.d, args.k_loc, args.unit_w != nullptr, args.sampled != nullptr};
}

/// What the update of a class row reads and writes in this call.
ClassUpdate update_of(const HeadCall& call, const Layout& layout);

/// First pass: sums of exponentials, weighted class vectors.
qcf_status chunked_sums(const HeadCall& call, const Layout& layout);
qcf_status fused_sums(const HeadCall& call, const Layout& layout);
/// Second pass: dw and the optimiser. The chunked one also serves a call without rows.
qcf_status chunked_weights(const HeadCall& call, const Layout& layout);
qcf_status fused_weights(const HeadCall& call, const Layout& layout);

/// The status and text of an error record (error_record.h); fetches the value that it names.
qcf_status report(const HeadCall& call, const Layout& layout, unsigned long long key);

}  // namespace qcface::kernels::cuda
