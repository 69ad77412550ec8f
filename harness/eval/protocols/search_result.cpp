// How searches are shown (search.h).
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <sstream>
#include <utility>

#include "core/text.h"
#include "harness/eval/protocols/search.h"

namespace qcface::eval {
namespace {

using nlohmann::json;
using Kind = Note::Kind;

const json& open_set_of(const json& score) { return object_at(score, "open_set"); }

// Of the score that has most of them: the rows that a table has.
const json& longest(const json& scores, const std::function<const json&(const json&)>& list) {
  static const json kNone = json::array();
  const json* most = &kNone;
  for (const json& score : scores) {
    const json& here = list(score);
    if (here.size() > most->size()) most = &here;
  }
  return *most;
}

struct Curve {
  std::string name;
  std::vector<double> x, y;
};
// Rows name,x,y or name,part,x,y: a curve for each name and part.
std::vector<Curve> curves_of(const Result& result, const char* sheet, std::size_t columns) {
  std::vector<Curve> curves;
  const auto found = result.sheets.find(sheet);
  if (found == result.sheets.end()) return curves;
  std::istringstream lines(found->second);
  std::string line;
  std::getline(lines, line);  // header
  while (std::getline(lines, line)) {
    const std::vector<std::string> fields = split_csv(line);
    if (fields.size() < columns) continue;
    std::string name = score_label(fields[0]);
    if (columns == 4) name += ", gallery " + fields[1];
    const double x = csv_number(fields[columns - 2]), y = csv_number(fields[columns - 1]);
    if (!std::isfinite(x) || !std::isfinite(y)) continue;
    if (curves.empty() || curves.back().name != name) curves.push_back({name, {}, {}});
    curves.back().x.push_back(x);
    curves.back().y.push_back(y);
  }
  // One gallery needs no number.
  const auto second = std::find_if(curves.begin(), curves.end(), [](const Curve& curve) {
    return curve.name.find(", gallery ") != std::string::npos && !curve.name.ends_with(", gallery 1");
  });
  if (second == curves.end()) {
    for (Curve& curve : curves) curve.name = curve.name.substr(0, curve.name.find(", gallery "));
  }
  return curves;
}

Figure figure_of(std::vector<Curve> curves, Plot plot, const char* caption, const char* file) {
  Figure figure;
  figure.plot = std::move(plot);
  figure.plot.width = 620;
  figure.plot.height = 360;
  for (Curve& curve : curves) {
    Series& series = figure.plot.series.emplace_back();
    series.name = curve.name;
    series.x = std::move(curve.x);
    series.y = std::move(curve.y);
    series.colour = static_cast<int>(figure.plot.series.size()) - 1;
  }
  figure.caption = caption;
  figure.wide = true;
  figure.file = file;
  return figure;
}

}  // namespace

std::string search_csv(const json& scores) {
  std::string csv = "score,gallery,measure,at,value,detail\n";
  for (const json& score : scores) {
    const std::string name = text_at(score, "name");
    const auto add = [&](const std::string& gallery, const char* measure, double at, double value,
                         const std::string& detail) {
      fmt::format_to(std::back_inserter(csv), "{},{},{},{},{},{}\n", csv_field(name), gallery, measure, at,
                     value, detail);
    };
    for (const json& row : list_at(score, "top"))
      add("", "hit_rate", number_at(row, "rank"), number_at(row, "rate"), "");
    if (score.contains("mean_average_precision"))
      add("", "mean_average_precision", 0, number_at(score, "mean_average_precision"), "");
    for (const json& row : list_at(score, "recall_pairwise"))
      add("", "recall_pairwise", number_at(row, "far"), number_at(row, "recall"),
          fmt::format("threshold {}", number_at(row, "threshold")));
    for (const json& row : list_at(open_set_of(score), "tpir"))
      add("mean", "tpir", number_at(row, "fpir"), number_at(row, "tpir"), "");
    const json& galleries = list_at(open_set_of(score), "galleries");
    for (std::size_t g = 0; g < galleries.size(); ++g) {
      for (const json& row : list_at(galleries[g], "rows"))
        add(std::to_string(g + 1), "tpir", number_at(row, "fpir"), number_at(row, "tpir"),
            fmt::format("threshold {} fpir_found {}", number_at(row, "threshold"),
                        number_at(row, "fpir_found")));
    }
  }
  return csv;
}

void add_search_figures(const json& scores, Result& result) {
  for (const json& score : scores) {
    const bool first = &score == &scores[0];
    const std::string name = text_at(score, "name"), suffix = first ? "" : "_" + name;
    std::string line = score_label(name) + ":";
    const auto add = [&](const std::string& key, double value) {
      if (std::isfinite(value)) result.figures[key + suffix] = value;
    };
    for (const json& row : list_at(score, "top")) {
      add(fmt::format("rank_{:.0f}", number_at(row, "rank")), number_at(row, "rate"));
      line += fmt::format(" rank-{:.0f} {}%", number_at(row, "rank"), percent(number_at(row, "rate")));
    }
    add("mean_average_precision", number_at(score, "mean_average_precision"));
    for (const json& row : list_at(open_set_of(score), "tpir"))
      add(fmt::format("tpir_{:g}", number_at(row, "fpir")), number_at(row, "tpir"));
    if (first && result.figures.contains("rank_1")) result.figures["accuracy"] = result.figures["rank_1"];
    result.headline += (first ? "" : "; ") + line;
  }
}

Table search_table(const json& scores) {
  Table table;
  table.columns = {{"measure", 36}, {"unit", 6}};
  for (const json& score : scores) table.columns.push_back({score_label(text_at(score, "name")), 16});
  table.text_columns = 2;
  const auto add = [&](const std::string& name, const std::function<std::string(const json&)>& cell) {
    Table::Row row{{name, "%"}, Where::kBoth};
    bool any = false;
    for (const json& score : scores) {
      row.cells.push_back(cell(score));
      any = any || row.cells.back() != kNoFigure;
    }
    if (any) table.rows.push_back(std::move(row));
  };
  const auto list = [](const char* key) {
    return [key](const json& score) -> const json& { return list_at(score, key); };
  };
  const json& top = longest(scores, list("top"));
  for (std::size_t i = 0; i < top.size(); ++i) {
    add(fmt::format("rank {:.0f}", number_at(top[i], "rank")),
        [&](const json& score) { return percent(number_at(row_at(list_at(score, "top"), i), "rate")); });
  }
  add("mean average precision",
      [](const json& score) { return percent(number_at(score, "mean_average_precision")); });
  const json& recall = longest(scores, list("recall_pairwise"));
  for (std::size_t i = 0; i < recall.size(); ++i) {
    add(fmt::format("recall_pairwise at FAR {:g}", number_at(recall[i], "far")), [&](const json& score) {
      return percent(number_at(row_at(list_at(score, "recall_pairwise"), i), "recall"));
    });
  }
  const auto tpir_of = [](const json& score) -> const json& { return list_at(open_set_of(score), "tpir"); };
  const json& tpir = longest(scores, tpir_of);
  const json& galleries = longest(
      scores, [](const json& score) -> const json& { return list_at(open_set_of(score), "galleries"); });
  for (std::size_t i = 0; i < tpir.size(); ++i) {
    bool resolvable = true;
    for (const json& gallery : galleries)
      resolvable = resolvable && row_at(list_at(gallery, "rows"), i).value("resolvable", json(true)) != false;
    add(fmt::format("TPIR at FPIR {:g}{}{}", number_at(tpir[i], "fpir"), galleries.size() > 1 ? ", mean" : "",
                    resolvable ? "" : " *"),
        [&](const json& score) { return percent(number_at(row_at(tpir_of(score), i), "tpir")); });
    for (std::size_t g = 0; galleries.size() > 1 && g < galleries.size(); ++g) {
      add(fmt::format("  gallery {}", g + 1), [&](const json& score) {
        const json& gallery = row_at(list_at(open_set_of(score), "galleries"), g);
        return percent(number_at(row_at(list_at(gallery, "rows"), i), "tpir"));
      });
    }
  }
  table.caption = "Rates in percent. A rank counts mated probes with a mate among so many best rows.";
  return table;
}

void add_search_curves(const Result& result, const std::string& title, Presentation& shown) {
  if (std::vector<Curve> curves = curves_of(result, "cmc.csv", 3); !curves.empty()) {
    double lowest = 1, last = 1;
    for (const Curve& curve : curves) {
      lowest = std::min(lowest, curve.y.front());
      last = std::max(last, curve.x.back());
    }
    Plot plot;
    plot.title = title + ": cumulative match characteristic";
    plot.x = {"rank (log scale)", Scale::kLog10, 1.0, std::max(last, 2.0)};
    plot.y = {"share of probes with a mate up to that rank", Scale::kLinear,
              std::max(0.0, std::floor(lowest * 10 - 0.5) / 10), 1.0};
    shown.blocks.emplace_back(figure_of(std::move(curves), std::move(plot),
                                        "Share of the mated probes with a mate among the best rows, by rank.",
                                        "cmc.svg"));
  }
  if (std::vector<Curve> curves = curves_of(result, "det.csv", 4); !curves.empty()) {
    double highest = 0;
    for (const Curve& curve : curves)
      highest = std::max(highest, *std::max_element(curve.y.begin(), curve.y.end()));
    Plot plot;
    plot.title = title + ": open set";
    plot.x = {"false positive identification rate (FPIR, log scale)", Scale::kLog10, {}, 1.0};
    plot.y = {"false negative identification rate (FNIR)", Scale::kLinear, 0.0,
              std::clamp(std::ceil(highest * 10) / 10, 0.1, 1.0)};
    shown.blocks.emplace_back(figure_of(std::move(curves), std::move(plot),
                                        "Share of mated probes that are not found against share of others "
                                        "that are taken for someone; the strict "
                                        "rule, from the lowest FPIR that the probes can tell.",
                                        "det.svg"));
  }
}

void present_search(const Result& result, const json& scores, const std::string& title, Presentation& shown) {
  if (const json& first = row_at(scores, 0); !first.empty()) {
    if (const json& top = row_at(list_at(first, "top"), 0); !top.empty()) {
      shown.tiles.push_back({fmt::format("{}: rank {:.0f}", title, number_at(top, "rank")),
                             percent(number_at(top, "rate")) + " %", score_label(text_at(first, "name"))});
    }
  }
  Table table = search_table(scores);
  const bool unresolved = std::any_of(table.rows.begin(), table.rows.end(),
                                      [](const Table::Row& row) { return row.cells[0].ends_with(" *"); });
  if (!table.rows.empty()) shown.blocks.emplace_back(std::move(table));
  if (unresolved)
    shown.note("* not resolvable: the target is below 1/n of the n probes without a mate", Where::kBoth,
               Kind::kSmall);
  note_constants(result.json, shown);
  add_search_curves(result, title, shown);
}

}  // namespace qcface::eval
