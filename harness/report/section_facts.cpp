// Title, key figures and the conditions of the run.
#include <fmt/format.h>
#include <sys/utsname.h>

#include <array>
#include <cmath>
#include <ctime>

#include "core/text.h"
#include "harness/report/html.h"
#include "harness/report/sections.h"

namespace qcface::report {
namespace {

using nlohmann::json;

std::string value_text(const json& value) {
  if (value.is_string()) {
    const std::string text = from_json_text(value.get_ref<const std::string&>());
    return text.empty() ? "\xE2\x80\x93" : text;
  }
  if (value.is_array()) {
    std::string text;
    for (const json& element : value) text += (text.empty() ? "" : ", ") + value_text(element);
    return text.empty() ? "\xE2\x80\x93" : text;
  }
  if (value.is_number_float()) return fmt::format("{:g}", value.get<double>());
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string fact(const std::string& key, const std::string& value) {
  return fmt::format("<div><span class=\"k\">{}</span><span class=\"v\">{}</span></div>\n", escape_html(key),
                     escape_html(value));
}

double last_finite(const MetricTable& table, const std::string& key) {
  const std::vector<double> values = table.column(key);
  for (std::size_t i = values.size(); i-- > 0;) {
    if (std::isfinite(values[i])) return values[i];
  }
  return std::nan("");
}

std::string time_text(double seconds) {
  if (!std::isfinite(seconds)) return "\xE2\x80\x93";
  if (seconds < 120) return fmt::format("{:.0f} s", seconds);
  if (seconds < 7200) return fmt::format("{:.0f} min", seconds / 60);
  return fmt::format("{:.1f} h", seconds / 3600);
}

std::string now_text() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M UTC", &parts);
  return text;
}

}  // namespace

std::string suggested_weights(const RunData& run) {
  if (run.checkpoints.empty()) return "CHECKPOINT";
  return (run.folder / "checkpoints" / run.checkpoints.back()).string();
}

std::string header_section(const RunData& run, const std::string& title, const eval::Protocol* lead) {
  std::string html =
      fmt::format("<header>\n<h1>{}</h1>\n<p class=\"sub\">qcface run report, written {} from {}</p>\n<nav>",
                  escape_html(title), now_text(), escape_html(run.folder.string()));
  const auto link_to = [&](const eval::Protocol& protocol) {
    std::string name = protocol.section;
    name[0] = static_cast<char>(name[0] - 'a' + 'A');
    html += fmt::format("<a href=\"#{}\">{}</a>", protocol.section, name);
  };
  if (lead != nullptr) link_to(*lead);
  html += "<a href=\"#run\">Run</a><a href=\"#training\">Training</a><a href=\"#magnitude\">Magnitude</a>";
  for (const eval::Protocol* protocol : eval::protocols()) {
    if (protocol == lead) continue;
    if (protocol->suggested_data == nullptr && results_of(run, *protocol).empty()) continue;
    link_to(*protocol);
  }
  return html + "<a href=\"#pictures\">Pictures</a></nav>\n</header>\n";
}

std::string tiles_section(const RunData& run) {
  std::string html = "<div class=\"tiles\">\n";
  if (!run.steps.empty()) {
    html += html_tile("Steps", fmt::format("{:.0f}", run.steps.steps.back()),
                      fmt::format("{} epochs finished", run.epochs.steps.size()));
    const bool epoch = run.epochs.has("loss");
    html += html_tile("Loss", eval::number(last_finite(epoch ? run.epochs : run.steps, "loss"), 3),
                      epoch ? "mean of the last epoch" : "last logged batch");
    html += html_tile("Training accuracy",
                      eval::percent(last_finite(epoch ? run.epochs : run.steps, "accuracy")) + " %",
                      epoch ? "top 1, last epoch" : "top 1, last logged batch");
  }
  for (const eval::Protocol* protocol : eval::protocols()) {
    const std::vector<const RunResult*> results = results_of(run, *protocol);
    if (results.empty()) continue;
    for (const eval::Tile& tile : protocol->present(results.front()->result).tiles) {
      html += html_tile(tile.label, tile.value, tile.note);
    }
  }
  return html + "</div>\n";
}

std::string facts_section(const RunData& run, std::vector<std::string>& missing) {
  std::string html;
  if (run.damaged_lines > 0) {
    html += fmt::format(
        "<div class=\"warning\">{} damaged line{} of metrics.jsonl skipped (a run that was killed leaves a "
        "half "
        "line).</div>\n",
        run.damaged_lines, run.damaged_lines == 1 ? "" : "s");
  }
  for (const std::string& problem : run.problems) {
    html += fmt::format("<div class=\"warning\">{}: left out.</div>\n", escape_html(problem));
  }
  html += "<div class=\"facts\">\n";
  if (run.config) {
    constexpr std::array kFirst{"arch",         "loss_model",   "phase",      "lambda_g", "embed_dims",
                                "epochs",       "batch-size",   "batch_size", "lr",       "momentum",
                                "weight-decay", "weight_decay", "data_dirs",  "augment",  "dropout",
                                "seed",         "device",       "threads"};
    for (const char* key : kFirst) {
      if (const auto it = run.config->find(key); it != run.config->end()) html += fact(key, value_text(*it));
    }
  }
  if (!run.steps.empty()) {
    html += fact("time of the last start", time_text(last_finite(run.steps, "time_s")));
    html += fact("peak logged memory", [&] {
      double peak = std::nan("");
      for (const double value : run.steps.column("memory_mib")) peak = std::fmax(peak, value);
      return std::isfinite(peak) ? fmt::format("{:.0f} MiB", peak) : std::string("\xE2\x80\x93");
    }());
    html += fact("metrics records", fmt::format("{}", run.records));
  }
  if (!run.checkpoints.empty()) html += fact("checkpoints", fmt::format("{}", run.checkpoints.size()));
  utsname system{};
  if (uname(&system) == 0) {
    html += fact("report made on", fmt::format("{} {} {}", system.sysname, system.release, system.machine));
  }
  html += fact("program", "qcface " QCFACE_VERSION);
  html += "</div>\n";
  if (!run.config) {
    missing.push_back("configuration");
    html += html_missing("There is no readable config.json in the run folder.",
                         "qcface train --data_dirs FOLDER --pth-save-fold RUN");
  } else {
    html += fmt::format(
        "<details><summary>Resolved configuration (config.json)</summary><pre>{}</pre></details>\n",
        escape_html(from_json_text(run.config->dump(2, ' ', false, json::error_handler_t::replace))));
  }
  if (!run.log_head.empty()) {
    std::string text;
    for (const std::string& line : run.log_head) text += line + "\n";
    if (!run.log_tail.empty()) text += "[...]\n";
    for (const std::string& line : run.log_tail) text += line + "\n";
    html += fmt::format(
        "<details><summary>Log: device, versions, first and last lines</summary><pre>{}</pre></details>\n",
        escape_html(text));
  }
  return html_section("run", "Run", html);
}

}  // namespace qcface::report
