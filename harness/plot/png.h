// SVG figures as PNG, by librsvg and cairo.
#pragma once

#include <string>
#include <string_view>

namespace qcface {

/// Whether this build draws PNG at all.
bool can_render_png();

/// Pixels of a PNG to one of the SVG: a figure of 620 pixels is 6.2 inches wide at 300 dpi.
inline constexpr double kPngScale = 3;

/// A PNG of such an SVG file on a white background, RGB, width and height times `scale`. Text takes the system's sans-serif font.
/// Throws Error where the text is no SVG, has no size, would be larger than 100 million pixels, or this build cannot.
std::string render_png(std::string_view svg, double scale = kPngScale);

}  // namespace qcface
