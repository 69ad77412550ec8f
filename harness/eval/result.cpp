#include "harness/eval/result.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>
#include <system_error>

#include "core/text.h"

namespace qcface::eval {
namespace {

using nlohmann::json;

std::string ascii(std::string text) {
  constexpr std::pair<std::string_view, std::string_view> kSpelt[]{{"\xC2\xB1", "+-"}, {kNoFigure, "-"}};
  for (const auto& [sign, spelt] : kSpelt) {
    for (std::size_t at = 0; (at = text.find(sign, at)) != std::string::npos; at += spelt.size()) {
      text.replace(at, sign.size(), spelt);
    }
  }
  return text;
}

std::string line_of(const Table& table, const std::vector<std::string>& cells) {
  std::string line;
  for (std::size_t i = 0; i < cells.size() && i < table.columns.size(); ++i) {
    const std::string cell = ascii(cells[i]);
    const int width = table.columns[i].width;
    line += i < table.text_columns ? fmt::format("{:<{}}", cell, width) : fmt::format("{:>{}}", cell, width);
  }
  return line + "\n";
}

std::string screen_table(const Table& table) {
  std::vector<std::string> names;
  int width = 0;
  for (const Table::Column& column : table.columns) {
    names.push_back(column.name);
    width += column.width;
  }
  const std::string rule = std::string(static_cast<std::size_t>(width), '-') + "\n";
  std::string text;
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    if (i + table.totals == table.rows.size()) text += rule;
    if (table.rows[i].where != Where::kPage) text += line_of(table, table.rows[i].cells);
  }
  if (text.empty() || text == rule) return {};
  return line_of(table, names) + rule + text + (table.totals == 0 ? rule : "");
}

// The part of that name, if it is of the same type as `absent`.
const json& part_at(const json& object, const char* key, const json& absent) {
  if (!object.is_object()) return absent;
  const auto it = object.find(key);
  return it != object.end() && it->type() == absent.type() ? *it : absent;
}

}  // namespace

std::string screen_text(const Presentation& presentation) {
  std::string text;
  for (const auto& block : presentation.blocks) {
    if (const Note* note = std::get_if<Note>(&block); note != nullptr && note->where != Where::kPage) {
      text += (note->kind == Note::Kind::kWarning ? "WARNING: " : "") + note->text + "\n";
    } else if (const Table* table = std::get_if<Table>(&block)) {
      text += screen_table(*table);
    }
  }
  return text;
}

json warnings_json(std::span<const std::string> warnings) {
  json list = json::array();
  for (const std::string& warning : warnings) list.push_back(to_json_text(warning));
  return list;
}

void note_warnings(const json& result, Presentation& shown) {
  for (const json& warning : list_at(result, "warnings")) {
    if (warning.is_string())
      shown.note(from_json_text(warning.get_ref<const std::string&>()), Where::kPage, Note::Kind::kWarning);
  }
}

double number_at(const json& object, const std::string& key) {
  if (!object.is_object()) return std::numeric_limits<double>::quiet_NaN();
  const auto it = object.find(key);
  return it != object.end() && it->is_number() ? it->get<double>() : std::numeric_limits<double>::quiet_NaN();
}

std::string text_at(const json& object, const std::string& key, const std::string& absent) {
  if (!object.is_object()) return absent;
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? from_json_text(it->get_ref<const std::string&>()) : absent;
}

const json& object_at(const json& object, const char* key) {
  static const json kNone = json::object();
  return part_at(object, key, kNone);
}
const json& list_at(const json& object, const char* key) {
  static const json kNone = json::array();
  return part_at(object, key, kNone);
}

const json& row_at(const json& list, std::size_t i) {
  static const json kNone = json::object();
  return list.is_array() && i < list.size() && list[i].is_object() ? list[i] : kNone;
}

std::string score_label(const std::string& key) { return key == "qmf" ? "quality-aware" : key; }

std::string figure_name(const std::string& text) {
  std::string name;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '-' || c == '_' || (c == '.' && !name.empty());
    name += plain ? c : '_';
  }
  return name + ".svg";
}

std::vector<std::string> split_csv(const std::string& line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quoted && c == '"' && i + 1 < line.size() && line[i + 1] == '"') {
      fields.back().push_back(line[++i]);
    } else if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      fields.emplace_back();
    } else if (c != '\r') {
      fields.back().push_back(c);
    }
  }
  return fields;
}

double csv_number(const std::string& field) {
  double value = 0;
  const char* end = field.data() + field.size();
  const auto [parsed, error] = std::from_chars(field.data(), end, value);
  return error == std::errc() && parsed == end ? value : std::numeric_limits<double>::quiet_NaN();
}

std::string number(double value, int digits) {
  return std::isfinite(value) ? fmt::format("{:.{}f}", value, digits) : kNoFigure;
}
std::string percent(double fraction) { return number(100 * fraction, 2); }
std::string percent_std(double mean, double std) {
  return std::isfinite(mean) ? fmt::format("{} \xC2\xB1 {}", percent(mean), percent(std)) : kNoFigure;
}
std::string correlation(double rho) { return std::isfinite(rho) ? fmt::format("{:+.3f}", rho) : "undefined"; }

}  // namespace qcface::eval
