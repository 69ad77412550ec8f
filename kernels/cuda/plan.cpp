#include "kernels/cuda/plan.h"

#include <algorithm>
#include <cmath>

#include "kernels/cuda/plan_stages.h"
#include "kernels/cuda/plan_table.h"
#include "kernels/heads/table.h"

namespace qcface::kernels::cuda {
namespace {

std::int64_t round_up(std::int64_t value, std::int64_t unit) { return (value + unit - 1) / unit * unit; }

/// Hands out 64-byte aligned places one after the other; with a NULL base it only counts.
class Places {
 public:
  explicit Places(void* base) : base_(static_cast<char*>(base)) {}
  template <class T>
  void take(T*& place, std::int64_t count) {
    place = static_cast<T*>(take_bytes(static_cast<std::size_t>(count) * sizeof(T)));
  }
  void* take_bytes(std::size_t bytes) {
    void* const place = base_ != nullptr && bytes > 0 ? base_ + used_ : nullptr;
    used_ += (bytes + 63) / 64 * 64;
    return place;
  }
  std::size_t used() const { return used_; }

 private:
  char* base_;
  std::size_t used_ = 0;
};

/// Bound of |N'| for fp16. cur has t + 2c, where t lies in device memory: a mean of cosines, so within [-1, 1], but 22
/// is allowed for.
double slope_bound(const qcf_head_config& config) {
  return head_row(config.kind)->has_t ? 24.0 : std::max(1.0, config.mv_a);
}

constexpr double kFp16Top = 60000.0;

}  // namespace

std::size_t type_bytes(qcf_type type) { return type == QCF_TYPE_F32 ? 4 : 2; }

std::size_t chunk_class_bytes(std::int64_t n, std::int64_t d_pad, std::size_t operand_bytes) {
  const auto rows = static_cast<std::size_t>(n), width = static_cast<std::size_t>(d_pad);
  if (operand_bytes == 4) return 4 * rows + 4 * width + 4 * width;    // S = P in place, wh, H
  return 4 * std::max(rows, width) + operand_bytes * (rows + width);  // S or H, P, wh
}

std::size_t chunk_memory_bytes(std::int64_t n, std::int64_t d_pad, std::size_t operand_bytes, bool second) {
  const auto extra = second ? 4 * static_cast<std::size_t>(std::max(n, d_pad)) : 0;
  return chunk_class_bytes(n, d_pad, operand_bytes) + extra;
}

std::int64_t chunk_classes(const ChunkShape& shape) {
  const std::size_t bytes = chunk_class_bytes(shape.n, shape.d_pad, shape.operand_bytes);
  const auto in_cache = static_cast<std::int64_t>(shape.l2_bytes / 2 / bytes);
  const auto in_memory = static_cast<std::int64_t>(
      shape.memory_bytes / chunk_memory_bytes(shape.n, shape.d_pad, shape.operand_bytes, shape.second));
  std::int64_t chunk = std::min({std::max<std::int64_t>(in_cache, 64), in_memory, kMostChunk});
  chunk = chunk >= 64 ? chunk / 64 * 64 : std::max<std::int64_t>(8, chunk / 8 * 8);
  return std::min(chunk, round_up(shape.k_loc, 8));
}

ShiftPolicy shift_policy(qcf_type type, const qcf_head_config& config) {
  if (type != QCF_TYPE_F16) return {0.0f, 40.0f};
  const auto top = static_cast<float>(std::log(kFp16Top / slope_bound(config)));
  return {top - 2.5f, top};
}

float gradient_scale(qcf_type type, const qcf_head_config& config, double batch) {
  if (type != QCF_TYPE_F16) return 1.0f;
  // no exponential exceeds the sum it is divided by, so |g| <= (s / B) max |N'|
  const double bound = config.s / std::max(batch, 1.0) * slope_bound(config);
  const int exponent = static_cast<int>(std::floor(std::log2(kFp16Top / bound)));
  return std::ldexp(1.0f, std::clamp(exponent, -40, 40));
}

Plan make_plan(qcf_plan kind, const qcface::cuda::DeviceFacts& facts, const qcf_head_config& config,
               const qcf_head_args& args, std::size_t product_workspace_bytes, void* base) {
  Plan plan{};
  plan.kind = kind;
  plan.type = args.operand_type;
  plan.n = args.n;
  plan.d = args.d;
  plan.d_pad = round_up(args.d, 8);
  plan.w_rows = args.k_loc;
  plan.sampled = args.sampled;
  plan.k_loc = args.sampled != nullptr ? args.sampled_count : args.k_loc;
  plan.k_total = args.k_total != 0 ? args.k_total : args.k_loc;
  plan.offset = args.class_offset;
  plan.batch = static_cast<double>(args.batch_total != 0 ? args.batch_total : args.n);
  const bool wants_p = args.row_p != nullptr || args.row_zstar != nullptr || args.row_lg != nullptr;
  const HeadRow& head = *head_row(config.kind);
  plan.plain = head.has_hard && ((config.phase == QCF_PHASE_NORM && head.has_magnitude_loss) || wants_p);
  plan.vectors = args.dx != nullptr || args.dx_direction != nullptr || args.row_tangent != nullptr;
  plan.weights = args.dw != nullptr || args.sgd != nullptr;
  const std::size_t operand_bytes = type_bytes(plan.type);
  const std::int64_t n = plan.n;

  Places places(base);
  places.take(plan.state, 1);
  plan.xh = places.take_bytes(static_cast<std::size_t>(n * plan.d_pad) * operand_bytes);
  const bool narrow = args.x_type != QCF_TYPE_F32;
  places.take(plan.wide_x, narrow ? n * plan.d : 0);
  plan.x = narrow ? plan.wide_x : static_cast<const float*>(args.x);
  places.take(plan.label, n);
  places.take(plan.labels, n);
  places.take(plan.z, n);
  places.take(plan.target, 2 * n);
  places.take(plan.log_sums, 2 * n);
  places.take(plan.counts, 2 * n);
  places.take(plan.target_inv_w, n);
  places.take(plan.one_minus_q, n);
  places.take(plan.slope, n);
  places.take(plan.row_losses, 2 * n);
  places.take(plan.margin, n);
  places.take(plan.target_c, n);
  places.take(plan.shift, 2 * n);
  places.take(plan.sum, 2 * n);
  places.take(plan.log_shift, n);
  places.take(plan.factor, n);
  places.take(plan.sums_vectors, plan.vectors ? n * plan.d_pad : 0);

  if (kind == QCF_PLAN_CHUNKED) {
    const std::size_t bound = kMemoryBound + 32 * static_cast<std::size_t>(n * plan.d);
    const std::size_t taken = places.used() + product_workspace_bytes + 1024;
    const bool second = plan.weights && operand_bytes == 2;
    plan.chunk = n == 0 ? std::min<std::int64_t>(kMostChunk, round_up(plan.k_loc, 8))
                        : chunk_classes({n, plan.d_pad, plan.k_loc, operand_bytes, facts.l2_bytes,
                                         bound > taken ? bound - taken : 0, second});
    const auto rows = static_cast<std::size_t>(n), chunk = static_cast<std::size_t>(plan.chunk),
               width = static_cast<std::size_t>(plan.d_pad);
    if (n > 0) {
      if (args.unit_w == nullptr || args.sampled != nullptr)
        plan.wh = places.take_bytes(chunk * width * operand_bytes);
      if (operand_bytes == 4) {
        places.take(plan.cosines, n * plan.chunk);
        plan.operand = plan.cosines;
        places.take(plan.gradients, plan.weights ? plan.chunk * plan.d_pad : 0);
      } else {
        places.take(plan.cosines, plan.chunk * (plan.weights ? std::max(n, plan.d_pad) : n));
        places.take(plan.second,
                    second && plan.k_loc > plan.chunk ? plan.chunk * std::max(n, plan.d_pad) : 0);
        plan.gradients = plan.cosines;  // S is done with when G has been made of it
        plan.operand = places.take_bytes(rows * chunk * operand_bytes);
      }
      plan.product_workspace_bytes = product_workspace_bytes;
      plan.product_workspace = places.take_bytes(product_workspace_bytes);
    }
  } else {
    const FusedShape shape{plan.type, n, plan.d, plan.k_loc, args.unit_w != nullptr, false};
    if constexpr (kMmaBuilt || kWgmmaBuilt) plan.parts = fused_parts(facts, kind, shape, plan.vectors);
    places.take(plan.partials.vectors, plan.vectors ? plan.parts * n * plan.d : 0);
    places.take(plan.partials.shift, plan.parts * 2 * n);
    places.take(plan.partials.sum, plan.parts * 2 * n);
    places.take(plan.partials.counts, plan.parts * 2 * n);
    places.take(plan.fused_rows, n);
  }
  plan.bytes = places.used();
  return plan;
}

std::size_t largest_plan_bytes(qcf_plan requested, const qcface::cuda::DeviceFacts& facts,
                               const qcf_head_config& config, const qcf_head_args& args,
                               std::size_t product_workspace_bytes) {
  std::size_t largest = 0;
  qcf_head_args smaller = args;
  for (smaller.n = args.n; smaller.n >= 0; --smaller.n) {
    const qcf_plan kind = choose_plan(facts, shape_of(smaller), requested).plan;
    largest =
        std::max(largest, make_plan(kind, facts, config, smaller, product_workspace_bytes, nullptr).bytes);
  }
  return largest;
}

CosinesPlan make_cosines_plan(const qcface::cuda::DeviceFacts& facts, std::int64_t n, std::int64_t d,
                              std::int64_t k, std::size_t product_workspace_bytes, void* base) {
  CosinesPlan plan{};
  plan.d_pad = round_up(d, 8);
  plan.chunk = chunk_classes({n, plan.d_pad, k, 4, facts.l2_bytes, kMemoryBound / 2});
  Places places(base);
  places.take(plan.xh, n * plan.d_pad);
  places.take(plan.wh, plan.chunk * plan.d_pad);
  plan.product_workspace = places.take_bytes(product_workspace_bytes);
  plan.bytes = places.used();
  return plan;
}

}  // namespace qcface::kernels::cuda
