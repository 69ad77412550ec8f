#include "harness/eval/protocols/degradation.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "harness/data/lists/list_text.h"
#include "harness/data/lists/picture_finder.h"
#include "harness/eval/measures/spearman.h"

namespace qcface::eval {
namespace {

bool is_clean(const std::string& kind) { return kind == "none" || kind == "clean"; }

// Quantile of an ascending list by linear interpolation between the closest ranks.
double quantile(std::span<const double> ascending, double share) {
  const double place = share * static_cast<double>(ascending.size() - 1);
  const std::size_t below = static_cast<std::size_t>(place);
  if (below + 1 >= ascending.size()) return ascending.back();
  const double fraction = place - static_cast<double>(below);
  return ascending[below] + fraction * (ascending[below + 1] - ascending[below]);
}

KindResult evaluate_kind(const std::string& kind, std::vector<DegradationSample> samples) {
  KindResult result;
  result.kind = kind;
  std::vector<double> magnitudes;
  std::vector<double> levels;
  std::vector<std::int64_t> sources;
  std::map<std::string, std::int64_t> source_ids;
  std::map<double, std::vector<double>> by_level;
  for (const DegradationSample& sample : samples) {
    magnitudes.push_back(sample.magnitude);
    levels.push_back(sample.level);
    sources.push_back(
        source_ids.try_emplace(sample.source, static_cast<std::int64_t>(source_ids.size())).first->second);
    by_level[sample.level].push_back(sample.magnitude);
  }
  for (auto& [level, values] : by_level) result.levels.push_back(level_stats(level, std::move(values)));
  result.rho_pooled = spearman(magnitudes, levels);
  result.tau_pooled = kendall_tau_b(magnitudes, levels);
  const SpearmanBySource by_source = spearman_by_source(magnitudes, levels, sources);
  result.rho_source_mean = by_source.mean;
  result.rho_source_median = by_source.median;
  result.sources = static_cast<std::int64_t>(by_source.rho.size());
  result.sources_undefined = by_source.undefined;
  result.samples = std::move(samples);
  return result;
}

std::optional<double> mean_over_kinds(const std::vector<KindResult>& kinds,
                                      std::optional<double> KindResult::*member) {
  double sum = 0;
  int count = 0;
  for (const KindResult& kind : kinds) {
    if (!(kind.*member)) continue;
    sum += *(kind.*member);
    ++count;
  }
  if (count == 0) return std::nullopt;
  return sum / count;
}

}  // namespace

LevelStats level_stats(double level, std::vector<double> magnitudes) {
  std::sort(magnitudes.begin(), magnitudes.end());
  LevelStats stats;
  stats.level = level;
  stats.count = static_cast<std::int64_t>(magnitudes.size());
  for (const double value : magnitudes) stats.mean += value;
  stats.mean /= static_cast<double>(magnitudes.size());
  stats.min = magnitudes.front();
  stats.q1 = quantile(magnitudes, 0.25);
  stats.median = quantile(magnitudes, 0.5);
  stats.q3 = quantile(magnitudes, 0.75);
  stats.max = magnitudes.back();
  return stats;
}

DegradationSet read_degradation_set(const std::filesystem::path& levels_csv,
                                    const data::PictureNames* names) {
  const data::ListText text(levels_csv);
  const std::filesystem::path folder = levels_csv.parent_path();
  data::PictureFinder finder(levels_csv, folder.empty() ? "." : folder, names);
  DegradationSet set;
  std::vector<int> pictures;
  bool header = true;
  for (const data::ListLine& line : text.lines()) {
    const auto fields = data::split_fields(line.text, data::Separator::kComma);
    require(fields.has_value(), "{}: line {}: a double quote is not closed, or text follows it",
            levels_csv.string(), line.number);
    if (std::exchange(header, false)) {
      require(*fields == std::vector<std::string>{"file", "source", "kind", "level"},
              "{}: line {}: expected the header file,source,kind,level, found '{}'", levels_csv.string(),
              line.number, printable(line.text, 200));
      continue;
    }
    require(fields->size() == 4, "{}: line {}: expected 4 fields, found {}", levels_csv.string(), line.number,
            fields->size());
    const std::string& level = (*fields)[3];
    DegradationSet::Entry entry{{}, (*fields)[1], (*fields)[2], 0};
    const char* end = level.data() + level.size();
    const auto [parsed, error] = std::from_chars(level.data(), end, entry.level);
    require(error == std::errc() && parsed == end && std::isfinite(entry.level),
            "{}: line {}: the level '{}' is not a number", levels_csv.string(), line.number,
            printable(level, 200));
    require(!(*fields)[0].empty() && !entry.kind.empty(), "{}: line {}: a field is empty",
            levels_csv.string(), line.number);
    pictures.push_back(finder.find((*fields)[0], line.number));
    set.entries.push_back(std::move(entry));
  }
  finder.require_all();
  require(!set.entries.empty(), "{}: no picture is listed", levels_csv.string());
  const std::vector<std::string> images = finder.take_images();
  for (std::size_t i = 0; i < pictures.size(); ++i)
    set.entries[i].file = images[static_cast<std::size_t>(pictures[i])];
  require(
      std::any_of(set.entries.begin(), set.entries.end(), [](const auto& e) { return !is_clean(e.kind); }),
      "{}: lists clean pictures only, and none of a known degradation", levels_csv.string());
  return set;
}

DegradationResult evaluate_degradation(FeatureSource& features, const DegradationSet& set) {
  require(!set.entries.empty(), "degradation: no picture is listed");
  // A clean picture may be listed for several kinds; each file is embedded once.
  std::vector<std::string> files;
  std::map<std::string, std::size_t> place;
  std::vector<std::string> kinds;
  for (const DegradationSet::Entry& entry : set.entries) {
    if (place.try_emplace(entry.file, files.size()).second) files.push_back(entry.file);
    if (!is_clean(entry.kind) && std::find(kinds.begin(), kinds.end(), entry.kind) == kinds.end()) {
      kinds.push_back(entry.kind);
    }
  }
  require(!kinds.empty(), "degradation: the list holds clean pictures only");
  const Embeddings embeddings = features.of(files);

  DegradationResult result;
  result.pictures = embeddings.count;
  result.corrupt = embeddings.corrupt;
  for (const std::string& kind : kinds) {
    std::vector<DegradationSample> samples;
    for (const DegradationSet::Entry& entry : set.entries) {
      if (entry.kind != kind && !is_clean(entry.kind)) continue;
      const std::size_t row = place.at(entry.file);
      if (!embeddings.valid[row]) continue;
      samples.push_back(
          {entry.file, entry.source, is_clean(entry.kind) ? 0.0 : entry.level, embeddings.magnitudes[row]});
    }
    if (!samples.empty()) result.kinds.push_back(evaluate_kind(kind, std::move(samples)));
  }
  require(!result.kinds.empty(), "degradation: no degraded picture could be read");
  result.rho_pooled_mean = mean_over_kinds(result.kinds, &KindResult::rho_pooled);
  result.rho_source_mean = mean_over_kinds(result.kinds, &KindResult::rho_source_mean);
  return result;
}

}  // namespace qcface::eval
