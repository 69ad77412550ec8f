// The pictures of lowest and of highest magnitude.
#include <fmt/format.h>

#include <algorithm>

#include "harness/report/html.h"
#include "harness/report/sections.h"
#include "harness/report/thumbnail.h"

namespace qcface::report {
namespace {

std::string picture(const NamedMagnitude& row, int side) {
  const std::string file = std::filesystem::path(row.path).filename().string();
  const std::string name = row.identity.empty() ? file : row.identity + "/" + file;
  return fmt::format("<div class=\"picture\" title=\"{}\">{}<b>{}</b><div class=\"name\">{}</div></div>\n",
                     escape_html(row.path), html_thumbnail(row.path, name, side),
                     eval::number(row.magnitude, 2), escape_html(name));
}

}  // namespace

std::string pictures_section(const RunData& run, const ReportOptions& options,
                             std::vector<std::string>& missing) {
  std::string html;
  for (const PictureSet& set : run.picture_sets) {
    std::vector<NamedMagnitude> rows = set.magnitudes;
    if (rows.empty()) continue;
    std::stable_sort(rows.begin(), rows.end(), [](const NamedMagnitude& a, const NamedMagnitude& b) {
      return a.magnitude < b.magnitude;
    });
    // Never the same picture in both rows.
    const std::size_t wanted = static_cast<std::size_t>(std::max(options.extreme_pictures, 1));
    const std::size_t count = std::min(wanted, std::max<std::size_t>(rows.size() / 2, 1));
    const std::string where = set.name.empty()
                                  ? std::string()
                                  : fmt::format(" <span class=\"soft\">({})</span>", escape_html(set.name));
    html += fmt::format("<h3>Lowest magnitude{}</h3>\n<div class=\"pictures\">\n", where);
    for (std::size_t i = 0; i < count; ++i) html += picture(rows[i], options.thumbnail_side);
    html += "</div>\n";
    if (rows.size() > 1) {
      html += fmt::format("<h3>Highest magnitude{}</h3>\n<div class=\"pictures\">\n", where);
      for (std::size_t i = 0; i < count; ++i)
        html += picture(rows[rows.size() - 1 - i], options.thumbnail_side);
      html += "</div>\n";
    }
    html += fmt::format(
        "<p class=\"sub\">Of {} verification pictures, magnitude below each. The network should put pictures "
        "that are "
        "hard to recognise first.</p>\n",
        rows.size());
  }
  if (html.empty()) {
    missing.push_back("pictures");
    html = html_missing("There is no eval/magnitudes.csv in the run folder.",
                        suggested_command(run, *eval::protocols().front()));
  }
  return html_section("pictures", "Pictures of lowest and highest magnitude", html);
}

}  // namespace qcface::report
