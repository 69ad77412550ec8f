#include "harness/plot/figure_files.h"

#include <atomic>
#include <string>

#include "core/error.h"
#include "core/log.h"
#include "harness/plot/png.h"

namespace qcface {

std::vector<std::filesystem::path> add_figure(FileGroup& group, const std::filesystem::path& path,
                                              const Plot& plot) {
  const std::string svg = render_svg_file(plot);
  group.add(path).write(svg);
  std::vector<std::filesystem::path> added{path};
  if (!can_render_png()) {
    static std::atomic<bool> told{false};
    if (!told.exchange(true))
      log::warn("figures are written as SVG alone: this build has no librsvg to draw PNG");
    return added;
  }
  std::string png;
  try {
    png = render_png(svg);
  } catch (const Error& problem) {
    log::warn("{}: {}", path.string(), problem.what());
    return added;
  }
  added.push_back(std::filesystem::path(path).replace_extension(".png"));
  group.add(added.back()).write(png);
  return added;
}

}  // namespace qcface
