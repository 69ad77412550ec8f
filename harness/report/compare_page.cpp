#include "harness/report/compare_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include "core/text.h"
#include "harness/report/html.h"
#include "harness/report/sections.h"

namespace qcface::report {
namespace {

using nlohmann::json;

constexpr int kThumbnailSide = 112;

std::string condition_text(const json& value) {
  if (value.is_string()) return from_json_text(value.get_ref<const std::string&>());
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

// What is known of how each result came about, a column a model.
std::string conditions_table(const eval::Comparison& comparison, std::span<const eval::ModelResults> models) {
  std::vector<std::vector<std::string>> rows{{"condition"}};
  for (const eval::ModelResults& model : models) rows[0].push_back(escape_html(printable(model.name, 60)));
  const auto add = [&](const std::string& what, auto&& text_of) {
    std::vector<std::string>& row = rows.emplace_back(std::vector<std::string>{escape_html(what)});
    for (std::size_t i = 0; i < models.size(); ++i) {
      const eval::KeptResult* kept = comparison.of_model[i];
      const std::string text = kept == nullptr ? "no result" : text_of(i, kept->result.json);
      row.push_back(text.empty() ? eval::kNoFigure
                                 : "<code>" + escape_html(printable(text, 200)) + "</code>");
    }
  };
  add("result", [&](std::size_t i, const json&) { return comparison.of_model[i]->folder.string(); });
  std::vector<std::string> keys;
  for (const eval::KeptResult* kept : comparison.of_model) {
    if (kept == nullptr) continue;
    for (const auto& [key, value] : eval::object_at(kept->result.json, "conditions").items()) {
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
    }
  }
  for (const std::string& key : keys) {
    add(key, [&](std::size_t, const json& result) {
      const json& conditions = eval::object_at(result, "conditions");
      const auto it = conditions.find(key);
      return it == conditions.end() ? std::string() : condition_text(*it);
    });
  }
  add("data fingerprint", [&](std::size_t i, const json&) { return comparison.fingerprints[i]; });
  return html_table(rows, rows[0].size(), "How each result came about.");
}

}  // namespace

std::string compare_page(std::span<const eval::ModelResults> models,
                         std::span<const eval::Comparison> comparisons) {
  std::string names, links, body;
  for (const eval::ModelResults& model : models)
    names += (names.empty() ? "" : ", ") + printable(model.name, 60);
  int number = 0;
  for (const eval::Comparison& comparison : comparisons) {
    const std::string anchor = fmt::format("comparison-{}", ++number);
    const std::string title = printable(eval::title_of(comparison), 120);
    links += fmt::format("<a href=\"#{}\">{}</a>", anchor, escape_html(title));
    body += html_section(anchor, fmt::format("{}: {}", comparison.protocol->heading, title),
                         presentation_html(eval::present_comparison(comparison, models), kThumbnailSide) +
                             conditions_table(comparison, models));
  }
  std::string problems;
  for (const eval::ModelResults& model : models) {
    for (const std::string& problem : model.problems)
      problems += fmt::format("<div class=\"warning\">{}: {}: left out.</div>\n",
                              escape_html(printable(model.name, 60)), escape_html(problem));
  }
  return html_page(
      "Comparison of " + names,
      fmt::format(
          "<header>\n<h1>Comparison of models</h1>\n<p class=\"sub\">{}</p>\n<nav>{}</nav>\n</header>\n",
          escape_html(names), links) +
          problems + body);
}

}  // namespace qcface::report
