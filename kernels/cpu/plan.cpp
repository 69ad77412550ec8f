#include "kernels/cpu/plan.h"

#include <algorithm>
#include <cmath>

#include "kernels/device/parallel.h"

namespace qcface::kernels {
namespace {

std::int64_t pad(std::int64_t value, std::int64_t panel) { return (value + panel - 1) / panel * panel; }

/// Hands out 64-byte aligned places one after the other; with a NULL base it only counts.
class Places {
 public:
  explicit Places(void* base) : base_(static_cast<char*>(base)) {}
  template <class T>
  void take(T*& place, std::int64_t count) {
    place = base_ != nullptr ? reinterpret_cast<T*>(base_ + used_) : nullptr;
    used_ += (static_cast<std::size_t>(count) * sizeof(T) + 63) / 64 * 64;
  }
  std::size_t used() const { return used_; }

 private:
  char* base_;
  std::size_t used_ = 0;
};

std::int64_t scratch_floats(const Plan& plan) {
  return kTileClasses * (plan.vectors ? plan.d_pad : 0) + kTileClasses * plan.n_pad + 3 * kTileClasses +
         6 * plan.n_pad + (plan.tile_dw ? kTileClasses * plan.d : 0) +
         (plan.sampled != nullptr ? kTileClasses * plan.d : 0);
}

}  // namespace

Plan make_plan(const qcf_context& context, const qcf_head_config& config, const qcf_head_args& args,
               void* base) {
  Plan plan{};
  plan.n = args.n;
  plan.d = args.d;
  plan.w_rows = args.k_loc;
  plan.sampled = args.sampled;
  plan.classes = args.sampled != nullptr ? args.sampled_count : args.k_loc;
  plan.w = args.w;
  plan.k_total = args.k_total != 0 ? args.k_total : args.k_loc;
  plan.offset = args.class_offset;
  plan.ops = tile_ops(context.isa);
  plan.n_pad = pad(args.n, plan.ops->panel);
  plan.d_pad = pad(args.d, plan.ops->panel);
  plan.tiles = (plan.classes + kTileClasses - 1) / kTileClasses;
  plan.batch = static_cast<double>(args.batch_total != 0 ? args.batch_total : args.n);
  plan.parts = static_cast<int>(std::min<std::int64_t>(plan.tiles, kMaxParts));
  plan.threads = static_cast<int>(std::min<std::int64_t>(resolve_threads(context.threads), plan.tiles));
  const bool wants_p = args.row_p != nullptr || args.row_zstar != nullptr || args.row_lg != nullptr;
  const HeadRow& head = *head_row(config.kind);
  plan.plain = head.has_hard && ((config.phase == QCF_PHASE_NORM && head.has_magnitude_loss) || wants_p);
  plan.tile_dw = args.sgd != nullptr && args.dw == nullptr;
  const bool second_pass = args.dw != nullptr || args.sgd != nullptr;
  plan.vectors = args.dx != nullptr || args.dx_direction != nullptr || args.row_tangent != nullptr;

  Places places(base);
  places.take(plan.state, 1);
  const bool narrow = args.x_type != QCF_TYPE_F32;
  places.take(plan.wide_x, narrow ? plan.n * plan.d : 0);
  plan.x = narrow ? plan.wide_x : static_cast<const float*>(args.x);
  places.take(plan.xt, plan.n_pad * plan.d);
  places.take(plan.xp, second_pass ? plan.n * plan.d_pad : 0);
  if (!second_pass) plan.xp = nullptr;
  places.take(plan.labels, plan.n);
  places.take(plan.z, plan.n);
  places.take(plan.target, 2 * plan.n);
  places.take(plan.log_sums, 2 * plan.n);
  places.take(plan.counts, 2 * plan.n);
  places.take(plan.one_minus_q, plan.n);
  places.take(plan.slope, plan.n);
  places.take(plan.margin, plan.n_pad);
  places.take(plan.target_c, plan.n_pad);
  places.take(plan.shift, plan.n_pad);
  places.take(plan.factor, plan.n_pad);
  places.take(plan.part_vectors, plan.vectors ? plan.parts * plan.n * plan.d_pad : 0);
  places.take(plan.part_sums, plan.parts * 2 * plan.n_pad);
  places.take(plan.part_shifts, plan.parts * 2 * plan.n_pad);
  places.take(plan.part_counts, plan.parts * 2 * plan.n_pad);
  plan.scratch_floats = static_cast<std::size_t>((scratch_floats(plan) + 15) / 16 * 16);
  places.take(plan.scratch, plan.threads * static_cast<std::int64_t>(plan.scratch_floats));
  plan.bytes = places.used();
  return plan;
}

Scratch split_scratch(const Plan& plan, int worker) {
  float* p = plan.worker_scratch(worker);
  Scratch s{};
  s.packed = p;
  p += plan.vectors ? kTileClasses * plan.d_pad : 0;
  s.c = p;
  p += kTileClasses * plan.n_pad;
  s.inv_norm = p;
  s.grad_scale = p + kTileClasses;
  s.dot = p + 2 * kTileClasses;
  s.rows = p + 3 * kTileClasses;
  s.dw = s.rows + 6 * plan.n_pad;
  s.w = s.dw + (plan.tile_dw ? kTileClasses * plan.d : 0);
  return s;
}

ClassTile class_tile(const Plan& plan, const Scratch& scratch, std::int64_t tile) {
  const std::int64_t first = tile * kTileClasses;
  const int classes = static_cast<int>(std::min<std::int64_t>(kTileClasses, plan.classes - first));
  if (plan.sampled == nullptr) return {plan.w + first * plan.d, classes, plan.d};
  for (int j = 0; j < classes; ++j) {
    std::copy_n(plan.w + plan.sampled[first + j] * plan.d, plan.d, scratch.w + j * plan.d);
  }
  return {scratch.w, classes, plan.d};
}

}  // namespace qcface::kernels
