// How a comparison is shown, and its files.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>
#include <system_error>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/text.h"
#include "harness/eval/compare/compare.h"
#include "harness/plot/figure_files.h"

namespace qcface::eval {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json finite(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }
json finite_or_null(const std::optional<double>& value) { return value ? finite(*value) : json(nullptr); }

// Width of a column: its longest text on the terminal and two blanks.
int width_of(const std::string& head, const std::vector<std::string>& cells) {
  const auto characters = [](const std::string& text) {
    return static_cast<int>(
        std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
  };
  int width = characters(head);
  for (const std::string& cell : cells)
    width = std::max(width, characters(cell) + 1);  // "+-" for one character
  return width + 2;
}

void set_widths(Table& table) {
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    std::vector<std::string> cells;
    for (const Table::Row& row : table.rows) {
      if (c < row.cells.size()) cells.push_back(row.cells[c]);
    }
    table.columns[c].width = width_of(table.columns[c].name, cells);
  }
}

// In percent, with a sign, and without "-0.000".
std::string signed_percent(double fraction) {
  const double rounded = std::round(1e5 * fraction) / 1e3;
  return fmt::format("{:+.3f}", rounded == 0 ? 0.0 : rounded);
}
std::string p_text(double p) { return p < 0.0005 ? "< 0.001" : fmt::format("{:.3f}", p); }

Table differences_table(const Comparison& comparison, std::span<const ModelResults> models) {
  Table table;
  table.columns = {
      {"difference of", 0}, {"models", 0}, {"difference (%)", 0}, {"95 % interval (%)", 0}, {"p", 0}};
  table.text_columns = 2;
  for (const Comparison::Pair& pair : comparison.differences) {
    const Difference& d = pair.difference;
    table.rows.push_back(
        {{fmt::format("{} ({})", pair.measure, d.method),
          printable(models[pair.first].name, 60) + " - " + printable(models[pair.second].name, 60),
          signed_percent(d.difference),
          d.low && d.high ? signed_percent(*d.low) + " to " + signed_percent(*d.high) : kNoFigure,
          d.p ? p_text(*d.p) : kNoFigure},
         Where::kBoth});
  }
  table.caption =
      "Differences on the same pairs, by their scores (scores.npy). p: of no difference, two-sided, not "
      "corrected for the "
      "number of comparisons.";
  set_widths(table);
  return table;
}

std::string csv_line(const std::vector<std::string>& fields) {
  std::string line;
  for (const std::string& text : fields) line += (line.empty() ? "" : ",") + csv_field(text);
  return line + "\n";
}

json comparison_json(const Comparison& comparison, std::span<const ModelResults> models) {
  json conditions = json::array(), rows = json::array(), numbers = json::object(),
       differences = json::array();
  json fingerprints = json::array(), notes = json::array();
  for (const KeptResult* kept : comparison.of_model)
    conditions.push_back(kept == nullptr ? json(nullptr) : object_at(kept->result.json, "conditions"));
  for (const std::string& fingerprint : comparison.fingerprints)
    fingerprints.push_back(fingerprint.empty() ? json(nullptr) : json(to_json_text(fingerprint)));
  for (const Comparison::Row& row : comparison.rows) {
    json cells = json::array();
    for (const std::string& cell : row.cells) cells.push_back(to_json_text(cell));
    rows.push_back({{"measure", to_json_text(row.measure)}, {"shown", cells}});
  }
  for (const auto& [name, values] : comparison.numbers) {
    json& list = numbers[to_json_text(name)] = json::array();
    for (const double value : values) list.push_back(finite(value));
  }
  for (const Comparison::Pair& pair : comparison.differences) {
    const Difference& d = pair.difference;
    differences.push_back({{"measure", pair.measure},
                           {"first", to_json_text(models[pair.first].name)},
                           {"second", to_json_text(models[pair.second].name)},
                           {"first_value", d.first},
                           {"second_value", d.second},
                           {"difference", d.difference},
                           {"interval_95", {finite_or_null(d.low), finite_or_null(d.high)}},
                           {"p", finite_or_null(d.p)},
                           {"method", d.method}});
  }
  for (const Note& note : comparison.notes) notes.push_back(to_json_text(note.text));
  return {{"protocol", comparison.protocol->name},
          {"set", to_json_text(comparison.set)},
          {"conditions", conditions},
          {"data_fingerprints", fingerprints},
          {"notes", notes},
          {"rows", rows},
          {"numbers", numbers},
          {"differences", differences}};
}

}  // namespace

Presentation present_comparison(const Comparison& comparison, std::span<const ModelResults> models) {
  Presentation shown;
  for (const Note& note : comparison.notes) shown.blocks.push_back(note);
  Table table;
  table.columns.push_back({"measure", 0});
  for (const ModelResults& model : models) table.columns.push_back({printable(model.name, 60), 0});
  for (const Comparison::Row& row : comparison.rows) {
    Table::Row& shown_row = table.rows.emplace_back(Table::Row{{row.measure}, Where::kBoth});
    for (const std::string& cell : row.cells) shown_row.cells.push_back(cell.empty() ? kNoFigure : cell);
  }
  table.caption = "Figures as each result shows them.";
  set_widths(table);
  shown.blocks.push_back(std::move(table));
  if (!comparison.differences.empty()) shown.blocks.push_back(differences_table(comparison, models));
  for (const Figure& figure : comparison.figures) shown.blocks.push_back(figure);
  return shown;
}

std::vector<fs::path> write_comparison(const fs::path& folder, std::span<const ModelResults> models,
                                       std::span<const Comparison> comparisons,
                                       const BootstrapOptions& bootstrap, const std::string& page) {
  std::error_code error;
  fs::create_directories(folder, error);
  require(!error, "{}: cannot make the folder: {}", folder.string(), error.message());
  std::vector<std::string> head{"protocol", "set", "measure"};
  json named = json::array(), all = json::array();
  for (const ModelResults& model : models) {
    head.push_back(model.name);
    named.push_back({{"name", to_json_text(model.name)}, {"folder", to_json_text(model.folder.string())}});
  }
  std::string csv = csv_line(head);
  std::string differences =
      "protocol,set,measure,first,second,first_value,second_value,difference,low,high,p,method\n";
  FileGroup group;
  std::vector<fs::path> written;
  const auto write = [&](const char* name, const std::string& text) {
    group.add(folder / name).write(text);
    written.push_back(folder / name);
  };
  std::set<std::string> files;
  for (const Comparison& comparison : comparisons) {
    for (const Comparison::Row& row : comparison.rows) {
      std::vector<std::string> fields{comparison.protocol->name, comparison.set, row.measure};
      fields.insert(fields.end(), row.cells.begin(), row.cells.end());
      csv += csv_line(fields);
    }
    const auto number = [](const std::optional<double>& value) {
      return value ? fmt::format("{}", *value) : std::string();
    };
    for (const Comparison::Pair& pair : comparison.differences) {
      const Difference& d = pair.difference;
      differences +=
          csv_line({comparison.protocol->name, comparison.set, pair.measure, models[pair.first].name,
                    models[pair.second].name, number(d.first), number(d.second), number(d.difference),
                    number(d.low), number(d.high), number(d.p), d.method});
    }
    for (const Figure& figure : comparison.figures) {
      if (!files.insert(figure.file).second) continue;
      for (fs::path& file : add_figure(group, folder / figure.file, figure.plot))
        written.push_back(std::move(file));
    }
    all.push_back(comparison_json(comparison, models));
  }
  write("compare.csv", csv);
  write("differences.csv", differences);
  write("compare.html", page);
  const json whole{{"format", "qcface-compare/1"},
                   {"units", "fractions in numbers and differences, percent in what is shown"},
                   {"models", named},
                   {"bootstrap", {{"replicates", bootstrap.replicates}, {"seed", bootstrap.seed}}},
                   {"comparisons", all}};
  write("compare.json", whole.dump(1, ' ', false, json::error_handler_t::replace) + "\n");
  group.commit();
  return written;
}

}  // namespace qcface::eval
