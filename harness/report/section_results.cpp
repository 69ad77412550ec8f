// What protocols found: a section each, drawn from what they present.
#include <fmt/format.h>

#include <string>
#include <variant>
#include <vector>

#include "harness/report/html.h"
#include "harness/report/sections.h"
#include "harness/report/thumbnail.h"

namespace qcface::report {
namespace {

using eval::Note;

// On a page notes are sentences.
std::string note_html(const Note& note) {
  std::string text = escape_html(note.text);
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  switch (note.kind) {
    case Note::Kind::kHeading:
      return "<h3>" + text + "</h3>\n";
    case Note::Kind::kWarning:
      return "<div class=\"warning\">" + text + ".</div>\n";
    default:
      break;
  }
  return (note.kind == Note::Kind::kSmall ? "<p class=\"sub\">" : "<p>") + text + "</p>\n";
}

// Weights, lists, device: what the result file says in words of how it came about.
std::string conditions_html(const nlohmann::json& conditions) {
  std::string html;
  for (const auto& [what, value] : conditions.items()) {
    if (!value.is_string() || what == "set") continue;
    html += fmt::format("{}{} <code>{}</code>", html.empty() ? "" : " \xC2\xB7 ", escape_html(what),
                        escape_html(eval::text_at(conditions, what)));
  }
  return html.empty() ? html : "<p class=\"sub\">" + html + "</p>\n";
}

std::string table_html(const eval::Table& table) {
  std::vector<std::vector<std::string>> rows(1);
  for (const eval::Table::Column& column : table.columns) rows[0].push_back(escape_html(column.name));
  for (const eval::Table::Row& row : table.rows) {
    if (row.where == eval::Where::kScreen) continue;
    std::vector<std::string>& cells = rows.emplace_back();
    for (const std::string& cell : row.cells) cells.push_back(escape_html(cell));
    cells.resize(table.columns.size());
  }
  return html_table(rows, table.text_columns, table.caption);
}

std::string strip_html(const eval::Strip& strip, int side) {
  if (strip.pictures.empty()) return {};
  std::string html =
      fmt::format("<p class=\"sub\">{}</p>\n<div class=\"strip\">\n", escape_html(strip.caption));
  for (const eval::Strip::Picture& picture : strip.pictures) {
    html += "<div class=\"picture\">" + html_thumbnail(picture.file, picture.alternative, side) +
            fmt::format("<b>{}</b><div class=\"name\">{}</div></div>\n", escape_html(picture.value),
                        escape_html(picture.label));
  }
  return html + "</div>\n";
}

}  // namespace

std::string presentation_html(const eval::Presentation& presentation, int side) {
  std::string html;
  bool open = false;
  const auto set_open = [&](bool wanted) {
    if (open != wanted) html += wanted ? "<div class=\"figures\">\n" : "</div>\n";
    open = wanted;
  };
  for (const auto& block : presentation.blocks) {
    const eval::Figure* figure = std::get_if<eval::Figure>(&block);
    set_open(figure != nullptr && !figure->wide);
    if (figure != nullptr) {
      html += html_figure(render_svg(figure->plot), figure->caption, figure->wide);
    } else if (const Note* note = std::get_if<Note>(&block)) {
      if (note->where != eval::Where::kScreen) html += note_html(*note);
    } else if (const eval::Table* table = std::get_if<eval::Table>(&block)) {
      html += table_html(*table);
    } else {
      html += strip_html(std::get<eval::Strip>(block), side);
    }
  }
  set_open(false);
  return html;
}

std::string result_section(const RunData& run, const eval::Protocol& protocol, const ReportOptions& options,
                           std::vector<std::string>& missing) {
  std::string html;
  const std::vector<const RunResult*> results = results_of(run, protocol);
  for (const RunResult* found : results) {
    const nlohmann::json& conditions = eval::object_at(found->result.json, "conditions");
    if (results.size() > 1) {
      const std::string name = found->folder.empty() ? "First list" : found->folder;
      html += fmt::format("<h3>{}</h3>\n", escape_html(eval::text_at(conditions, "set", name)));
    }
    html += conditions_html(conditions) +
            presentation_html(protocol.present(found->result), options.thumbnail_side);
  }
  if (html.empty()) {
    if (protocol.suggested_data == nullptr) return {};
    missing.emplace_back(protocol.section);
    html = html_missing(fmt::format("There is no eval/{}.json in the run folder.", protocol.name),
                        suggested_command(run, protocol));
  }
  return html_section(protocol.section, protocol.heading, html);
}

std::string suggested_command(const RunData& run, const eval::Protocol& protocol) {
  return fmt::format("qcface eval {} --weights {} --data {} --out {}", protocol.name, suggested_weights(run),
                     protocol.suggested_data, (run.folder / "eval").string());
}

}  // namespace qcface::report
