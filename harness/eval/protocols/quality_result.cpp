// quality.json and its sheets, and how they are shown.
#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "core/text.h"
#include "harness/eval/protocol.h"
#include "harness/eval/protocols/degradation_protocol.h"
#include "harness/eval/protocols/quality_protocol.h"
#include "harness/eval/protocols/verify_protocol.h"

namespace qcface::eval {
namespace {

using nlohmann::json;
using Kind = Note::Kind;

constexpr std::size_t kMostPoints = 3000;  // of a figure of genuine pairs

json optional_json(const std::optional<double>& value) { return value ? json(*value) : json(nullptr); }

json curve_json(const std::string& quality, const ErrorReject& curve) {
  json partial = json::array();
  for (const PartialArea& area : curve.partial) {
    partial.push_back(
        {{"limit", area.limit}, {"area", area.area}, {"normalised", optional_json(area.normalised)}});
  }
  return {{"quality", to_json_text(quality)},
          {"variant", name_of(curve.rule)},
          {"fmr", curve.fmr},
          {"threshold", std::isfinite(curve.threshold) ? json(curve.threshold) : json(nullptr)},
          {"fmr_at_threshold", curve.fmr_at_threshold},
          {"genuine", curve.genuine},
          {"impostors", curve.impostors},
          {"fnmr_at_zero", std::isfinite(curve.fnmr_at_zero) ? json(curve.fnmr_at_zero) : json(nullptr)},
          {"area", optional_json(curve.area)},
          {"partial", partial}};
}

// A number, or an empty field.
std::string field(double value) { return std::isfinite(value) ? fmt::format("{}", value) : std::string(); }

std::string erc_csv(const QualityResult& result) {
  std::string csv = "quality,variant,fmr,reject,fnmr,threshold,random,lower_bound\n";
  for (const QualityFinding& finding : result.findings) {
    for (const ErrorReject& curve : finding.curves) {
      for (int step = 0; step < kRejectSteps; ++step) {
        const auto i = static_cast<std::size_t>(step);
        fmt::format_to(std::back_inserter(csv), "{},{},{},{:g},{},{},{},{}\n", csv_field(finding.name),
                       name_of(curve.rule), curve.fmr, reject_share(step), field(curve.fnmr[i]),
                       field(curve.thresholds[i]), field(curve.fnmr_at_zero),
                       field(reject_lower_bound(curve.fnmr_at_zero, reject_share(step))));
      }
    }
  }
  return csv;
}

std::string histogram_csv(const QualityFound& found) {
  std::string csv = "set,low,high,count,share\n";
  for (std::size_t set = 0; set < found.sets.size(); ++set) {
    const auto& counts = found.histogram.counts[set];
    for (std::size_t bin = 0; bin < counts.size(); ++bin) {
      fmt::format_to(
          std::back_inserter(csv), "{},{},{},{},{}\n", csv_field(found.sets[set].name),
          found.histogram.edges[bin], found.histogram.edges[bin + 1], counts[bin],
          static_cast<double>(counts[bin]) / static_cast<double>(found.sets[set].magnitudes.size()));
    }
  }
  return csv;
}

std::string scores_csv(const QualityResult& result) {
  std::string csv = "quality,value,score\n";
  const std::size_t pairs = result.genuine_scores.size();
  const std::size_t stride = (pairs + kMostPoints - 1) / kMostPoints;
  for (const QualityFinding& finding : result.findings) {
    for (std::size_t i = 0; i < pairs; i += stride) {
      fmt::format_to(std::back_inserter(csv), "{},{},{}\n", csv_field(finding.name),
                     finding.genuine_quality[i], result.genuine_scores[i]);
    }
  }
  return csv;
}

std::string degradation_csv(const DegradationResult& degradation) {
  std::string csv = "kind,level,count,mean,min,q1,median,q3,max\n";
  for (const KindResult& kind : degradation.kinds) {
    for (const LevelStats& s : kind.levels) {
      fmt::format_to(std::back_inserter(csv), "{},{},{},{},{},{},{},{},{}\n", csv_field(kind.kind), s.level,
                     s.count, s.mean, s.min, s.q1, s.median, s.q3, s.max);
    }
  }
  return csv;
}

// Rows of a sheet, without its heading; none where it is missing.
std::vector<std::vector<std::string>> rows_of(const Result& result, const char* sheet, std::size_t fields) {
  std::vector<std::vector<std::string>> rows;
  const auto it = result.sheets.find(sheet);
  if (it == result.sheets.end()) return rows;
  std::istringstream lines(it->second);
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    std::vector<std::string> row = split_csv(line);
    if (row.size() >= fields) rows.push_back(std::move(row));
  }
  return rows;
}

const char* variant_words(const std::string& variant) {
  if (variant == "fixed") return "fixed threshold";
  if (variant == "refit") return "threshold refitted at each step";
  if (variant == "magface") return "threshold refitted as MagFace does";
  return "threshold refitted, nearest FMR as CR-FIQA";
}

Table curves_table(const json& curves) {
  Table table;
  table.columns = {{"quality", 16},           {"variant", 9}, {"FMR", 6},
                   {"FNMR at 0 (%)", 15},     {"area", 10},   {"to 0.2", 10},
                   {"normalised to 0.2", 19}, {"to 0.3", 10}, {"normalised to 0.3", 19}};
  table.text_columns = 3;
  for (const json& curve : curves) {
    Table::Row row{
        {text_at(curve, "quality", "?"), text_at(curve, "variant", "?"), fmr_text(number_at(curve, "fmr")),
         percent(number_at(curve, "fnmr_at_zero")), number(number_at(curve, "area"), 5)},
        Where::kBoth};
    const json& partial = list_at(curve, "partial");
    for (std::size_t i = 0; i < kPartialLimits.size(); ++i) {
      const json& area = i < partial.size() ? partial[i] : json();
      row.cells.push_back(number(number_at(area, "area"), 5));
      const double normalised = number_at(area, "normalised");
      row.cells.push_back(std::isfinite(normalised) || !area.is_object() ? number(normalised, 3)
                                                                         : "undefined");
    }
    table.rows.push_back(std::move(row));
  }
  table.caption =
      "Area under FNMR (a fraction) against the share left out, lowest quality first: over 0 to 0.95, to 0.2 "
      "and to 0.3. "
      "Normalised: divided by that of a useless quality, so that 1 is useless and lower is better; undefined "
      "where no "
      "genuine pair is missed. Fixed: the threshold of all impostor pairs, and genuine pairs are left out; "
      "the others leave "
      "pairs of both kinds out and take the threshold anew. They answer different questions.";
  return table;
}

Table correlation_table(const json& correlations) {
  Table table;
  table.columns = {{"quality and genuine score", 28}, {"pairs", 10}, {"Spearman", 12}, {"Kendall tau-b", 16}};
  for (const json& entry : correlations) {
    table.rows.push_back(
        {{text_at(entry, "quality", "?"), number(number_at(entry, "pairs"), 0),
          correlation(number_at(entry, "spearman")), correlation(number_at(entry, "kendall"))},
         Where::kBoth});
  }
  table.caption =
      "Rank correlation of a genuine pair's quality, the smaller one of its two pictures', with its cosine.";
  return table;
}

Table sets_table(const json& sets) {
  Table table;
  table.columns = {{"magnitude of", 20}, {"pictures", 10}, {"mean", 10}, {"lowest", 10},
                   {"q1", 10},           {"median", 10},   {"q3", 10},   {"highest", 10}};
  for (const json& set : sets) {
    Table::Row row{{text_at(set, "name", "?"), number(number_at(set, "count"), 0)}, Where::kBoth};
    for (const char* key : {"mean", "min", "q1", "median", "q3", "max"})
      row.cells.push_back(number(number_at(set, key), 3));
    table.rows.push_back(std::move(row));
  }
  table.caption = "Magnitudes of the pictures by set; q1 and q3: quartiles.";
  return table;
}

// A figure a variant and FMR: a line a quality, what a random one does, and the least that any could do.
std::vector<Figure> reject_figures(const Result& result) {
  struct Curve {
    std::vector<Series> qualities;
    double fnmr_at_zero = 0;
  };
  std::vector<std::pair<std::string, std::string>> order;  // variant, FMR
  std::map<std::pair<std::string, std::string>, Curve> curves;
  for (const auto& row : rows_of(result, "erc.csv", 8)) {
    const std::pair key{row[1], row[2]};
    const auto [it, added] = curves.try_emplace(key);
    Curve& curve = it->second;
    if (added) order.push_back(key);
    if (curve.qualities.empty() || curve.qualities.back().name != row[0]) {
      Series& series = curve.qualities.emplace_back();
      series.name = row[0];
      series.colour = static_cast<int>(curve.qualities.size()) - 1;
      series.width = 2;
    }
    const double reject = csv_number(row[3]);
    curve.qualities.back().x.push_back(reject);
    curve.qualities.back().y.push_back(csv_number(row[4]));
    curve.fnmr_at_zero = csv_number(row[6]);
  }
  std::vector<Figure> figures;
  std::set<std::string> files;
  for (const auto& key : order) {
    Curve& curve = curves.at(key);
    const double fmr = csv_number(key.second);
    Figure figure;
    figure.plot.title =
        fmt::format("Error versus reject at FMR {}, {}", fmr_text(fmr), variant_words(key.first));
    figure.plot.x = {key.first == "fixed" ? "share of genuine pairs left out, lowest quality first"
                                          : "share of all pairs left out, lowest quality first",
                     Scale::kLinear, 0.0, 0.95};
    figure.plot.y = {"false non-match rate (FNMR)", Scale::kLinear, 0.0, {}};
    figure.plot.width = 620;
    figure.plot.height = 360;
    Series random, bound;
    random.name = "random";
    random.mark = Mark::kDashed;
    bound.name = "lower bound";
    for (int i = 0; i <= 190; ++i) {  // finer than the grid: it is no straight line
      bound.x.push_back(i / 200.0);
      bound.y.push_back(reject_lower_bound(curve.fnmr_at_zero, i / 200.0));
    }
    random.x = {0, 0.95};
    random.y = {curve.fnmr_at_zero, curve.fnmr_at_zero};
    for (Series* reference : {&random, &bound}) {
      reference->colour = -1;
      reference->width = 1.2;
      figure.plot.series.push_back(std::move(*reference));
    }
    for (Series& series : curve.qualities) figure.plot.series.push_back(std::move(series));
    figure.caption = fmt::format(
        "FNMR of the pairs that are left, {}. Random: a quality that says nothing; lower bound: one that "
        "knows which "
        "genuine pairs are missed.",
        variant_words(key.first));
    figure.wide = true;
    const std::string file = figure_name(fmt::format("erc_{}_fmr_{}", key.first, fmr_text(fmr)));
    if (files.insert(file).second) figure.file = file;
    figures.push_back(std::move(figure));
  }
  return figures;
}

Figure histogram_figure(const Result& result) {
  Figure figure;
  Plot& plot = figure.plot;
  plot.title = "Magnitudes by set";
  plot.x.label = "magnitude |f|";
  plot.y.label = "share of the set's pictures";
  plot.width = 620;
  plot.height = 340;
  for (const auto& row : rows_of(result, "magnitude_histogram.csv", 5)) {
    if (plot.series.empty() || plot.series.back().name != row[0]) {
      Series& series = plot.series.emplace_back();
      series.name = row[0];
      series.mark = Mark::kSteps;
      series.colour = static_cast<int>(plot.series.size()) - 1;
      series.x.push_back(csv_number(row[1]));
    }
    plot.series.back().x.push_back(csv_number(row[2]));
    plot.series.back().y.push_back(csv_number(row[4]));
  }
  figure.caption = "Magnitudes of the pictures by set, in bins of equal width.";
  figure.wide = true;
  figure.file = "magnitude_histogram.svg";
  return figure;
}

std::vector<Figure> score_figures(const Result& result) {
  std::vector<Figure> figures;
  std::string last;
  for (const auto& row : rows_of(result, "quality_scores.csv", 3)) {
    if (figures.empty() || row[0] != last) {
      last = row[0];
      Figure& figure = figures.emplace_back();
      figure.plot.title = "Quality and score of genuine pairs";
      figure.plot.x.label = (row[0] == "magnitude" ? "magnitude |f|" : row[0]) + ", smaller one of the pair";
      figure.plot.y.label = "cosine of the genuine pair";
      Series& series = figure.plot.series.emplace_back();
      series.mark = Mark::kPoints;
      series.colour = static_cast<int>(figures.size()) - 1;
      series.width = 0.6;
      series.opacity = 0.4;
      figure.file =
          figure_name(figures.size() == 1 ? "quality_score_magnitude"
                                          : fmt::format("quality_score_{}_{}", figures.size() - 1, row[0]));
    }
    figures.back().plot.series[0].x.push_back(csv_number(row[1]));
    figures.back().plot.series[0].y.push_back(csv_number(row[2]));
  }
  return figures;
}

}  // namespace

std::string fmr_text(double fmr) {
  const double decades = -std::log10(fmr);
  if (std::fabs(decades - std::round(decades)) < 1e-9) return fmt::format("1e-{:.0f}", decades);
  return fmt::format("{:g}", fmr);
}

Result quality_files(const QualityFound& found) {
  const QualityResult& r = found.result;
  json curves = json::array(), correlations = json::array(), sets = json::array();
  for (const QualityFinding& finding : r.findings) {
    for (const ErrorReject& curve : finding.curves) curves.push_back(curve_json(finding.name, curve));
    correlations.push_back({{"quality", to_json_text(finding.name)},
                            {"pairs", r.same},
                            {"spearman", optional_json(finding.spearman)},
                            {"kendall", optional_json(finding.kendall)}});
  }
  for (std::size_t i = 0; i < found.sets.size(); ++i) {
    const LevelStats& s = found.histogram.stats[i];
    sets.push_back({{"name", to_json_text(found.sets[i].name)},
                    {"count", s.count},
                    {"unreadable", found.sets[i].unreadable},
                    {"mean", s.mean},
                    {"min", s.min},
                    {"q1", s.q1},
                    {"median", s.median},
                    {"q3", s.q3},
                    {"max", s.max}});
  }
  Result result;
  result.json = counts_json(r);
  result.json.update({{"format", "qcface-quality/1"},
                      {"units", "fractions, 0..1"},
                      {"fmr_refused", r.fmr_refused},
                      {"curves", curves},
                      {"correlation", correlations},
                      {"sets", sets}});
  result.sheets["erc.csv"] = erc_csv(r);
  result.sheets["magnitude_histogram.csv"] = histogram_csv(found);
  result.sheets["quality_scores.csv"] = scores_csv(r);
  if (found.degradation) {
    result.json["degradation"] = degradation_json(*found.degradation);
    result.sheets["degradation.csv"] = degradation_csv(*found.degradation);
  }
  for (const ErrorReject& curve : r.findings.front().curves) {
    const std::string name = fmt::format("erc_{}_{}", name_of(curve.rule), fmr_text(curve.fmr));
    if (curve.area) result.figures[name + "_area"] = *curve.area;
    if (curve.partial.empty() || !curve.partial.front().normalised) continue;
    result.figures[name + "_normalised"] = *curve.partial.front().normalised;
    if (result.headline.empty()) {
      result.headline =
          fmt::format("error versus reject at FMR {}: {:.3f} of a useless quality's area to 0.2, ",
                      fmr_text(curve.fmr), *curve.partial.front().normalised);
    }
  }
  if (r.findings.front().spearman) result.figures["spearman_genuine"] = *r.findings.front().spearman;
  if (found.degradation && found.degradation->rho_source_mean)
    result.figures["spearman_degradation"] = *found.degradation->rho_source_mean;
  result.figures["z_mean"] = found.histogram.stats.front().mean;
  result.headline += fmt::format("{} pairs", r.same + r.different);
  return result;
}

Presentation present_quality(const Result& result) {
  const json& found = result.json;
  const json& pairs = object_at(found, "pairs");
  const json& curves = list_at(found, "curves");
  Presentation shown;
  if (!curves.empty()) {
    const json& partial = list_at(curves[0], "partial");
    shown.tiles.push_back(
        {"Error versus reject", number(number_at(partial.empty() ? json() : partial[0], "normalised"), 3),
         fmt::format("area to 0.2 over a useless quality's, FMR {}", fmr_text(number_at(curves[0], "fmr")))});
  }
  shown.note(fmt::format("pictures {:.0f}, pairs {:.0f} ({:.0f} same, {:.0f} different), flip fusion {}\n",
                         number_at(found, "images"), number_at(pairs, "used"), number_at(pairs, "same"),
                         number_at(pairs, "different"), text_at(found, "flip", "unknown")),
             Where::kBoth);
  if (const double excluded = number_at(pairs, "excluded"); excluded > 0) {
    shown.note(fmt::format("{:.0f} of {:.0f} pairs excluded: {} pictures could not be read", excluded,
                           number_at(pairs, "listed"), list_at(found, "corrupt").size()),
               Where::kBoth, Kind::kWarning);
  }
  if (const json& refused = list_at(found, "fmr_refused"); !refused.empty()) {
    std::string rates;
    for (const json& fmr : refused)
      rates += (rates.empty() ? "" : ", ") + fmr_text(fmr.is_number() ? fmr.get<double>() : std::nan(""));
    shown.note(fmt::format("no curve at FMR {}: below 1/{:.0f}, what the pairs of different people can tell",
                           rates, number_at(pairs, "different")),
               Where::kBoth, Kind::kWarning);
  }
  if (!curves.empty()) shown.blocks.push_back(curves_table(curves));
  for (Figure& figure : reject_figures(result)) shown.blocks.push_back(std::move(figure));
  if (const json& correlations = list_at(found, "correlation"); !correlations.empty())
    shown.blocks.push_back(correlation_table(correlations));
  for (Figure& figure : score_figures(result)) shown.blocks.push_back(std::move(figure));
  if (const json& sets = list_at(found, "sets"); !sets.empty()) shown.blocks.push_back(sets_table(sets));
  if (Figure histogram = histogram_figure(result); !histogram.plot.series.empty())
    shown.blocks.push_back(std::move(histogram));
  if (const json& degradation = object_at(found, "degradation"); !degradation.empty()) {
    shown.note("Magnitude and degradation", Where::kPage, Kind::kHeading);
    show_degradation(degradation, shown, "degradation");
  }
  return shown;
}

}  // namespace qcface::eval
