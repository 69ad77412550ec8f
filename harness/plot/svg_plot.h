// A small SVG plot writer: line plots, step histograms, bands, points; linear or log axes; legend; colours
// that read on light and dark pages (CSS custom properties with fallbacks, so a stand-alone file works too).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qcface {

enum class Scale { kLinear, kLog10 };

struct Axis {
  std::string label;  // with unit
  Scale scale = Scale::kLinear;
  std::optional<double> min, max;  // empty: from the data, with a margin on linear axes
};

enum class Mark { kLine, kDashed, kPoints, kSteps };

struct Series {
  std::string name;          // legend; empty = not listed
  std::vector<double> x, y;  // NaN breaks the line; kSteps: x has one entry more than y (bin edges)
  Mark mark = Mark::kLine;
  int colour = 0;       // index into the palette; -1 = muted grey
  double width = 1.75;  // pixels
  double opacity = 1.0;
};

/// Area between low and high, for min..max or quartiles.
struct Band {
  std::string name;
  std::vector<double> x, low, high;
  int colour = 0;
  double opacity = 0.16;
};

struct Plot {
  std::string title;  // also the accessible name
  Axis x, y;
  std::vector<Band> bands;  // drawn below the series
  std::vector<Series> series;
  int width = 520, height = 300;
  bool legend = true;
};

/// The <svg> element. Without finite data it holds the axes' frame and the words "no data".
std::string render_svg(const Plot& plot);
/// For a file: with an XML header, and plain colours instead of custom properties.
std::string render_svg_file(const Plot& plot);

/// About `count` round tick values inside [low, high] (1, 2, 5 times a power of ten).
std::vector<double> nice_ticks(double low, double high, int count);
/// Decades inside [low, high]; 2 and 5 between them when there are few.
std::vector<double> log_ticks(double low, double high);
/// Shortest readable form: 0.25, 1200, 12k, 1e-5.
std::string tick_label(double value, double step);
/// Text of an element or attribute: always valid UTF-8 and XML; bytes that are no UTF-8 as \xHH.
std::string escape_xml(std::string_view text);

}  // namespace qcface
