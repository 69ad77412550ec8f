// How degradation.json is shown: what magnitude does as pictures get worse, in a sentence, in a figure a kind, and on one face.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "core/text.h"
#include "harness/eval/measures/spearman.h"
#include "harness/eval/protocols/degradation.h"
#include "harness/eval/protocols/degradation_protocol.h"

namespace qcface::eval {
namespace {

using nlohmann::json;

constexpr std::size_t kMostPictures = 8;  // of one face and kind: more would be too small to look at

// What a level means (protocols.md section 13).
std::string level_unit(const std::string& kind) {
  static const std::map<std::string, std::string> kUnits{
      {"blur", "sigma (pixels)"},         {"downup", "scaling factor"},
      {"noise", "sigma (8-bit steps)"},   {"jpeg", "100 - JPEG quality"},
      {"occlusion", "share of the area"}, {"brightness", "shift (8-bit steps)"}};
  const auto it = kUnits.find(kind);
  return it == kUnits.end() ? "level" : it->second;
}

// A kind as the file has it; only what is finite.
struct ShownKind {
  std::string name;
  const json* found;
  const json* levels;
  std::vector<DegradationSample> samples;  // levels ascending
  double rho = 0;                          // mean over sources; NaN: undefined
};

std::vector<ShownKind> kinds_of(const json& found) {
  std::vector<ShownKind> kinds;
  for (const json& kind : list_at(found, "kinds")) {
    if (!kind.is_object()) continue;
    ShownKind& shown = kinds.emplace_back(ShownKind{text_at(kind, "kind", "?"),
                                                    &kind,
                                                    &list_at(kind, "levels"),
                                                    {},
                                                    number_at(kind, "spearman_source_mean")});
    for (const json& entry : list_at(kind, "samples")) {
      DegradationSample sample{text_at(entry, "file"), text_at(entry, "source"), number_at(entry, "level"),
                               number_at(entry, "magnitude")};
      if (std::isfinite(sample.level) && std::isfinite(sample.magnitude))
        shown.samples.push_back(std::move(sample));
    }
    std::stable_sort(
        shown.samples.begin(), shown.samples.end(),
        [](const DegradationSample& a, const DegradationSample& b) { return a.level < b.level; });
  }
  return kinds;
}

// Levels and magnitudes of one source, kind by kind.
struct SourceSeries {
  std::vector<double> levels, magnitudes;
};
using SeriesBySource = std::map<std::string, SourceSeries>;

SeriesBySource by_source(const ShownKind& kind) {
  SeriesBySource series;
  for (const DegradationSample& sample : kind.samples) {
    SourceSeries& of_source = series[sample.source];
    of_source.levels.push_back(sample.level);
    of_source.magnitudes.push_back(sample.magnitude);
  }
  return series;
}

double pairs_of(double n) { return n * (n - 1) / 2; }

// Pairs of equal values.
double tied_pairs(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  double pairs = 0;
  for (std::size_t begin = 0, end = 0; begin < values.size(); begin = end) {
    while (end < values.size() && values[end] == values[begin]) ++end;
    pairs += pairs_of(static_cast<double>(end - begin));
  }
  return pairs;
}

// Of all pairs of a source's pictures at different levels of a kind: the share in which the worse one has the smaller
// magnitude; equal magnitudes count half. By Kendall's tau-b, which counts the pairs in n log n; NaN without a pair.
double ordered_share(const std::vector<ShownKind>& kinds) {
  double pairs = 0, surplus = 0;  // in the expected order less in the other
  for (const ShownKind& kind : kinds) {
    for (const auto& [source, series] : by_source(kind)) {
      const double all = pairs_of(static_cast<double>(series.levels.size()));
      const double differ = all - tied_pairs(series.levels);
      pairs += differ;
      const std::optional<double> tau = kendall_tau_b(series.magnitudes, series.levels);
      if (tau) surplus -= *tau * std::sqrt((all - tied_pairs(series.magnitudes)) * differ);
    }
  }
  return pairs > 0 ? (1 + surplus / pairs) / 2 : std::numeric_limits<double>::quiet_NaN();
}

// The face to show: of the sources whose correlation is defined, the one at the median of their means over kinds (of two in
// the middle the lower). It is typical by that rule, and nobody chose it.
struct ShownSource {
  std::string name;
  double rho = std::numeric_limits<double>::quiet_NaN();
  std::size_t of = 0;  // sources with a correlation
};

ShownSource typical_source(const std::vector<ShownKind>& kinds) {
  std::map<std::string, std::pair<double, int>> sums;
  for (const ShownKind& kind : kinds) {
    for (const auto& [source, series] : by_source(kind)) {
      const std::optional<double> rho = spearman(series.magnitudes, series.levels);
      if (!rho) continue;
      auto& [sum, count] = sums[source];
      sum += *rho;
      ++count;
    }
  }
  std::vector<std::pair<double, std::string>> order;
  for (const auto& [source, sum] : sums) order.emplace_back(sum.first / sum.second, source);
  std::sort(order.begin(), order.end());
  ShownSource shown;
  if (!order.empty()) {
    const auto& [rho, source] = order[(order.size() - 1) / 2];
    shown = {source, rho, order.size()};
  } else {
    for (const ShownKind& kind : kinds) {
      if (!kind.samples.empty()) return {kind.samples.front().source, shown.rho, 0};
    }
  }
  return shown;
}

std::string verdict(double rho) {
  if (!std::isfinite(rho)) return "Magnitude says nothing of quality: it does not vary";
  if (rho <= -0.9) return "Magnitude falls with nearly every step of degradation";
  if (rho <= -0.7) return "Magnitude falls as pictures get worse";
  if (rho <= -0.4) return "Magnitude tends to fall as pictures get worse";
  if (rho <= -0.2) return "Magnitude follows the quality of pictures only weakly";
  if (rho < 0.2) return "Magnitude does not follow the quality of pictures";
  return "Magnitude rises as pictures get worse, which is the wrong way";
}

std::string in_words(const json& found, const std::vector<ShownKind>& kinds) {
  std::string text;
  if (const double share = ordered_share(kinds); std::isfinite(share)) {
    text = fmt::format(
        "of two versions of the same face, the more degraded one has the smaller magnitude in {:.0f} % of "
        "all pairs "
        "(50 % would be chance). ",
        100 * share);
  }
  std::set<std::string> sources;
  const ShownKind* best = nullptr;
  const ShownKind* weakest = nullptr;
  for (const ShownKind& kind : kinds) {
    for (const DegradationSample& sample : kind.samples) sources.insert(sample.source);
    if (!std::isfinite(kind.rho)) continue;
    if (best == nullptr || kind.rho < best->rho) best = &kind;
    if (weakest == nullptr || kind.rho > weakest->rho) weakest = &kind;
  }
  if (best != weakest) {
    text += fmt::format("It ranks {} best ({}) and {} least ({}). ", best->name, correlation(best->rho),
                        weakest->name, correlation(weakest->rho));
  }
  return text + fmt::format("{:.0f} pictures of {} faces in {} kind{} of degradation.",
                            number_at(found, "pictures"), sources.size(), kinds.size(),
                            kinds.size() == 1 ? "" : "s");
}

// Median and quartiles over the sources.
Plot kind_plot(const ShownKind& kind) {
  Plot plot;
  plot.title = fmt::format("{}: Spearman {}", printable(kind.name, 24), correlation(kind.rho));
  plot.x.label = level_unit(kind.name);
  plot.y.label = "magnitude";
  plot.width = 344;
  plot.height = 196;
  plot.legend = false;
  Band quartiles;
  quartiles.name = "quartiles";
  quartiles.opacity = 0.22;
  Series median;
  median.name = "median";
  median.width = 2.4;
  for (const json& level : *kind.levels) {
    const double x = number_at(level, "level");
    quartiles.x.push_back(x);
    quartiles.low.push_back(number_at(level, "q1"));
    quartiles.high.push_back(number_at(level, "q3"));
    median.x.push_back(x);
    median.y.push_back(number_at(level, "median"));
  }
  Series points = median;
  points.name.clear();
  points.mark = Mark::kPoints;
  plot.bands.push_back(std::move(quartiles));
  plot.series.push_back(std::move(median));
  plot.series.push_back(std::move(points));
  return plot;
}

// One scale for all, so that slopes can be compared.
void share_scale(std::vector<Figure>& figures) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const Figure& figure : figures) {
    for (const Band& band : figure.plot.bands) {
      for (const auto* values : {&band.low, &band.high}) {
        for (const double value : *values) {
          if (!std::isfinite(value)) continue;
          low = std::min(low, value);
          high = std::max(high, value);
        }
      }
    }
  }
  if (!(high > low)) return;
  const double room = 0.06 * (high - low);
  for (Figure& figure : figures) {
    figure.plot.y.min = low >= 0 ? std::max(0.0, low - room) : low - room;
    figure.plot.y.max = high + room;
  }
}

// Evenly chosen, the first and the last among them.
std::vector<const DegradationSample*> some_of(std::vector<const DegradationSample*> all) {
  if (all.size() <= kMostPictures) return all;
  std::vector<const DegradationSample*> some;
  for (std::size_t i = 0; i < kMostPictures; ++i)
    some.push_back(all[i * (all.size() - 1) / (kMostPictures - 1)]);
  return some;
}

// A row a kind: the face at its levels.
std::vector<Strip> face_strips(const std::vector<ShownKind>& kinds, const ShownSource& source) {
  std::vector<Strip> strips;
  double largest = 0;
  for (const ShownKind& kind : kinds) {
    std::vector<const DegradationSample*> all;
    for (const DegradationSample& sample : kind.samples) {
      if (sample.source == source.name) all.push_back(&sample);
    }
    if (all.empty()) continue;
    Strip& strip = strips.emplace_back();
    strip.title = kind.name;
    strip.caption = level_unit(kind.name);
    for (const DegradationSample* sample : some_of(std::move(all))) {
      largest = std::max(largest, sample->magnitude);
      strip.pictures.push_back({sample->file, fmt::format("{} at level {:g}", kind.name, sample->level),
                                number(sample->magnitude, 2),
                                sample->level == 0 ? "clean" : fmt::format("{:g}", sample->level),
                                sample->magnitude});
    }
  }
  for (Strip& strip : strips) {
    for (Strip::Picture& picture : strip.pictures)
      picture.bar = largest > 0 ? std::max(0.0, picture.bar / largest) : 0;
  }
  return strips;
}

Table correlations_table(const json& found, const std::vector<ShownKind>& kinds) {
  Table table;
  table.columns = {{"kind", 14},          {"pooled", 10}, {"source mean", 16},
                   {"source median", 16}, {"sources", 9}, {"magnitude, ends", 22}};
  table.caption =
      "Spearman correlations. Pooled: over all pictures and levels. Source: over the levels of one picture, "
      "which removes what differs between people; mean and median over the pictures. Magnitude, ends: "
      "median at the lowest and at the highest level.";
  for (const ShownKind& kind : kinds) {
    const json& levels = *kind.levels;
    table.rows.push_back(
        {{kind.name, correlation(number_at(*kind.found, "spearman_pooled")), correlation(kind.rho),
          correlation(number_at(*kind.found, "spearman_source_median")),
          number(number_at(*kind.found, "sources"), 0),
          levels.empty() ? kNoFigure
                         : fmt::format("{} to {}", number(number_at(levels.front(), "median"), 2),
                                       number(number_at(levels.back(), "median"), 2))},
         Where::kBoth});
  }
  table.rows.push_back({{"mean of kinds", correlation(number_at(found, "spearman_pooled_mean")),
                         correlation(number_at(found, "spearman_source_mean"))},
                        Where::kBoth});
  table.totals = 1;
  return table;
}

}  // namespace

void show_degradation(const json& found, Presentation& shown, const std::string& file_prefix) {
  const std::vector<ShownKind> kinds = kinds_of(found);
  const double rho = number_at(found, "spearman_source_mean");
  shown.tiles.push_back({"Spearman correlation", correlation(rho), "magnitude, degradation"});
  shown.note(
      fmt::format("{}: mean Spearman correlation {} (-1 is a perfect order)", verdict(rho), correlation(rho)),
      Where::kBoth, Note::Kind::kHeadline);
  shown.note(in_words(found, kinds));
  if (const json& corrupt = list_at(found, "corrupt"); !corrupt.empty()) {
    shown.note(fmt::format("{} pictures could not be read and are left out", corrupt.size()), Where::kBoth,
               Note::Kind::kWarning);
  }

  std::vector<Figure> figures;
  std::set<std::string> files;
  const auto file_of = [&](const std::string& name) {
    if (file_prefix.empty()) return std::string();
    std::string file = figure_name(file_prefix + "_" + name);
    for (int again = 2; !files.insert(file).second; ++again)
      file = figure_name(fmt::format("{}_{}_{}", file_prefix, name, again));
    return file;
  };
  for (const ShownKind& kind : kinds)
    figures.push_back({kind_plot(kind), "", false, file_of(kind.name), true});
  share_scale(figures);
  shown.blocks.insert(shown.blocks.end(), figures.begin(), figures.end());
  shown.note(
      "Magnitude against the level of each degradation, from the clean picture to the worst, all on one "
      "scale. Line: "
      "median over the faces; band: quartiles. Spearman: over the levels of a face, mean over faces.",
      Where::kPage, Note::Kind::kSmall);

  const ShownSource source = typical_source(kinds);
  if (std::vector<Strip> strips = face_strips(kinds, source); !strips.empty()) {
    shown.note("One face, from clean to worst, and its magnitude", Where::kPage, Note::Kind::kHeading);
    shown.blocks.insert(shown.blocks.end(), strips.begin(), strips.end());
    shown.note(
        std::isfinite(source.rho)
            ? fmt::format(
                  "Bars start at 0 and share one scale; below each magnitude stands the level. Source {} is "
                  "shown because its correlation, {} (mean over kinds), is the median of the {} sources: "
                  "a typical face, not the best one.",
                  source.name, correlation(source.rho), source.of)
            : fmt::format(
                  "Bars start at 0 and share one scale; below each magnitude stands the level. Source {} is "
                  "the first; no source has a correlation.",
                  source.name),
        Where::kPage, Note::Kind::kSmall);
  }
  shown.blocks.emplace_back(correlations_table(found, kinds));
  shown.note("magnitude, ends: median at the lowest and at the highest level", Where::kScreen);
}

}  // namespace qcface::eval
