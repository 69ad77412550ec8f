// Probes searched in a gallery by one score or several (protocols.md sections 9 to 11): what tinyface, ijbs and identify share.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/eval/features/extract.h"
#include "harness/eval/measures/identification.h"
#include "harness/eval/protocols/quality_constants.h"
#include "harness/eval/result.h"

namespace qcface::eval {

/// Which scores a command searches by: --similarity and the constants of the quality-aware score.
class SearchScores {
 public:
  struct Score {
    std::string name;  // "cosine", "qmf", "euclid"
    nn::ScoreRule rule;
  };
  void add_options(OptionTable& table);
  /// Throws UsageError for options that contradict each other, or lack one.
  void settle(const OptionTable& table, const std::string& preset);
  /// Throws Error as QualityConstants::fixed().
  std::vector<Score> scores();
  const std::optional<QmfConstants>& constants() const { return known_; }

 private:
  enum class Similarity { kAuto, kCosine, kQmf, kEuclid };
  Similarity similarity_ = Similarity::kAuto;
  QualityConstants constants_;
  std::optional<QmfConstants> known_;
};

/// Embeddings of the readable ones of some pictures, one behind the other.
struct ReadableRows {
  std::vector<float> values;
  std::int64_t width = 0;
  std::vector<std::int64_t> picture;  // of each row, ascending

  /// Rows of the pictures before, or from `bound` on.
  std::int64_t rows_before(std::int64_t bound) const;
  nn::RowsView rows(std::int64_t first, std::int64_t end) const {
    return {end - first, width, values.data() + first * width, nullptr};
  }
};
/// The vectors that enter scoring, moved out of the embeddings, whose other vectors are let go.
ReadableRows take_readable(Embeddings&& embeddings);

struct Search {
  nn::RowsView probes, gallery;
  Mates mates;
  RowName probe_name;
  std::vector<std::int64_t> ranks;
  bool average_precision = false;
  std::vector<double> pairwise_fars;                             // of recall_pairwise
  std::vector<std::pair<std::int64_t, std::int64_t>> galleries;  // of the open set; none: none is measured
  std::vector<double> fpirs;
  OpenSetRule rule = OpenSetRule::kStrict;
};
/// Searches, with progress. Returns "top", "mean_average_precision", "recall_pairwise" and "open_set" of the score, and puts
/// curves behind `sheets`: cmc.csv (score,rank,hit_rate) and, of an open set, det.csv (score,gallery,fpir,fnir). Throws
/// Interrupted after a signal.
nlohmann::json search(nn::Scorer& scorer, const Search& what, const SearchScores::Score& score,
                      std::map<std::string, std::string>& sheets);

/// "scores" of a result: {"name", "top", ...} each. Rows: score,gallery,measure,at,value,detail; fractions.
std::string search_csv(const nlohmann::json& scores);
/// What a training run keeps: rank_1, ..., mean_average_precision, tpir_0.01, ... of the first score under these names, of
/// others with "_NAME" behind; accuracy = rank_1. And the headline.
void add_search_figures(const nlohmann::json& scores, Result& result);

/// A column a score. Rows that no score has are left out.
Table search_table(const nlohmann::json& scores);
/// Curves where there are sheets: cmc.svg, det.svg.
void add_search_curves(const Result& result, const std::string& title, Presentation& shown);
/// Tiles, the table, what is not resolvable, constants, and the curves.
void present_search(const Result& result, const nlohmann::json& scores, const std::string& title,
                    Presentation& shown);

}  // namespace qcface::eval
