// Magnitude against known degradation: correlations, one small figure a kind, example pictures.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "core/text.h"
#include "harness/report/html.h"
#include "harness/report/sections.h"
#include "harness/report/thumbnail.h"

namespace qcface::report {
namespace {

using nlohmann::json;

std::string rho(double value) { return std::isfinite(value) ? fmt::format("{:+.3f}", value) : "undefined"; }

// What a level means (protocols.md section 13).
std::string level_unit(const std::string& kind) {
  static const std::map<std::string, std::string> kUnits{
      {"blur", "sigma (pixels)"},         {"downup", "scaling factor"},
      {"noise", "sigma (8-bit steps)"},   {"jpeg", "100 - JPEG quality"},
      {"occlusion", "share of the area"}, {"brightness", "shift (8-bit steps)"}};
  const auto it = kUnits.find(kind);
  return it == kUnits.end() ? "level" : it->second;
}

struct Sample {
  std::string file, source;
  double level = 0, magnitude = 0;
};

std::vector<Sample> samples_of(const json& kind) {
  std::vector<Sample> samples;
  const json list = kind.value("samples", json::array());
  for (const json& entry : list) {
    if (!entry.is_object()) continue;
    Sample sample{from_json_text(entry.value("file", std::string())),
                  from_json_text(entry.value("source", std::string())), number_at(entry, "level"),
                  number_at(entry, "magnitude")};
    if (std::isfinite(sample.level) && std::isfinite(sample.magnitude)) samples.push_back(std::move(sample));
  }
  std::stable_sort(samples.begin(), samples.end(),
                   [](const Sample& a, const Sample& b) { return a.level < b.level; });
  return samples;
}

Plot kind_plot(const json& kind, const std::vector<Sample>& samples) {
  Plot plot;
  const std::string name = from_json_text(kind.value("kind", std::string("?")));
  plot.title = name;
  plot.x.label = level_unit(name);
  plot.y.label = "magnitude |f|";
  plot.height = 280;
  std::map<std::string, Series> by_source;
  for (const Sample& sample : samples) {
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
  const json levels = kind.value("levels", json::array());
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
std::string example_strip(const std::string& kind, const std::vector<Sample>& samples, int side) {
  if (samples.empty()) return {};
  std::string html =
      fmt::format("<p class=\"sub\">{}, source {}: level and magnitude</p>\n<div class=\"strip\">\n",
                  escape_html(kind), escape_html(samples.front().source));
  for (const Sample& sample : samples) {
    if (sample.source != samples.front().source) continue;
    const std::string uri = thumbnail_uri(sample.file, side);
    html += "<div class=\"picture\">";
    html += uri.empty() ? "<div class=\"absent\"></div>"
                        : fmt::format("<img alt=\"{} at level {:g}\" src=\"{}\">", escape_html(kind),
                                      sample.level, uri);
    html += fmt::format("<b>{}</b><div class=\"name\">level {:g}</div></div>\n", number(sample.magnitude, 2),
                        sample.level);
  }
  return html + "</div>\n";
}

}  // namespace

std::string degradation_section(const RunData& run, const ReportOptions& options,
                                std::vector<std::string>& missing) {
  const json kinds = run.degradation ? run.degradation->value("kinds", json::array()) : json::array();
  if (!kinds.is_array() || kinds.empty()) {
    missing.push_back("degradation");
    return html_section(
        "degradation", "Magnitude and degradation",
        html_missing("There is no eval/degradation.json in the run folder.",
                     fmt::format("qcface eval degradation --weights {} --data FOLDER/degrade --out {}",
                                 suggested_weights(run), (run.folder / "eval").string())));
  }
  std::vector<std::vector<std::string>> rows{{"degradation", "sources", "Spearman, pooled",
                                              "per source, mean", "per source, median",
                                              "median magnitude, clean", "worst level"}};
  std::string figures;
  std::string examples;
  for (const json& kind : kinds) {
    if (!kind.is_object()) continue;
    const std::string name = from_json_text(kind.value("kind", std::string("?")));
    const std::vector<Sample> samples = samples_of(kind);
    const json levels = kind.value("levels", json::array());
    const json first = levels.empty() ? json::object() : levels.front();
    const json last = levels.empty() ? json::object() : levels.back();
    rows.push_back({escape_html(name), number(number_at(kind, "sources"), 0),
                    rho(number_at(kind, "spearman_pooled")), rho(number_at(kind, "spearman_source_mean")),
                    rho(number_at(kind, "spearman_source_median")), number(number_at(first, "median"), 2),
                    number(number_at(last, "median"), 2)});
    figures += html_figure(
        render_svg(kind_plot(kind, samples)),
        fmt::format("Spearman pooled {}, per source {} (mean).", rho(number_at(kind, "spearman_pooled")),
                    rho(number_at(kind, "spearman_source_mean"))));
    examples += example_strip(name, samples, options.thumbnail_side);
  }
  rows.push_back({"mean of kinds", "", rho(number_at(*run.degradation, "spearman_pooled_mean")),
                  rho(number_at(*run.degradation, "spearman_source_mean")), "", "", ""});
  const std::string body =
      "<p>The same clean pictures, degraded by known amounts. A magnitude that measures recognizability "
      "falls as the "
      "level rises, so correlations are negative; -1 is a perfect order.</p>\n" +
      html_table(rows, 1,
                 "Pooled: over all pictures and levels. Per source: over the levels of one picture, which "
                 "removes what "
                 "differs between people.") +
      "<div class=\"figures\">\n" + figures + "</div>\n<h3>Examples</h3>\n" + examples;
  return html_section("degradation", "Magnitude and degradation", body);
}

}  // namespace qcface::report
