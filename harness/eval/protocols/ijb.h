// IJB-B and IJB-C (protocols.md sections 8 and 9): templates pooled from pictures, listed pairs of them verified, probes
// identified in both galleries. Deterministic for given embeddings; in double from the pooling on.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/data/lists/ijb_lists.h"
#include "harness/eval/features/extract.h"
#include "harness/eval/measures/identification.h"
#include "harness/eval/measures/roc.h"
#include "harness/eval/measures/scores.h"
#include "harness/eval/measures/templates.h"

namespace qcface::eval {

/// A row of the table in section 8, by its name there.
enum class IjbSimilarity { kCosine, kQmf, kEuclid, kInsightface, kMagface };
inline constexpr int kIjbSimilarities = 5;
std::string_view name_of(IjbSimilarity similarity);

/// How that row is computed.
struct IjbMethod {
  IjbSimilarity similarity = IjbSimilarity::kCosine;
  Pooling verification, identification;
  bool detector = false;  // pictures weighted by the detector's score
  bool published =
      false;  // euclid: extremes of each 100,000 pairs; identification: no impostor score of -2 or less
  std::optional<QmfConstants> constants;
};
struct IjbChoice {
  bool published = false;                  // as the published script pools and scales
  std::optional<Reduce> media, templates;  // in place of the row's own, for both tasks
  bool detector = true;                    // false: none in the row of insightface
  std::optional<QmfConstants> constants;
};
/// Throws Error for qmf without constants.
IjbMethod ijb_method(IjbSimilarity similarity, const IjbChoice& choice);

struct IjbVerification {
  std::vector<double> scores;  // of the listed pairs
  RocTable table;
  double auc = 0;
  RocSummary summary;
};

inline constexpr std::int64_t kIjbRanks[] = {1, 5, 10};
inline constexpr double kIjbFars[] = {0.01, 0.1};  // of recall_pairwise, and FPIR of the open set

struct IjbIdentification {
  std::vector<double> top;  // one of kIjbRanks
  std::vector<PairwiseRecall> recall;
  std::vector<OpenSet> galleries;
  std::vector<double> tpir;  // mean of the galleries
};

struct IjbFound {
  IjbMethod method;
  std::optional<IjbVerification> verification;
  std::optional<IjbIdentification> identification;
};

/// Lists ready to be measured with.
class IjbSet {
 public:
  /// Throws Error naming file and line where a probe has not exactly one mate.
  IjbSet(data::IjbLists lists, const data::IjbParts& parts);

  const data::IjbLists& lists() const { return lists_; }
  const TemplateGroups& groups() const { return groups_; }
  /// `pictures` and `valid`: rows of the lists' pictures. `step` hears what is done: done of total, of what. Throws Error naming a
  /// template of whose pictures none is readable.
  IjbFound measure(const nn::RowsView& pictures, std::span<const std::uint8_t> valid, const IjbMethod& method,
                   nn::Scorer& scorer,
                   const std::function<void(std::string_view what, std::int64_t done, std::int64_t total)>&
                       step = {}) const;

 private:
  std::vector<double> pool(const nn::RowsView& pictures, std::span<const std::uint8_t> valid,
                           const Pooling& pooling, bool detector) const;
  IjbVerification verify(const nn::RowsView& templates, const IjbMethod& method, nn::Scorer& scorer,
                         const std::function<void(std::string_view what)>& say) const;
  IjbIdentification identify(const nn::RowsView& templates, const IjbMethod& method, nn::Scorer& scorer,
                             const std::function<void(std::int64_t, std::int64_t)>& progress) const;
  std::string row_name(const data::IjbSubjects& subjects, std::size_t row) const;

  data::IjbLists lists_;
  data::IjbParts parts_;
  TemplateGroups groups_;
  Mates mates_;
};

}  // namespace qcface::eval
