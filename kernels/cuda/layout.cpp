#include "kernels/cuda/layout.h"

#include <algorithm>
#include <cmath>

#include "kernels/cuda/passes.h"
#include "kernels/cuda/plan_table.h"
#include "kernels/heads/table.h"

namespace qcface::kernels::cuda {
namespace {

std::int64_t round_up(std::int64_t value, std::int64_t unit) { return (value + unit - 1) / unit * unit; }

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

Layout make_layout(qcf_plan plan, const qcface::cuda::DeviceFacts& facts, const qcf_head_config& config,
                   const qcf_head_args& args, std::size_t product_workspace_bytes, void* base) {
  Layout layout{};
  static_cast<Request&>(layout) = make_request(config, args);
  layout.plan = plan;
  layout.type = args.operand_type;
  layout.d_pad = round_up(args.d, 8);
  const std::size_t operand_bytes = type_bytes(layout.type);
  const std::int64_t n = layout.n;

  Places places(base);
  places.take(layout.state, 1);
  layout.xh = places.take_bytes(static_cast<std::size_t>(n * layout.d_pad) * operand_bytes);
  places.take(layout.wide_x, layout.narrow ? n * layout.d : 0);
  layout.x = layout.narrow ? layout.wide_x : static_cast<const float*>(args.x);
  places.take(layout.label, n);
  places.take(layout.labels, n);
  places.take(layout.z, n);
  places.take(layout.target, 2 * n);
  places.take(layout.log_sums, 2 * n);
  places.take(layout.counts, 2 * n);
  places.take(layout.target_inv_w, n);
  places.take(layout.one_minus_q, n);
  places.take(layout.slope, n);
  places.take(layout.row_losses, 2 * n);
  places.take(layout.margin, n);
  places.take(layout.target_c, n);
  places.take(layout.shift, 2 * n);
  places.take(layout.sum, 2 * n);
  places.take(layout.log_shift, n);
  places.take(layout.factor, n);
  places.take(layout.sums_vectors, layout.vectors ? n * layout.d_pad : 0);

  if (plan == QCF_PLAN_CHUNKED) {
    const std::size_t bound = kMemoryBound + 32 * static_cast<std::size_t>(n * layout.d);
    const std::size_t taken = places.used() + product_workspace_bytes + 1024;
    const bool second = layout.weights && operand_bytes == 2;
    layout.chunk = n == 0 ? std::min<std::int64_t>(kMostChunk, round_up(layout.classes, 8))
                          : chunk_classes({n, layout.d_pad, layout.classes, operand_bytes, facts.l2_bytes,
                                           bound > taken ? bound - taken : 0, second});
    const auto rows = static_cast<std::size_t>(n), chunk = static_cast<std::size_t>(layout.chunk),
               width = static_cast<std::size_t>(layout.d_pad);
    if (n > 0) {
      if (args.unit_w == nullptr || args.sampled != nullptr)
        layout.wh = places.take_bytes(chunk * width * operand_bytes);
      if (operand_bytes == 4) {
        places.take(layout.cosines, n * layout.chunk);
        layout.operand = layout.cosines;
        places.take(layout.gradients, layout.weights ? layout.chunk * layout.d_pad : 0);
      } else {
        places.take(layout.cosines, layout.chunk * (layout.weights ? std::max(n, layout.d_pad) : n));
        places.take(layout.second,
                    second && layout.classes > layout.chunk ? layout.chunk * std::max(n, layout.d_pad) : 0);
        layout.gradients = layout.cosines;  // S is done with when G has been made of it
        layout.operand = places.take_bytes(rows * chunk * operand_bytes);
      }
      layout.product_workspace_bytes = product_workspace_bytes;
      layout.product_workspace = places.take_bytes(product_workspace_bytes);
    }
  } else {
    const FusedShape shape{layout.type, n, layout.d, layout.classes, args.unit_w != nullptr, false};
    layout.parts = fused_parts(facts, plan, shape, layout.vectors);
    places.take(layout.partials.vectors, layout.vectors ? layout.parts * n * layout.d : 0);
    places.take(layout.partials.shift, layout.parts * 2 * n);
    places.take(layout.partials.sum, layout.parts * 2 * n);
    places.take(layout.partials.counts, layout.parts * 2 * n);
    places.take(layout.fused_rows, n);
  }
  layout.bytes = places.used();
  return layout;
}

std::size_t largest_layout_bytes(qcf_plan requested, const qcface::cuda::DeviceFacts& facts,
                                 const qcf_head_config& config, const qcf_head_args& args,
                                 std::size_t product_workspace_bytes) {
  std::size_t largest = 0;
  qcf_head_args smaller = args;
  for (smaller.n = args.n; smaller.n >= 0; --smaller.n) {
    const qcf_plan plan = choose_plan(facts, shape_of(smaller), requested).plan;
    largest =
        std::max(largest, make_layout(plan, facts, config, smaller, product_workspace_bytes, nullptr).bytes);
  }
  return largest;
}

CosinesLayout make_cosines_layout(const qcface::cuda::DeviceFacts& facts, std::int64_t n, std::int64_t d,
                                  std::int64_t k, std::size_t product_workspace_bytes, void* base) {
  CosinesLayout layout{};
  layout.d_pad = round_up(d, 8);
  layout.chunk = chunk_classes({n, layout.d_pad, k, 4, facts.l2_bytes, kMemoryBound / 2});
  Places places(base);
  places.take(layout.xh, n * layout.d_pad);
  places.take(layout.wh, layout.chunk * layout.d_pad);
  layout.product_workspace = places.take_bytes(product_workspace_bytes);
  layout.bytes = places.used();
  return layout;
}

}  // namespace qcface::kernels::cuda
