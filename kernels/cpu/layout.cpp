#include "kernels/cpu/layout.h"

#include <algorithm>

#include "kernels/device/parallel.h"

namespace qcface::kernels {
namespace {

std::int64_t pad(std::int64_t value, std::int64_t panel) { return (value + panel - 1) / panel * panel; }

std::int64_t scratch_floats(const Layout& layout) {
  return kTileClasses * (layout.vectors ? layout.d_pad : 0) + kTileClasses * layout.n_pad + 3 * kTileClasses +
         6 * layout.n_pad + (layout.tile_dw ? kTileClasses * layout.d : 0) +
         (layout.sampled != nullptr ? kTileClasses * layout.d : 0);
}

}  // namespace

Layout make_layout(const qcf_context& context, const qcf_head_config& config, const qcf_head_args& args,
                   void* base) {
  Layout layout{};
  static_cast<Request&>(layout) = make_request(config, args);
  layout.ops = tile_ops(context.isa);
  layout.n_pad = pad(args.n, layout.ops->panel);
  layout.d_pad = pad(args.d, layout.ops->panel);
  layout.tiles = (layout.classes + kTileClasses - 1) / kTileClasses;
  layout.parts = static_cast<int>(std::min<std::int64_t>(layout.tiles, kMaxParts));
  layout.threads = static_cast<int>(std::min<std::int64_t>(resolve_threads(context.threads), layout.tiles));
  layout.tile_dw = args.optimiser != nullptr && args.dw == nullptr;

  Places places(base);
  places.take(layout.state, 1);
  places.take(layout.wide_x, layout.narrow ? layout.n * layout.d : 0);
  layout.x = layout.narrow ? layout.wide_x : static_cast<const float*>(args.x);
  places.take(layout.xt, layout.n_pad * layout.d);
  places.take(layout.xp, layout.weights ? layout.n * layout.d_pad : 0);
  places.take(layout.labels, layout.n);
  places.take(layout.z, layout.n);
  places.take(layout.target, 2 * layout.n);
  places.take(layout.log_sums, 2 * layout.n);
  places.take(layout.counts, 2 * layout.n);
  places.take(layout.one_minus_q, layout.n);
  places.take(layout.slope, layout.n);
  places.take(layout.margin, layout.n_pad);
  places.take(layout.target_c, layout.n_pad);
  places.take(layout.shift, layout.n_pad);
  places.take(layout.factor, layout.n_pad);
  places.take(layout.part_vectors, layout.vectors ? layout.parts * layout.n * layout.d_pad : 0);
  places.take(layout.part_sums, layout.parts * 2 * layout.n_pad);
  places.take(layout.part_shifts, layout.parts * 2 * layout.n_pad);
  places.take(layout.part_counts, layout.parts * 2 * layout.n_pad);
  layout.scratch_floats = static_cast<std::size_t>((scratch_floats(layout) + 15) / 16 * 16);
  places.take(layout.scratch, layout.threads * static_cast<std::int64_t>(layout.scratch_floats));
  layout.bytes = places.used();
  return layout;
}

Scratch split_scratch(const Layout& layout, int worker) {
  float* p = layout.worker_scratch(worker);
  Scratch s{};
  s.packed = p;
  p += layout.vectors ? kTileClasses * layout.d_pad : 0;
  s.c = p;
  p += kTileClasses * layout.n_pad;
  s.inv_norm = p;
  s.grad_scale = p + kTileClasses;
  s.dot = p + 2 * kTileClasses;
  s.rows = p + 3 * kTileClasses;
  s.dw = s.rows + 6 * layout.n_pad;
  s.w = s.dw + (layout.tile_dw ? kTileClasses * layout.d : 0);
  return s;
}

ClassTile class_tile(const Layout& layout, const Scratch& scratch, std::int64_t tile) {
  const std::int64_t first = tile * kTileClasses;
  const int classes = static_cast<int>(std::min<std::int64_t>(kTileClasses, layout.classes - first));
  if (layout.sampled == nullptr) return {layout.w + first * layout.d, classes, layout.d};
  for (int j = 0; j < classes; ++j) {
    std::copy_n(layout.w + layout.sampled[first + j] * layout.d, layout.d, scratch.w + j * layout.d);
  }
  return {scratch.w, classes, layout.d};
}

}  // namespace qcface::kernels
