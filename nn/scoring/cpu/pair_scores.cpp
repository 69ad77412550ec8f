#include <cmath>
#include <cstddef>
#include <vector>

#include "core/error.h"
#include "nn/scoring/cpu/cpu_scorer.h"
#include "nn/scoring/rule.h"

namespace qcface::nn::scoring {
namespace {

template <class T>
void score_rows(const T* rows, std::int64_t count, std::int64_t width, std::span<const RowPair> pairs,
                const ScoreRule& rule, std::span<double> out, int threads) {
  std::vector<double> lengths(static_cast<std::size_t>(count));
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::int64_t i = 0; i < count; ++i) {
    double sum = 0;
    for (std::int64_t d = 0; d < width; ++d) {
      const double v = static_cast<double>(rows[i * width + d]);
      sum += v * v;
    }
    lengths[static_cast<std::size_t>(i)] = std::sqrt(sum);
  }
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(pairs.size()); ++i) {
    const RowPair pair = pairs[static_cast<std::size_t>(i)];
    const T* a = rows + pair.a * width;
    const T* b = rows + pair.b * width;
    double sum = 0;
    if (rule.kind == ScoreRule::kEuclid) {
      for (std::int64_t d = 0; d < width; ++d) {
        const double v = static_cast<double>(a[d]) - static_cast<double>(b[d]);
        sum += v * v;
      }
      out[static_cast<std::size_t>(i)] = -std::sqrt(sum);
      continue;
    }
    for (std::int64_t d = 0; d < width; ++d) sum += static_cast<double>(a[d]) * static_cast<double>(b[d]);
    out[static_cast<std::size_t>(i)] = score_of(rule, sum, lengths[static_cast<std::size_t>(pair.a)],
                                                lengths[static_cast<std::size_t>(pair.b)]);
  }
}

}  // namespace

void pair_scores(const RowsView& rows, std::span<const RowPair> pairs, const ScoreRule& rule,
                 std::span<double> out, int threads) {
  require(out.size() == pairs.size(), "pair scores: {} places for {} pairs", out.size(), pairs.size());
  for (const RowPair pair : pairs) {
    require(pair.a >= 0 && pair.b >= 0 && pair.a < rows.count && pair.b < rows.count,
            "pair scores: a pair of rows {} and {}, but there are {} rows", pair.a, pair.b, rows.count);
  }
  if (rows.f32 != nullptr) {
    score_rows(rows.f32, rows.count, rows.width, pairs, rule, out, threads);
  } else {
    score_rows(rows.f64, rows.count, rows.width, pairs, rule, out, threads);
  }
}

}  // namespace qcface::nn::scoring
