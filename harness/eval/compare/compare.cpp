#include "harness/eval/compare/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <string_view>
#include <system_error>

#include "core/error.h"
#include "core/npy.h"
#include "core/text.h"
#include "harness/console/interrupt.h"
#include "harness/eval/measures/kfold.h"
#include "harness/eval/measures/roc.h"

namespace qcface::eval {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Kind = Note::Kind;

// Lists of numbers longer than that are curves and samples, not figures of a table.
constexpr std::size_t kLongestList = 64;

// Whether a cell is a word ("quality-aware"), not a figure or what stands for one.
bool is_text(const std::string& cell) {
  return !cell.empty() && cell != kNoFigure && cell != "undefined" &&
         std::string_view("0123456789+-.<").find(cell[0]) == std::string_view::npos;
}

// Of a result's own tables, as the terminal shows them: what a figure is called, and its text.
std::vector<std::pair<std::string, std::string>> figures_of(const KeptResult& kept) {
  std::vector<std::pair<std::string, std::string>> figures;
  const Presentation shown = kept.protocol->present(kept.result);
  for (const auto& block : shown.blocks) {
    const Table* table = std::get_if<Table>(&block);
    if (table == nullptr) continue;
    std::string subject;  // an empty first cell stands for the one above
    for (const Table::Row& row : table->rows) {
      if (row.where == Where::kPage || row.cells.empty()) continue;
      if (!row.cells[0].empty()) subject = row.cells[0];
      std::string what =
          table->columns[0].name == "measure" ? subject : table->columns[0].name + " " + subject;
      const std::size_t cells = std::min(row.cells.size(), table->columns.size());
      const auto names_row = [&](std::size_t c) { return c < table->text_columns || is_text(row.cells[c]); };
      for (std::size_t c = 1; c < cells; ++c) {
        if (names_row(c) && !row.cells[c].empty()) what += " " + row.cells[c];
      }
      const bool several = table->columns.size() > table->text_columns + 1;
      for (std::size_t c = 1; c < cells; ++c) {
        if (!names_row(c) && !row.cells[c].empty())
          figures.emplace_back(several ? what + ", " + table->columns[c].name : what, row.cells[c]);
      }
    }
  }
  return figures;
}

// Rows of all models, in the order in which they are met.
template <class Value, class Put>
void merge(const std::vector<std::vector<std::pair<std::string, Value>>>& of_model, Put&& put) {
  std::map<std::string, std::size_t> place;
  for (std::size_t model = 0; model < of_model.size(); ++model) {
    std::map<std::string, int> seen;  // a measure that stands there twice is two rows
    for (const auto& [name, value] : of_model[model]) {
      const int again = seen[name]++;
      const std::string key = again == 0 ? name : fmt::format("{} ({})", name, again + 1);
      const auto [it, added] = place.try_emplace(key, place.size());
      put(key, it->second, model, value);
    }
  }
}

void collect_numbers(const json& value, const std::string& at,
                     std::vector<std::pair<std::string, double>>& numbers) {
  if (value.is_number()) {
    numbers.emplace_back(at, value.get<double>());
  } else if (value.is_object()) {
    for (const auto& [key, part] : value.items()) {
      if (at.empty() && (key == "conditions" || key == "data")) continue;
      collect_numbers(part, at.empty() ? key : at + "." + key, numbers);
    }
  } else if (value.is_array() && value.size() <= kLongestList) {
    for (std::size_t i = 0; i < value.size(); ++i)
      collect_numbers(value[i], fmt::format("{}[{}]", at, i), numbers);
  }
}

struct PairScores {
  std::vector<double> scores;
  std::vector<char> same;
};

// Nothing where there is no such file.
std::optional<PairScores> read_scores(const fs::path& file) {
  std::error_code error;
  if (!fs::is_regular_file(file, error)) return std::nullopt;
  const NpyArray array = read_npy(file);
  require(array.dtype == "<f8" && array.shape.size() == 2 && array.shape[1] == 2,
          "{}: expected float64 of shape [pairs, 2]", file.string());
  const std::vector<double> values = array.to_double();
  PairScores pairs;
  for (std::size_t i = 0; i + 1 < values.size(); i += 2) {
    pairs.same.push_back(values[i] != 0 ? 1 : 0);
    pairs.scores.push_back(values[i + 1]);
  }
  return pairs;
}

std::vector<double> fold_accuracies(const PairScores& pairs) {
  std::vector<double> accuracies;
  for (const KfoldFold& fold : kfold_accuracy(pairs.scores, pairs.same).folds)
    accuracies.push_back(fold.accuracy);
  return accuracies;
}

// Sets that one result is about ("sets" of hq and bin); "" for one alone.
std::vector<std::string> parts_of(const json& result) {
  std::vector<std::string> parts;
  for (const json& set : list_at(result, "sets")) {
    if (std::string name = text_at(set, "name"); !name.empty()) parts.push_back(std::move(name));
  }
  parts.emplace_back();
  return parts;
}

bool has_folds(const json& result, const std::string& part) {
  const json* of_part = &result;
  for (const json& set : list_at(result, "sets")) {
    if (!part.empty() && text_at(set, "name") == part) of_part = &set;
  }
  return list_at(object_at(*of_part, "cosine"), "folds").size() == static_cast<std::size_t>(kFolds);
}

// Of two models with scores of the same pairs.
void add_differences(Comparison& comparison, std::size_t first, std::size_t second, const std::string& part,
                     const PairScores& a, const PairScores& b, const BootstrapOptions& bootstrap) {
  const auto add = [&](const std::string& measure, Difference difference) {
    comparison.differences.push_back(
        {first, second, part.empty() ? measure : part + ": " + measure, std::move(difference)});
  };
  add("AUC", auc_difference(a.scores, b.scores, a.same));
  const auto different = static_cast<double>(std::count(a.same.begin(), a.same.end(), 0));
  std::vector<double> fars;
  for (const double far : kFarTargets) {
    if (far * different + 1e-9 >= 1) fars.push_back(far);
  }
  std::vector<Difference> rates = tar_differences(a.scores, b.scores, a.same, fars, bootstrap);
  for (std::size_t i = 0; i < fars.size(); ++i)
    add(fmt::format("TAR at FAR {:g}, strict", fars[i]), std::move(rates[i]));
  // Only of results that give 10-fold accuracies themselves.
  if (has_folds(comparison.of_model[first]->result.json, part)) {
    add("accuracy, 10-fold", fold_difference(fold_accuracies(a), fold_accuracies(b), bootstrap));
  }
}

// `part`: a set of a result with several, "" for one alone.
void find_differences(Comparison& comparison, std::span<const ModelResults> models, const std::string& part,
                      const BootstrapOptions& bootstrap) {
  const auto warn = [&](std::string text) {
    comparison.notes.push_back({std::move(text), Where::kBoth, Kind::kWarning});
  };
  std::vector<std::optional<PairScores>> scores(models.size());
  for (std::size_t i = 0; i < models.size(); ++i) {
    if (comparison.of_model[i] == nullptr) continue;
    try {
      scores[i] = read_scores(comparison.of_model[i]->folder / part / "scores.npy");
    } catch (const Error& problem) {
      warn(std::string("no interval: ") + problem.what());
    }
  }
  for (std::size_t first = 0; first < models.size(); ++first) {
    for (std::size_t second = first + 1; second < models.size(); ++second) {
      if (!scores[first] || !scores[second]) continue;
      const std::string who = models[first].name + " and " + models[second].name;
      const std::string &one = comparison.fingerprints[first], &other = comparison.fingerprints[second];
      if (!one.empty() && !other.empty() && one != other) continue;  // the note on the data says so
      if (scores[first]->same != scores[second]->same) {
        warn("no interval for " + who + ": their scores are those of different pairs");
        continue;
      }
      stop_if_interrupted();
      try {
        add_differences(comparison, first, second, part, *scores[first], *scores[second], bootstrap);
      } catch (const Error& problem) {
        warn("no interval for " + who + ": " + problem.what());
      }
    }
  }
}

// Whether the columns stand for the same pictures, in words where they do not.
void check_data(Comparison& comparison, std::span<const ModelResults> models) {
  std::map<std::string, std::string> who;  // by fingerprint
  for (std::size_t i = 0; i < models.size(); ++i) {
    const KeptResult* kept = comparison.of_model[i];
    comparison.fingerprints.push_back(
        kept == nullptr ? "" : text_at(object_at(kept->result.json, "data"), "fingerprint"));
    if (kept == nullptr) continue;
    std::string& names = who[comparison.fingerprints.back()];
    names += (names.empty() ? "" : ", ") + models[i].name;
  }
  const auto unknown = who.find("");
  if (unknown != who.end()) {
    comparison.notes.push_back(
        {fmt::format("the result of {} has no fingerprint of its data: whether it is the same is not known",
                     unknown->second),
         Where::kBoth, Kind::kWarning});
    who.erase(unknown);
  }
  if (who.size() < 2) return;
  std::string sides;
  for (const auto& [fingerprint, names] : who)
    sides += fmt::format("{}{} ({})", sides.empty() ? "" : " against ", names, printable(fingerprint, 80));
  comparison.notes.push_back(
      {"NOT THE SAME DATA: " + sides + "; these figures cannot be compared, and no interval is given",
       Where::kBoth, Kind::kWarning});
}

bool same_points(const Series& a, const Series& b) { return a.x == b.x && a.y == b.y && a.name == b.name; }

// Figures that all have under one file name, as one: a colour a model, its further lines dashed. Grey lines (chance) stay where
// they are the same for all.
std::vector<Figure> overlay(const Comparison& comparison, std::span<const ModelResults> models) {
  constexpr std::size_t kMostLines = 16;
  struct Layer {
    std::size_t model;
    Figure figure;
  };
  std::vector<std::pair<std::string, std::vector<Layer>>> by_file;
  for (std::size_t i = 0; i < models.size(); ++i) {
    if (comparison.of_model[i] == nullptr) continue;
    Presentation shown = comparison.of_model[i]->protocol->present(comparison.of_model[i]->result);
    for (auto& block : shown.blocks) {
      Figure* figure = std::get_if<Figure>(&block);
      if (figure == nullptr || figure->file.empty()) continue;
      auto at = std::find_if(by_file.begin(), by_file.end(),
                             [&](const auto& entry) { return entry.first == figure->file; });
      if (at == by_file.end()) at = by_file.insert(by_file.end(), {figure->file, {}});
      at->second.push_back({i, std::move(*figure)});
    }
  }
  std::vector<Figure> figures;
  for (auto& [file, layers] : by_file) {
    if (layers.size() < 2) continue;
    Figure merged = layers.front().figure;
    merged.plot.series.clear();
    merged.plot.bands.clear();
    std::size_t lines = 0;
    bool drawable = true;
    for (const Series& reference : layers.front().figure.plot.series) {
      if (reference.colour >= 0) continue;
      const bool everywhere = std::all_of(layers.begin(), layers.end(), [&](const Layer& layer) {
        const auto& series = layer.figure.plot.series;
        return std::any_of(series.begin(), series.end(),
                           [&](const Series& other) { return same_points(reference, other); });
      });
      if (everywhere) merged.plot.series.push_back(reference);
    }
    for (Layer& layer : layers) {
      bool first = true;
      if (layer.figure.plot.x.min && merged.plot.x.min)
        merged.plot.x.min = std::min(*merged.plot.x.min, *layer.figure.plot.x.min);
      for (Series& series : layer.figure.plot.series) {
        if (series.colour < 0) continue;
        drawable = drawable && series.mark != Mark::kPoints;
        series.name = models[layer.model].name + (series.name.empty() ? "" : ": " + series.name);
        series.colour = static_cast<int>(layer.model);
        if (!std::exchange(first, false) && series.mark == Mark::kLine) series.mark = Mark::kDashed;
        merged.plot.series.push_back(std::move(series));
        ++lines;
      }
    }
    if (!drawable || lines > kMostLines) continue;
    const std::string prefix =
        comparison.protocol->name + (comparison.set.empty() ? "" : "_" + comparison.set);
    merged.file = figure_name(prefix + "_" + file.substr(0, file.rfind('.')));
    figures.push_back(std::move(merged));
  }
  return figures;
}

}  // namespace

std::string title_of(const Comparison& comparison) {
  return comparison.set.empty() ? comparison.protocol->name
                                : std::string(comparison.protocol->name) + ", " + comparison.set;
}

std::vector<Comparison> compare(std::span<const ModelResults> models, const BootstrapOptions& bootstrap) {
  std::vector<Comparison> comparisons;
  for (const Protocol* protocol : protocols()) {
    std::vector<std::string> sets;
    for (const ModelResults& model : models) {
      for (const KeptResult& kept : model.results) {
        if (kept.protocol == protocol && std::find(sets.begin(), sets.end(), kept.set) == sets.end())
          sets.push_back(kept.set);
      }
    }
    for (const std::string& set : sets) {
      Comparison& comparison = comparisons.emplace_back();
      comparison.protocol = protocol;
      comparison.set = set;
      std::vector<std::vector<std::pair<std::string, std::string>>> texts(models.size());
      std::vector<std::vector<std::pair<std::string, double>>> numbers(models.size());
      for (std::size_t i = 0; i < models.size(); ++i) {
        const auto& results = models[i].results;
        const auto kept = std::find_if(results.begin(), results.end(), [&](const KeptResult& result) {
          return result.protocol == protocol && result.set == set;
        });
        comparison.of_model.push_back(kept == results.end() ? nullptr : &*kept);
        if (kept == results.end()) continue;
        texts[i] = figures_of(*kept);
        collect_numbers(kept->result.json, "", numbers[i]);
      }
      merge(texts, [&](const std::string& key, std::size_t row, std::size_t model, const std::string& text) {
        if (row == comparison.rows.size())
          comparison.rows.push_back({key, std::vector<std::string>(models.size())});
        comparison.rows[row].cells[model] = text;
      });
      merge(numbers, [&](const std::string& key, std::size_t row, std::size_t model, double value) {
        if (row == comparison.numbers.size())
          comparison.numbers.emplace_back(
              key, std::vector<double>(models.size(), std::numeric_limits<double>::quiet_NaN()));
        comparison.numbers[row].second[model] = value;
      });
      check_data(comparison, models);
      std::vector<std::string> parts;
      for (const KeptResult* kept : comparison.of_model) {
        if (kept == nullptr) continue;
        for (std::string& part : parts_of(kept->result.json)) {
          if (std::find(parts.begin(), parts.end(), part) == parts.end()) parts.push_back(std::move(part));
        }
      }
      for (const std::string& part : parts) find_differences(comparison, models, part, bootstrap);
      comparison.figures = overlay(comparison, models);
    }
  }
  return comparisons;
}

}  // namespace qcface::eval
