// What the drivers (sums.cpp, weights.cpp, cosines.cpp) ask of one instruction set: operations on a tile of up to
// kTileClasses class rows. Every instruction set fills one TileOps from the same source, tile_impl.h.
//
// Layouts ("panel" = TileOps::panel values side by side, so that a panel row is one or two vector registers):
//   xt      [N' / panel][D][panel]     unit rows, transposed; rows past N are 0
//   xp      [D' / panel][N][panel]     unit rows, columns in panels; columns past D are 0
//   packed  [D' / panel][kTileClasses][panel]  the tile's raw class weights, columns in panels
//   c       [kTileClasses][N']         class-major: cosines, later exponentials or gradient factors
// with N', D' = N, D rounded up to the panel width.
#pragma once

#include <cstdint>

#include "kernels/heads/negatives.h"
#include "qcface/kernels.h"

namespace qcface::kernels {

inline constexpr int kTileClasses =
    96;  // 96 x 512 fp32 = 192 KiB: stays in a 512 KiB L2 beside the unit rows
inline constexpr float kExcluded =
    -1e18f;  // "cosine" of the label's own column: its exponential is exactly 0
inline constexpr float kLazyShift =
    40.0f;  // a running shift moves only when a logit exceeds it by more than this

/// Class rows of one tile, raw, row stride d.
struct ClassTile {
  const float* w;
  int classes;  // 1 .. kTileClasses
  std::int64_t d;
};

/// First pass over a tile: cosines -> exponentials. Arrays over samples have n_pad entries.
struct ExpTile {
  float* c;  // in: cosines (kExcluded for labels); out: exp(s N - shift) N' / |w_j|
  int classes;
  std::int64_t n_pad;
  const float* inv_norm;  // [classes]
  float s;
  NegativeParams negative;
  const float* margin;    // M_i
  const float* target_c;  // c_iy
  float* shift;           // running shift of s N, and of s c
  float* plain_shift;
  float* sum;  // out: this tile's sums relative to the shifts
  float* plain_sum;
  float* rescale;  // out: exp(old shift - new shift), 1 where the shift stays
  float* plain_rescale;
  std::int32_t* higher;  // += number of c_ij > c_iy
  std::int32_t* hard;    // += number of hard negatives
  float* scratch;        // [2 n_pad]
  bool plain;            // whether plain sums are wanted
  bool first;            // no shift has been chosen yet
};

/// Second pass over a tile: cosines -> gradient factors.
struct FactorTile {
  float* c;  // in: cosines (kExcluded for labels); out: factor_i exp(s N - shift_i) N'
  int classes;
  std::int64_t n_pad;
  float s;
  NegativeParams negative;
  const float* margin;
  const float* shift;
  const float* factor;  // 0 past N
  float* dot;           // out [classes]: sum_i g_ij c_ij
};

struct WeightTile {
  ClassTile tile;
  const float* g;  // [classes][n_pad]
  std::int64_t n, n_pad, d_pad;
  const float* xp;
  const float* grad_scale;  // [classes] 1 / |w_j|, 0 for a dead row
  const float* pull;        // [classes] (sum_i g_ij c_ij) / |w_j|^2
  float* dw;                // the tile's first row
  bool accumulate;
  bool stream;  // write past the caches
};

struct TileOps {
  const char* name;
  int panel;
  /// Reads the tile once: inv_norm = 1 / max(|w_j|, 1e-12), grad_scale = 1 / |w_j| or 0 for a dead row; packs it if
  /// packed is given. Returns the first row that holds NaN or infinity, or -1.
  int (*load)(const ClassTile&, std::int64_t d_pad, float* packed, float* inv_norm, float* grad_scale);
  /// c = clamp(inv_norm_j w_j . xh_i). a is the tile as packed (row stride panel, block stride kTileClasses * panel)
  /// or as it lies in memory (row stride d, block stride panel).
  void (*cosines)(const float* a, std::int64_t row_stride, std::int64_t block_stride, int classes,
                  std::int64_t d, const float* xt, std::int64_t n, std::int64_t n_pad, const float* inv_norm,
                  float* c);
  void (*exponentials[NegativesList::kCount])(const ExpTile&);
  /// v [N, d_pad] += e^T packed.
  void (*add_vectors)(const float* e, int classes, std::int64_t n, std::int64_t n_pad, const float* packed,
                      std::int64_t d_pad, float* v);
  void (*factors[NegativesList::kCount])(const FactorTile&);
  /// dw_j = grad_scale_j sum_i g_ij xh_i - pull_j w_j
  void (*weight_gradients)(const WeightTile&);
};

const TileOps* tile_ops_baseline();
const TileOps* tile_ops_avx2();    // x86-64 builds only
const TileOps* tile_ops_avx512();  // likewise

/// NULL if this build or processor lacks it.
const TileOps* tile_ops(qcf_isa isa);

}  // namespace qcface::kernels
