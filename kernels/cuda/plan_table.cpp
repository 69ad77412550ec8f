#include "kernels/cuda/plan_table.h"

namespace qcface::kernels::cuda {
namespace {

/// The first row that fits decides. A row fits from its architecture and sizes on, and only if the plan can run at all.
struct Row {
  int architecture;  // 80, 90: least compute capability
  bool half;         // for 16-bit operands; else for fp32
  std::int64_t least_d, most_d;
  std::int64_t least_n;
  qcf_plan plan;
  const char* evidence;
};

// No GPU has measured the fused plans yet, so AUTO means chunked everywhere: its products are cuBLASLt's, and what lies
// between them is bound by the L2 cache. A row for another plan goes in front of these with its measured gain.
constexpr Row kTable[] = {
    {0, true, 1, INT64_MAX, 0, QCF_PLAN_CHUNKED, "not measured"},
    {0, false, 1, INT64_MAX, 0, QCF_PLAN_CHUNKED, "the only plan with fp32 operands"},
};

const char* refusal(const qcface::cuda::DeviceFacts& facts, const FusedShape& shape, qcf_plan plan) {
  if (plan == QCF_PLAN_CHUNKED) return nullptr;
  return plan == QCF_PLAN_MMA ? mma_refusal(facts, shape) : wgmma_refusal(facts, shape);
}

}  // namespace

PlanChoice choose_plan(const qcface::cuda::DeviceFacts& facts, const FusedShape& shape, qcf_plan requested) {
  if (requested != QCF_PLAN_AUTO) {
    const char* const reason = refusal(facts, shape, requested);
    return {reason == nullptr ? requested : QCF_PLAN_AUTO, reason};
  }
  for (const Row& row : kTable) {
    if (facts.architecture() >= row.architecture && (shape.type != QCF_TYPE_F32) == row.half &&
        shape.d >= row.least_d && shape.d <= row.most_d && shape.n >= row.least_n &&
        refusal(facts, shape, row.plan) == nullptr) {
      return {row.plan, nullptr};
    }
  }
  return {QCF_PLAN_CHUNKED, nullptr};
}

}  // namespace qcface::kernels::cuda
