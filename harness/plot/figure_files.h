// The files of a figure.
#pragma once

#include <filesystem>
#include <vector>

#include "core/atomic_file.h"
#include "harness/plot/svg_plot.h"

namespace qcface {

/// Adds <path>, an SVG, and a PNG of the same name beside it (png.h) to the group. Returns their paths, the SVG first. A PNG
/// that cannot be drawn is left out with a warning, in a build without librsvg with one in all.
std::vector<std::filesystem::path> add_figure(FileGroup& group, const std::filesystem::path& path,
                                              const Plot& plot);

}  // namespace qcface
