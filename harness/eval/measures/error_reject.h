// Error versus reject: how the share of missed genuine comparisons falls when those of lowest quality are left out
// (protocols.md section 12). A comparison's quality is the smaller one of its two pictures'; it is accepted if its score > t.
// O(n log n), the same for any number of threads.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace qcface::eval {

/// Which comparisons are left out, and where t is. N genuine, n impostor comparisons, M = N + n; r: the share left out.
enum class RejectRule {
  kFixed,    // floor(r N) genuine ones; t of all impostors, strict: the (floor(FMR n) + 1)-th largest score
  kRefit,    // floor(r M) of either kind; t by the same rule of the impostors left
  kMagface,  // as kRefit; i_0 = n - 1, i_{j+1} = floor(i_j / 10), t = the i_J-th smallest distance, FMR 10^-J; a miss: distance
             // >= t. No point where i_j is 0 before j = J
  kNearest,  // as kRefit; t = the lowest observed score whose share of impostors >= t is nearest to the FMR, the larger share
             // among equals; as CR-FIQA's tables, which call it fixed
};
std::string_view name_of(RejectRule rule);  // "fixed", "refit", "magface", "nearest"

inline constexpr int kRejectSteps = 20;
/// 0, 0.05, ..., 0.95.
constexpr double reject_share(int step) { return 0.05 * step; }
inline constexpr std::array kPartialLimits{0.2, 0.3};

struct PartialArea {
  double limit = 0;                  // R
  double area = 0;                   // of FNMR over r = 0 .. R
  std::optional<double> normalised;  // area / (R FNMR(0)): 1 = useless quality; none where FNMR(0) is 0
};

struct ErrorReject {
  RejectRule rule = RejectRule::kFixed;
  double fmr = 0;
  double threshold = 0;         // at r = 0
  double fmr_at_threshold = 0;  // share of impostors > threshold
  std::int64_t genuine = 0, impostors = 0;
  double fnmr_at_zero = 0;
  /// At reject_share(i); 0 where no genuine comparison is left, NaN where there is no threshold.
  std::array<double, kRejectSteps> fnmr{};
  std::array<double, kRejectSteps> thresholds{};
  std::optional<double> area;  // trapezoid over the grid; none where a point is missing
  /// kFixed: exact, (1/N) sum over m = 0 .. floor(R N) - 1 of FNMR after m comparisons are left out, and the fraction of the
  /// next step. The others: trapezoid over the grid; absent where a point is missing.
  std::vector<PartialArea> partial;
};

struct RejectRequest {
  RejectRule rule = RejectRule::kFixed;
  double fmr = 1e-3;  // kMagface: a power of ten
};

/// Whether n impostors tell a FMR at all: FMR >= 1 / n.
bool resolves_fmr(std::int64_t impostors, double fmr);

/// One curve a request. Throws Error as check_pairs(), for another number of qualities or one that is not finite, and for a FMR
/// that the impostors do not resolve, or is no power of ten for kMagface (which goes by its own rule: it is never refused for
/// want of impostors, points go missing).
std::vector<ErrorReject> error_versus_reject(std::span<const double> scores, std::span<const char> same,
                                             std::span<const double> quality,
                                             std::span<const RejectRequest> requests);

/// FNMR of a quality that knows which genuine comparisons are missed: max(0, (FNMR(0) - r) / (1 - r)). A random one leaves
/// FNMR(0) as it is.
double reject_lower_bound(double fnmr_at_zero, double share);

}  // namespace qcface::eval
