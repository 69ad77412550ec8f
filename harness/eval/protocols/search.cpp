#include "harness/eval/protocols/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <map>

#include "core/text.h"
#include "harness/console/interrupt.h"
#include "harness/console/progress.h"
#include "harness/console/usage.h"

namespace qcface::eval {
namespace {

using nlohmann::json;

constexpr std::int64_t kLastRank = 100;  // of the CMC curve
constexpr int kStepsADecade = 20;        // of the DET curve
constexpr double kLowestFpir = 1e-4;

std::vector<std::int64_t> curve_ranks(std::int64_t gallery) {
  std::vector<std::int64_t> ranks;
  for (std::int64_t rank = 1; rank <= std::min(kLastRank, gallery); ++rank) ranks.push_back(rank);
  return ranks;
}

std::vector<double> curve_fpirs() {
  std::vector<double> fpirs;
  for (int step = 0; step <= 4 * kStepsADecade; ++step)
    fpirs.push_back(kLowestFpir * std::pow(10.0, static_cast<double>(step) / kStepsADecade));
  return fpirs;
}

json open_set_json(const nn::IdentifyFound& found, const Search& what, const std::string& name,
                   std::string& det) {
  const auto sets = open_set(found, what.mates, what.galleries, what.fpirs, what.rule, what.probe_name);
  json galleries = json::array(), tpir = json::array();
  for (const OpenSet& set : sets) {
    json rows = json::array();
    for (const OpenSetRow& row : set.rows) {
      rows.push_back({{"fpir", row.fpir},
                      {"k", row.k},
                      {"resolvable", row.resolvable},
                      {"threshold", row.threshold},
                      {"tpir", row.tpir},
                      {"fpir_found", row.fpir_found}});
    }
    galleries.push_back({{"mated", set.mated}, {"nonmated", set.nonmated}, {"rows", std::move(rows)}});
  }
  const std::vector<double> means = mean_tpir(sets);
  for (std::size_t i = 0; i < means.size(); ++i)
    tpir.push_back({{"fpir", what.fpirs[i]}, {"tpir", means[i]}});

  const auto curves =
      open_set(found, what.mates, what.galleries, curve_fpirs(), OpenSetRule::kStrict, what.probe_name);
  for (std::size_t gallery = 0; gallery < curves.size(); ++gallery) {
    for (const OpenSetRow& row : curves[gallery].rows) {
      if (!row.resolvable || std::isnan(row.tpir)) continue;
      fmt::format_to(std::back_inserter(det), "{},{},{},{}\n", name, gallery + 1, row.fpir, 1 - row.tpir);
    }
  }
  return {{"galleries", std::move(galleries)}, {"tpir", std::move(tpir)}};
}

}  // namespace

void SearchScores::add_options(OptionTable& table) {
  table.add_choice("--similarity", similarity_,
                   {{"auto", Similarity::kAuto},
                    {"cosine", Similarity::kCosine},
                    {"qmf", Similarity::kQmf},
                    {"euclid", Similarity::kEuclid}},
                   "The score; auto: cosine, and with constants the quality-aware score too");
  constants_.add_options(table, false);
}

void SearchScores::settle(const OptionTable& table, const std::string& preset) {
  constants_.settle(table, preset);
  const bool off = constants_.from() == QualityConstants::From::kOff;
  require_usage(similarity_ != Similarity::kQmf || !off,
                "--similarity qmf needs constants: --qmf preset --preset NAME, --qmf given with --alpha and "
                "--beta, or --qmf-from FILE");
  require_usage(
      similarity_ == Similarity::kAuto || similarity_ == Similarity::kQmf || off || !table.given("qmf"),
      "--qmf has no meaning for --similarity cosine and euclid: leave one of them out");
}

std::vector<SearchScores::Score> SearchScores::scores() {
  known_.reset();
  const bool quality = similarity_ == Similarity::kAuto || similarity_ == Similarity::kQmf;
  if (quality) known_ = constants_.fixed();
  std::vector<Score> scores;
  if (similarity_ == Similarity::kAuto || similarity_ == Similarity::kCosine)
    scores.push_back({"cosine", {nn::ScoreRule::kCosine, 0, 0}});
  if (known_) scores.push_back({"qmf", {nn::ScoreRule::kQmf, known_->alpha, known_->beta}});
  if (similarity_ == Similarity::kEuclid) scores.push_back({"euclid", {nn::ScoreRule::kEuclid, 0, 0}});
  return scores;
}

std::int64_t ReadableRows::rows_before(std::int64_t bound) const {
  return std::lower_bound(picture.begin(), picture.end(), bound) - picture.begin();
}

ReadableRows take_readable(Embeddings&& embeddings) {
  ReadableRows rows;
  const bool fused = !embeddings.fused.empty();
  rows.width = fused ? embeddings.fused_columns : embeddings.width;
  rows.values = std::move(fused ? embeddings.fused : embeddings.plain);
  const std::size_t width = static_cast<std::size_t>(rows.width);
  for (std::int64_t i = 0; i < embeddings.count; ++i) {
    if (!embeddings.valid[static_cast<std::size_t>(i)]) continue;
    const std::size_t to = rows.picture.size() * width, from = static_cast<std::size_t>(i) * width;
    if (to != from) std::memmove(rows.values.data() + to, rows.values.data() + from, width * sizeof(float));
    rows.picture.push_back(i);
  }
  rows.values.resize(rows.picture.size() * width);
  for (auto* unused : {&embeddings.plain, &embeddings.mirrored, &embeddings.fused})
    std::vector<float>().swap(*unused);
  return rows;
}

json search(nn::Scorer& scorer, const Search& what, const SearchScores::Score& score,
            std::map<std::string, std::string>& sheets) {
  nn::IdentifyRequest request;
  request.probes = what.probes;
  request.gallery = what.gallery;
  request.rule = score.rule;
  request.mate_begin = what.mates.begin;
  request.mates = what.mates.rows;
  request.mate_ranks = true;
  request.top = 1;
  request.parts = what.galleries;
  for (const double far : what.pairwise_fars)
    request.impostors = std::max(request.impostors, pairwise_rank(what.probes.count, far));
  nn::IdentifyFound found;
  {
    Progress progress(fmt::format("search by {}", score.name), static_cast<std::size_t>(what.probes.count),
                      "probes");
    request.progress = [&](std::int64_t done, std::int64_t) {
      stop_if_interrupted();
      progress.update(static_cast<std::size_t>(done));
    };
    found = scorer.identify(request);
  }
  if (score.rule.kind == nn::ScoreRule::kEuclid) scale_euclid(found);

  json result{{"name", score.name}, {"top", json::array()}};
  const std::vector<double> rates = hit_rates(found, what.mates, what.ranks);
  for (std::size_t i = 0; i < rates.size(); ++i)
    result["top"].push_back({{"rank", what.ranks[i]}, {"rate", rates[i]}});
  if (what.average_precision) result["mean_average_precision"] = mean_average_precision(found, what.mates);
  if (!what.pairwise_fars.empty()) {
    json& rows = result["recall_pairwise"] = json::array();
    for (const PairwiseRecall& row : recall_pairwise(found, what.probes.count, what.pairwise_fars)) {
      rows.push_back({{"far", row.far},
                      {"k", row.k},
                      {"resolvable", row.resolvable},
                      {"threshold", row.threshold},
                      {"recall", row.recall}});
    }
  }
  std::string& cmc = sheets.try_emplace("cmc.csv", "score,rank,hit_rate\n").first->second;
  const std::vector<std::int64_t> ranks = curve_ranks(what.gallery.count);
  const std::vector<double> curve = hit_rates(found, what.mates, ranks);
  for (std::size_t i = 0; i < curve.size(); ++i)
    fmt::format_to(std::back_inserter(cmc), "{},{},{}\n", score.name, ranks[i], curve[i]);
  if (!what.galleries.empty()) {
    std::string& det = sheets.try_emplace("det.csv", "score,gallery,fpir,fnir\n").first->second;
    result["open_set"] = open_set_json(found, what, score.name, det);
  }
  return result;
}

}  // namespace qcface::eval
