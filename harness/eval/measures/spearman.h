// Rank correlation of magnitude and degradation level (protocols.md section 13). Spearman: Pearson correlation of ranks with
// ties averaged; Kendall: pairs in the same order against pairs in the other. Expected sign: negative (larger level = worse
// picture).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace qcface::eval {

/// 1-based ranks, ties averaged. Throws Error for NaN.
std::vector<double> average_ranks(std::span<const double> values);

/// Empty when either side is constant or there are fewer than two samples: undefined, print it so.
std::optional<double> spearman(std::span<const double> a, std::span<const double> b);

/// Kendall's tau-b: (concordant - discordant) / sqrt((pairs without a tie in a) (pairs without a tie in b)). O(n log n). Empty as
/// spearman(). Throws Error for NaN.
std::optional<double> kendall_tau_b(std::span<const double> a, std::span<const double> b);

/// Correlation inside each source picture, over its levels: removes what differs between identities.
struct SpearmanBySource {
  std::vector<std::optional<double>> rho;  // in order of first appearance of the source
  std::optional<double> mean;              // over the defined ones
  std::optional<double> median;
  std::int64_t undefined = 0;
};
SpearmanBySource spearman_by_source(std::span<const double> magnitudes, std::span<const double> levels,
                                    std::span<const std::int64_t> sources);

}  // namespace qcface::eval
