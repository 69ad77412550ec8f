// The three products of a tile, all on one register block: kRows broadcast values times kVectors registers. Included
// once per instruction set; see tile.h for the layouts. Flops: 2 * classes * N * D each.
#pragma once

#include "kernels/cpu/tile.h"
#include "kernels/cpu/vector.h"

namespace qcface::kernels {
namespace {

inline constexpr int kVectors = QCF_PANEL_VECTORS;
inline constexpr int kPanel = kLanes * kVectors;
inline constexpr int kRows = QCF_BLOCK_ROWS;

#if defined(__GNUC__) && !defined(__clang__)
#define QCF_UNROLL _Pragma("GCC unroll 16")
#elif defined(__clang__)
#define QCF_UNROLL _Pragma("clang loop unroll(full)")
#else
#define QCF_UNROLL
#endif

template <int Rows>
struct Block {
  Vec sum[Rows][kVectors];

  QCF_HD void clear() {
    QCF_UNROLL for (int r = 0; r < Rows; ++r) {
      QCF_UNROLL for (int v = 0; v < kVectors; ++v) sum[r][v] = splat(0.0f);
    }
  }
  QCF_HD void read(const float* p, std::int64_t stride) {
    QCF_UNROLL for (int r = 0; r < Rows; ++r) {
      QCF_UNROLL for (int v = 0; v < kVectors; ++v) sum[r][v] = load(p + r * stride + v * kLanes);
    }
  }
  QCF_HD void write(float* p, std::int64_t stride) const {
    QCF_UNROLL for (int r = 0; r < Rows; ++r) {
      QCF_UNROLL for (int v = 0; v < kVectors; ++v) store(p + r * stride + v * kLanes, sum[r][v]);
    }
  }
  /// sum[r] += a[r * row_stride + k * step] * panel row k, for `length` k.
  QCF_HD void multiply(const float* a, std::int64_t row_stride, std::int64_t step, const float* panel,
                       std::int64_t length) {
    for (std::int64_t k = 0; k < length; ++k) {
      Vec b[kVectors];
      QCF_UNROLL for (int v = 0; v < kVectors; ++v) b[v] = load(panel + k * kPanel + v * kLanes);
      QCF_UNROLL for (int r = 0; r < Rows; ++r) {
        const Vec broadcast = splat(a[r * row_stride + k * step]);
        QCF_UNROLL for (int v = 0; v < kVectors; ++v) sum[r][v] += broadcast * b[v];
      }
    }
  }
};

template <int Rows>
struct RowCount {
  static constexpr int value = Rows;
};

/// Calls body(first, RowCount) over [0, count) in blocks of kRows; the remainder gets a block of its own size, so no
/// row is computed in vain.
template <int Rows, class Body>
QCF_HD void last_rows(std::int64_t first, int rest, Body& body) {
  if constexpr (Rows > 0) {
    if (rest == Rows) {
      body(first, RowCount<Rows>{});
    } else {
      last_rows<Rows - 1>(first, rest, body);
    }
  }
}
template <class Body>
QCF_HD void for_row_blocks(std::int64_t count, Body body) {
  std::int64_t first = 0;
  for (; first + kRows <= count; first += kRows) body(first, RowCount<kRows>{});
  last_rows<kRows - 1>(first, static_cast<int>(count - first), body);
}

inline constexpr std::int64_t kDepth = 256;  // 256 panel rows: 16 KiB of xt in the first-level cache
static_assert(kDepth % kPanel == 0);

void tile_cosines(const float* a, std::int64_t row_stride, std::int64_t block_stride, int classes,
                  std::int64_t d, const float* xt, std::int64_t n, std::int64_t n_pad, const float* inv_norm,
                  float* c) {
  for (std::int64_t d0 = 0; d0 < d; d0 += kDepth) {
    const std::int64_t d1 = d0 + kDepth < d ? d0 + kDepth : d;
    for (std::int64_t i0 = 0; i0 < n; i0 += kPanel) {
      const float* panel = xt + i0 * d;
      for_row_blocks(classes, [&](std::int64_t j, auto rows) {
        Block<decltype(rows)::value> block;
        float* out = c + j * n_pad + i0;
        if (d0 == 0) {
          block.clear();
        } else {
          block.read(out, n_pad);
        }
        for (std::int64_t k = d0; k < d1; k += kPanel) {
          const float* part = a + j * row_stride + k / kPanel * block_stride;
          if (k + kPanel <= d1) {
            block.multiply(part, row_stride, 1, panel + k * kPanel, kPanel);
          } else {
            block.multiply(part, row_stride, 1, panel + k * kPanel, d1 - k);
          }
        }
        if (d1 == d) {
          QCF_UNROLL for (int r = 0; r < decltype(rows)::value; ++r) {
            const Vec scale = splat(inv_norm[j + r]);
            QCF_UNROLL for (int v = 0; v < kVectors; ++v) block.sum[r][v] =
                clamp_unit(block.sum[r][v] * scale);
          }
        }
        block.write(out, n_pad);
      });
    }
  }
}

void tile_add_vectors(const float* e, int classes, std::int64_t n, std::int64_t n_pad, const float* packed,
                      std::int64_t d_pad, float* v) {
  for (std::int64_t d0 = 0; d0 < d_pad; d0 += kPanel) {
    const float* panel = packed + d0 * kTileClasses;
    for_row_blocks(n, [&](std::int64_t i, auto rows) {
      Block<decltype(rows)::value> block;
      float* out = v + i * d_pad + d0;
      block.read(out, d_pad);
      block.multiply(e + i, 1, n_pad, panel, classes);
      block.write(out, d_pad);
    });
  }
}

void tile_weight_gradients(const WeightTile& t) {
  const std::int64_t d = t.tile.d;
  for_row_blocks(t.tile.classes, [&](std::int64_t j, auto rows) {
    constexpr int kBlock = decltype(rows)::value;
    for (std::int64_t d0 = 0; d0 < d; d0 += kPanel) {
      Block<kBlock> block;
      block.clear();
      block.multiply(t.g + j * t.n_pad, t.n_pad, 1, t.xp + d0 * t.n, t.n);
      const float* w = t.tile.w + j * d + d0;
      float* dw = t.dw + j * d + d0;
      if (d0 + kPanel <= d) {
        QCF_UNROLL for (int r = 0; r < kBlock; ++r) {
          const Vec scale = splat(t.grad_scale[j + r]);
          const Vec pull = splat(t.pull[j + r]);
          QCF_UNROLL for (int v = 0; v < kVectors; ++v) {
            float* p = dw + r * d + v * kLanes;
            Vec value = scale * block.sum[r][v] - pull * load(w + r * d + v * kLanes);
            if (t.stream) {
              stream(p, value);
            } else {
              if (t.accumulate) value += load(p);
              store(p, value);
            }
          }
        }
      } else {
        float edge[kBlock][kPanel];
        block.write(&edge[0][0], kPanel);
        for (int r = 0; r < kBlock; ++r) {
          for (std::int64_t k = 0; k < d - d0; ++k) {
            const float value = t.grad_scale[j + r] * edge[r][k] - t.pull[j + r] * w[r * d + k];
            dw[r * d + k] = t.accumulate ? dw[r * d + k] + value : value;
          }
        }
      }
    }
  });
  if (t.stream) stream_fence();
}

}  // namespace
}  // namespace qcface::kernels
