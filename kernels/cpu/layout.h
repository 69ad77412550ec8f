// Sizes, the split of the classes and the places in the workspace: a pure function of the arguments and the thread
// count. Everything that decides a sum's order depends on the sizes only.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/tile.h"
#include "kernels/heads/table.h"
#include "kernels/request.h"
#include "qcface/kernels.h"

namespace qcface::kernels {

inline constexpr int kMaxParts = 32;

/// First bytes of the workspace: what one stage leaves for the next.
struct CpuState : StageState {
  std::int64_t local_labels;  // rows whose class is held here
};

struct Layout : Request {
  // sizes
  std::int64_t n_pad, d_pad, tiles;
  const float* x;  // as given, or widened
  int parts;       // fixed split of the tiles in the first pass; one partial sum each
  int threads;     // workers, and scratch places
  bool tile_dw;    // dw is needed for the update only: a tile at a time
  const TileOps* ops;

  // places in the workspace
  CpuState* state;
  float* wide_x;  // a 16-bit x in fp32
  float *xt, *xp;
  SortedLabel* labels;                        // sorted by class, then row
  double *z, *target, *log_sums, *counts;     // [n]; [2, n]; [2, n]; [2, n]
  double *one_minus_q, *slope;                // [n] 1 - q, T'
  float *margin, *target_c, *shift, *factor;  // [n_pad]
  // one of each a part
  float* part_vectors;        // [parts, n, d_pad]
  double* part_sums;          // [parts, 2, n_pad]
  float* part_shifts;         // [parts, 2, n_pad]
  std::int32_t* part_counts;  // [parts, 2, n_pad]
  // one of each a worker
  float* scratch;
  std::size_t scratch_floats;
  std::size_t bytes;

  /// Row of w of a class that takes part.
  std::int64_t w_row(std::int64_t klass) const { return sampled != nullptr ? sampled[klass] : klass; }
  TargetInput target_input(std::int64_t row) const {
    return {target[row], target[n + row], z[row], static_cast<double>(state->length_mean),
            static_cast<double>(state->length_std)};
  }
  std::int64_t first_tile(int part) const { return part * tiles / parts; }
  float* worker_scratch(int worker) const {
    return scratch + static_cast<std::size_t>(worker) * scratch_floats;
  }
};

/// The pieces of a worker's scratch.
struct Scratch {
  float *packed, *c, *inv_norm, *grad_scale, *dot, *rows;  // rows: 6 x [n_pad]
  float* dw;  // [kTileClasses, d], if the update is fused and dw not wanted
  float* w;   // [kTileClasses, d], if classes are sampled
};
Scratch split_scratch(const Layout& layout, int worker);
/// The class rows of a tile; sampled ones are gathered into the scratch.
ClassTile class_tile(const Layout& layout, const Scratch& scratch, std::int64_t tile);

/// base may be NULL when only sizes are wanted.
Layout make_layout(const qcf_context& context, const qcf_head_config& config, const qcf_head_args& args,
                   void* base);

// The stages (head.cpp calls them).
qcf_status prepare(qcf_context* context, const qcf_head_args& args, const Layout& layout);
qcf_status sums(qcf_context* context, const qcf_head_config& config, const qcf_head_args& args,
                const Layout& layout);
qcf_status finish(const qcf_head_config& config, const qcf_head_args& args, const Layout& layout);
qcf_status weights(const qcf_head_config& config, const qcf_head_args& args, const Layout& layout);

qcf_status cosines_workspace_bytes(qcf_context* context, std::int64_t n, std::int64_t d, std::int64_t k,
                                   std::size_t* bytes);
qcf_status cosines(qcf_context* context, std::int64_t n, std::int64_t d, std::int64_t k, const float* x,
                   const float* w, double scale, float* out, void* workspace);

/// unit [rows, d] = rows / max(length, 1e-12).
qcf_status unit_rows(qcf_context* context, std::int64_t rows, std::int64_t d, const float* matrix,
                     float* unit);

/// wide [count] = the 16-bit values.
void widen(int threads, const void* values, qcf_type type, std::int64_t count, float* wide);

/// Fills xt (and xp unless NULL) from unit rows inv_z[i] * x_i.
void pack_rows(const TileOps& ops, int threads, const float* x, const double* z, std::int64_t n,
               std::int64_t d, std::int64_t n_pad, std::int64_t d_pad, float* xt, float* xp);
/// z[i] = |x_i|; returns the first row with NaN or infinity, or -1.
std::int64_t row_lengths(int threads, const float* x, std::int64_t n, std::int64_t d, double* z);

}  // namespace qcface::kernels
