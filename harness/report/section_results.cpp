// What protocols found: a section each, drawn from what they present.
#include <fmt/format.h>

#include <algorithm>
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
    case Note::Kind::kHeadline:
      return "<p class=\"headline\">" + text + ".</p>\n";
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

// What is gone leaves its place and its value.
std::string strip_html(const eval::Strip& strip, int side) {
  if (strip.pictures.empty()) return {};
  std::string html = fmt::format(
      "<div class=\"strip\"><div class=\"what\"><b>{}</b><span>{}</span></div>\n<div class=\"row\">\n",
      escape_html(strip.title), escape_html(strip.caption));
  std::size_t absent = 0;
  std::string first;
  for (const eval::Strip::Picture& picture : strip.pictures) {
    const std::string uri = thumbnail_uri(picture.file, side);
    if (uri.empty() && absent++ == 0) first = picture.file;
    html += fmt::format(
        "<div class=\"picture\">{}<div class=\"bar\"><i style=\"width:{:.1f}%\"></i></div><b>{}</b><div "
        "class=\"name\">{}</div></div>\n",
        html_image(uri, picture.alternative), 100 * std::clamp(picture.bar, 0.0, 1.0),
        escape_html(picture.value), escape_html(picture.label));
  }
  html += "</div>\n";
  if (absent > 0) {
    html += fmt::format(
        "<p class=\"sub\">{} of {} pictures are gone or cannot be read, the first of them <code>{}</code>. "
        "They are "
        "looked for where the run had them: a path that is not absolute counts from the folder in which the "
        "report is "
        "made.</p>\n",
        absent, strip.pictures.size(), escape_html(first));
  }
  return html + "</div>\n";
}

// How the blocks of a presentation stand: one below the other, or several in a frame.
const char* frame_of(const std::variant<Note, eval::Table, eval::Figure, eval::Strip>& block) {
  if (const eval::Figure* figure = std::get_if<eval::Figure>(&block); figure != nullptr && !figure->wide)
    return figure->small ? "figures small" : "figures";
  return std::holds_alternative<eval::Strip>(block) ? "strips" : "";
}

// The one thing to be seen comes first; how it came about stands behind it.
bool opens_with_headline(const eval::Presentation& presentation) {
  if (presentation.blocks.empty()) return false;
  const Note* const note = std::get_if<Note>(&presentation.blocks.front());
  return note != nullptr && note->kind == Note::Kind::kHeadline;
}

}  // namespace

std::string presentation_html(const eval::Presentation& presentation, int side) {
  std::string html;
  std::string open;
  const auto set_open = [&](const std::string& wanted) {
    if (open == wanted) return;
    if (!open.empty()) html += "</div>\n";
    if (!wanted.empty()) html += "<div class=\"" + wanted + "\">\n";
    open = wanted;
  };
  for (const auto& block : presentation.blocks) {
    const eval::Figure* figure = std::get_if<eval::Figure>(&block);
    set_open(frame_of(block));
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
  set_open("");
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
    const eval::Presentation shown = protocol.present(found->result);
    const std::string how = conditions_html(conditions),
                      what = presentation_html(shown, options.thumbnail_side);
    html += opens_with_headline(shown) ? what + how : how + what;
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
