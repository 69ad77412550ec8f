// degradation.json, and how it is shown.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "core/text.h"
#include "harness/eval/protocol.h"
#include "harness/eval/protocols/degradation.h"
#include "harness/eval/protocols/degradation_protocol.h"

namespace qcface::eval {

// Members that stand in degradation.json under their own names.
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(LevelStats, level, count, mean, min, q1, median, q3, max)

namespace {

using nlohmann::json;
using Kind = Note::Kind;

json optional_number(const std::optional<double>& value) { return value ? json(*value) : json(nullptr); }

// What a level means (protocols.md section 13).
std::string level_unit(const std::string& kind) {
  static const std::map<std::string, std::string> kUnits{
      {"blur", "sigma (pixels)"},         {"downup", "scaling factor"},
      {"noise", "sigma (8-bit steps)"},   {"jpeg", "100 - JPEG quality"},
      {"occlusion", "share of the area"}, {"brightness", "shift (8-bit steps)"}};
  const auto it = kUnits.find(kind);
  return it == kUnits.end() ? "level" : it->second;
}

// Those with finite figures, levels ascending.
std::vector<DegradationSample> samples_of(const json& kind) {
  std::vector<DegradationSample> samples;
  for (const json& entry : list_at(kind, "samples")) {
    DegradationSample sample{text_at(entry, "file"), text_at(entry, "source"), number_at(entry, "level"),
                             number_at(entry, "magnitude")};
    if (std::isfinite(sample.level) && std::isfinite(sample.magnitude)) samples.push_back(std::move(sample));
  }
  std::stable_sort(samples.begin(), samples.end(),
                   [](const DegradationSample& a, const DegradationSample& b) { return a.level < b.level; });
  return samples;
}

// A faint line a source, the median, and the quartiles as a band.
Plot kind_plot(const std::string& name, const json& levels, const std::vector<DegradationSample>& samples) {
  Plot plot;
  plot.title = name;
  plot.x.label = level_unit(name);
  plot.y.label = "magnitude |f|";
  plot.height = 280;
  std::map<std::string, Series> by_source;
  for (const DegradationSample& sample : samples) {
    Series& series = by_source[sample.source];
    series.x.push_back(sample.level);
    series.y.push_back(sample.magnitude);
  }
  for (auto& [source, series] : by_source) {
    series.colour = -1;
    series.width = 0.8;
    series.opacity = 0.4;
    plot.series.push_back(std::move(series));
  }
  if (!plot.series.empty()) plot.series.front().name = "one source each";
  Band quartiles;
  quartiles.name = "quartiles";
  quartiles.opacity = 0.22;
  Series median;
  median.name = "median";
  median.width = 2.2;
  for (const json& level : levels) {
    const double x = number_at(level, "level");
    quartiles.x.push_back(x);
    quartiles.low.push_back(number_at(level, "q1"));
    quartiles.high.push_back(number_at(level, "q3"));
    median.x.push_back(x);
    median.y.push_back(number_at(level, "median"));
  }
  plot.bands.push_back(std::move(quartiles));
  plot.series.push_back(std::move(median));
  return plot;
}

// The first source at each of its levels.
Strip example_strip(const std::string& kind, const std::vector<DegradationSample>& samples) {
  Strip strip;
  if (samples.empty()) return strip;
  const std::string& source = samples.front().source;
  strip.caption = fmt::format("{}, source {}: level and magnitude", kind, source);
  for (const DegradationSample& sample : samples) {
    if (sample.source != source) continue;
    strip.pictures.push_back({sample.file, fmt::format("{} at level {:g}", kind, sample.level),
                              number(sample.magnitude, 2), fmt::format("level {:g}", sample.level)});
  }
  return strip;
}

}  // namespace

json degradation_json(const DegradationResult& r) {
  json kinds = json::array();
  for (const KindResult& kind : r.kinds) {
    json samples = json::array();
    for (const DegradationSample& sample : kind.samples) {
      samples.push_back({{"file", to_json_text(sample.file)},
                         {"source", to_json_text(sample.source)},
                         {"level", sample.level},
                         {"magnitude", sample.magnitude}});
    }
    kinds.push_back({{"kind", to_json_text(kind.kind)},
                     {"spearman_pooled", optional_number(kind.rho_pooled)},
                     {"kendall_pooled", optional_number(kind.tau_pooled)},
                     {"spearman_source_mean", optional_number(kind.rho_source_mean)},
                     {"spearman_source_median", optional_number(kind.rho_source_median)},
                     {"sources", kind.sources},
                     {"sources_undefined", kind.sources_undefined},
                     {"levels", kind.levels},
                     {"samples", samples}});
  }
  return {{"format", "qcface-degradation/1"},
          {"pictures", r.pictures},
          {"corrupt", corrupt_json(r.corrupt)},
          {"spearman_pooled_mean", optional_number(r.rho_pooled_mean)},
          {"spearman_source_mean", optional_number(r.rho_source_mean)},
          {"kinds", kinds}};
}

void show_degradation(const json& found, Presentation& shown, const std::string& file_prefix) {
  const double mean_over_kinds = number_at(found, "spearman_source_mean");
  shown.tiles.push_back({"Spearman correlation", correlation(mean_over_kinds), "magnitude, degradation"});
  shown.note(
      fmt::format("Spearman correlation of magnitude and degradation level ({:.0f} pictures; -1 is best)",
                  number_at(found, "pictures")),
      Where::kScreen);
  shown.note(
      "The same clean pictures, degraded by known amounts. A magnitude that measures recognizability falls "
      "as the level rises, so correlations are negative; -1 is a perfect order.",
      Where::kPage);
  if (const json& corrupt = list_at(found, "corrupt"); !corrupt.empty()) {
    shown.note(fmt::format("{} pictures could not be read and are left out", corrupt.size()), Where::kBoth,
               Kind::kWarning);
  }
  Table table;
  table.columns = {{"kind", 14},          {"pooled", 10}, {"source mean", 16},
                   {"source median", 16}, {"sources", 9}, {"magnitude, ends", 22}};
  table.caption =
      "Spearman correlations. Pooled: over all pictures and levels. Source: over the levels of one picture, "
      "which removes what differs between people; mean and median over the pictures. Magnitude, ends: "
      "median at the lowest and at the highest level.";
  std::vector<Figure> figures;
  std::vector<Strip> examples;
  std::set<std::string> files;
  const auto file_of = [&](const std::string& name) {
    if (file_prefix.empty()) return std::string();
    std::string file = figure_name(file_prefix + "_" + name);
    for (int again = 2; !files.insert(file).second; ++again)
      file = figure_name(fmt::format("{}_{}_{}", file_prefix, name, again));
    return file;
  };
  for (const json& kind : list_at(found, "kinds")) {
    if (!kind.is_object()) continue;
    const std::string name = text_at(kind, "kind", "?");
    const json& levels = list_at(kind, "levels");
    const std::string pooled = correlation(number_at(kind, "spearman_pooled"));
    const std::string by_source = correlation(number_at(kind, "spearman_source_mean"));
    table.rows.push_back(
        {{name, pooled, by_source, correlation(number_at(kind, "spearman_source_median")),
          number(number_at(kind, "sources"), 0),
          levels.empty() ? kNoFigure
                         : fmt::format("{} to {}", number(number_at(levels.front(), "median"), 2),
                                       number(number_at(levels.back(), "median"), 2))},
         Where::kBoth});
    const std::vector<DegradationSample> samples = samples_of(kind);
    figures.push_back({kind_plot(name, levels, samples),
                       fmt::format("Spearman pooled {}, per source {} (mean).", pooled, by_source), false,
                       file_of(name)});
    examples.push_back(example_strip(name, samples));
  }
  table.rows.push_back(
      {{"mean of kinds", correlation(number_at(found, "spearman_pooled_mean")), correlation(mean_over_kinds)},
       Where::kBoth});
  table.totals = 1;
  shown.blocks.push_back(std::move(table));
  shown.note("magnitude, ends: median at the lowest and at the highest level", Where::kScreen);
  shown.blocks.insert(shown.blocks.end(), figures.begin(), figures.end());
  shown.note("Examples", Where::kPage, Kind::kHeading);
  shown.blocks.insert(shown.blocks.end(), examples.begin(), examples.end());
}

}  // namespace qcface::eval
