// Layout, from the outside in: title, legend row(s), plot area with tick labels left and below, axis labels.
// Text uses the page's font; widths are estimated (0.56 em a character), which is enough for legends.
#include "harness/plot/svg_plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <limits>

namespace qcface {
namespace {

// Okabe-Ito, darkened or lightened where needed to hold 3:1 contrast on white and on #15181c.
constexpr std::array<const char*, 7> kPalette{"#2f74c0", "#d1651b", "#1f9a77", "#b3498b",
                                              "#a07c12", "#5f6fd0", "#c0403c"};
constexpr double kFont = 11.0;
constexpr double kCharacter = 0.56 * kFont;

std::string colour_of(int index) {
  if (index < 0) return "var(--plot-muted,#8a929c)";
  const std::size_t i = static_cast<std::size_t>(index) % kPalette.size();
  return fmt::format("var(--plot-{},{})", i, kPalette[i]);
}

std::size_t text_length(const std::string& text) {  // code points
  return static_cast<std::size_t>(std::count_if(
      text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}
double text_width(const std::string& text) { return kCharacter * static_cast<double>(text_length(text)); }

// One axis: value -> pixel.
struct Mapping {
  Scale scale = Scale::kLinear;
  double low = 0, high = 1;  // in axis space (log10 of the value for kLog10)
  double pixel_low = 0, pixel_high = 1;
  bool usable(double value) const { return std::isfinite(value) && (scale == Scale::kLinear || value > 0); }
  double space(double value) const { return scale == Scale::kLinear ? value : std::log10(value); }
  double operator()(double value) const {
    return pixel_low + (space(value) - low) / (high - low) * (pixel_high - pixel_low);
  }
};

struct Extent {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  void add(const Mapping& mapping, double value) {
    if (!mapping.usable(value)) return;
    low = std::min(low, mapping.space(value));
    high = std::max(high, mapping.space(value));
  }
  bool empty() const { return !(low <= high); }
};

void set_range(Mapping& mapping, const Axis& axis, const Extent& extent, double margin) {
  double low = extent.empty() ? 0.0 : extent.low;
  double high = extent.empty() ? 1.0 : extent.high;
  if (high - low < 1e-12 * std::max(1.0, std::fabs(high))) {  // one value: some room on both sides
    const double room = mapping.scale == Scale::kLog10 ? 0.5 : std::max(std::fabs(high) * 0.1, 0.5);
    low -= room;
    high += room;
  } else {
    const double room = (high - low) * margin;
    low -= room;
    high += room;
  }
  // A range of data that starts at or just above 0 starts the axis at 0.
  if (mapping.scale == Scale::kLinear && !extent.empty() && extent.low >= 0 && low < 0) low = 0;
  if (axis.min && mapping.usable(*axis.min)) low = mapping.space(*axis.min);
  if (axis.max && mapping.usable(*axis.max)) high = mapping.space(*axis.max);
  if (!(high > low)) high = low + 1;
  mapping.low = low;
  mapping.high = high;
}

std::vector<double> ticks_of(const Mapping& mapping, int count) {
  if (mapping.scale == Scale::kLog10)
    return log_ticks(std::pow(10.0, mapping.low), std::pow(10.0, mapping.high));
  return nice_ticks(mapping.low, mapping.high, count);
}

std::string label_of(const Mapping& mapping, const std::vector<double>& ticks, double tick) {
  if (mapping.scale == Scale::kLog10) return tick_label(tick, 0);
  return tick_label(tick, ticks.size() > 1 ? ticks[1] - ticks[0] : 0);
}

class Writer {
 public:
  explicit Writer(const Plot& plot) : plot_(plot) {}

  std::string render() {
    layout();
    fmt::format_to(
        out(),
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" width=\"{}\" height=\"{}\" "
        "role=\"img\" aria-label=\"{}\" font-family=\"var(--plot-font,system-ui,'Segoe UI',Helvetica,"
        "Arial,sans-serif)\" font-size=\"{}\">\n",
        plot_.width, plot_.height, plot_.width, plot_.height, escape_xml(plot_.title), kFont);
    if (!plot_.title.empty()) {
      fmt::format_to(
          out(), "<text x=\"{:.1f}\" y=\"15\" font-size=\"13\" font-weight=\"600\" fill=\"{}\">{}</text>\n",
          x_.pixel_low, kInk, escape_xml(plot_.title));
    }
    draw_axes();
    if (no_data_) {
      fmt::format_to(out(),
                     "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\" fill=\"{}\">no data</text>\n",
                     (x_.pixel_low + x_.pixel_high) / 2, (y_.pixel_low + y_.pixel_high) / 2, kSoft);
    } else {
      draw_marks();
      draw_legend();
    }
    svg_ += "</svg>\n";
    return std::move(svg_);
  }

 private:
  static constexpr const char* kInk = "var(--plot-ink,#6b737d)";
  static constexpr const char* kSoft = "var(--plot-soft,#7d858f)";
  static constexpr const char* kGrid = "var(--plot-grid,#8a929c)";

  std::back_insert_iterator<std::string> out() { return std::back_inserter(svg_); }

  struct Entry {
    std::string name;
    int colour;
    Mark mark;
    bool band;
    double x = 0, y = 0;
  };

  void layout() {
    x_.scale = plot_.x.scale;
    y_.scale = plot_.y.scale;
    Extent ex, ey;
    for (const Series& series : plot_.series) {
      for (const double value : series.x) ex.add(x_, value);
      for (const double value : series.y) ey.add(y_, value);
      if (series.mark == Mark::kSteps && !series.y.empty()) ey.add(y_, 0);
    }
    for (const Band& band : plot_.bands) {
      for (const double value : band.x) ex.add(x_, value);
      for (const double value : band.low) ey.add(y_, value);
      for (const double value : band.high) ey.add(y_, value);
    }
    no_data_ = ex.empty() || ey.empty();
    set_range(x_, plot_.x, ex, 0.0);
    set_range(y_, plot_.y, ey, 0.06);

    double top = plot_.title.empty() ? 8 : 26;
    x_.pixel_high = plot_.width - 14.0;
    y_.pixel_low = plot_.height - (plot_.x.label.empty() ? 24.0 : 42.0);
    y_ticks_ = ticks_of(y_, std::max(2, static_cast<int>((y_.pixel_low - top) / 42)));
    double widest = 0;
    for (const double tick : y_ticks_) widest = std::max(widest, text_width(label_of(y_, y_ticks_, tick)));
    x_.pixel_low = (plot_.y.label.empty() ? 12.0 : 30.0) + widest + 6.0;
    x_ticks_ = ticks_of(x_, std::max(2, static_cast<int>((x_.pixel_high - x_.pixel_low) / 80)));

    if (plot_.legend && !no_data_) {
      for (const Band& band : plot_.bands) {
        if (!band.name.empty()) entries_.push_back({band.name, band.colour, Mark::kLine, true});
      }
      for (const Series& series : plot_.series) {
        if (!series.name.empty()) entries_.push_back({series.name, series.colour, series.mark, false});
      }
      double x = x_.pixel_low;
      double y = top + 8;
      for (Entry& entry : entries_) {
        const double width = 24 + text_width(entry.name) + 14;
        if (x > x_.pixel_low && x + width - 14 > x_.pixel_high) {
          x = x_.pixel_low;
          y += 16;
        }
        entry.x = x;
        entry.y = y;
        x += width;
      }
      if (!entries_.empty()) top = y + 14;
    }
    y_.pixel_high = top;
  }

  void draw_axes() {
    const double left = x_.pixel_low;
    const double right = x_.pixel_high;
    const double bottom = y_.pixel_low;
    const double top = y_.pixel_high;
    fmt::format_to(out(), "<g stroke=\"{}\" stroke-width=\"1\" stroke-opacity=\"0.28\">\n", kGrid);
    for (const double tick : y_ticks_) {
      fmt::format_to(out(), "<path d=\"M{:.1f} {:.1f}H{:.1f}\"/>\n", left, y_(tick), right);
    }
    for (const double tick : x_ticks_) {
      fmt::format_to(out(), "<path d=\"M{:.1f} {:.1f}V{:.1f}\" stroke-opacity=\"0.14\"/>\n", x_(tick), bottom,
                     top);
    }
    svg_ += "</g>\n";
    fmt::format_to(out(),
                   "<path d=\"M{:.1f} {:.1f}H{:.1f}\" stroke=\"{}\" stroke-opacity=\"0.8\" fill=\"none\"/>\n",
                   left, bottom, right, kGrid);
    fmt::format_to(out(), "<g fill=\"{}\">\n", kSoft);
    for (const double tick : y_ticks_) {
      fmt::format_to(out(), "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n", left - 6,
                     y_(tick) + 3.8, label_of(y_, y_ticks_, tick));
    }
    double last_end = -1e9;
    for (const double tick : x_ticks_) {
      const std::string label = label_of(x_, x_ticks_, tick);
      const double half = text_width(label) / 2;
      if (x_(tick) - half < last_end + 6) continue;
      last_end = x_(tick) + half;
      fmt::format_to(out(), "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n",
                     std::min(x_(tick), plot_.width - 1 - half), bottom + 15, label);
    }
    if (!plot_.x.label.empty()) {
      fmt::format_to(out(), "<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\" fill=\"{}\">{}</text>\n",
                     (left + right) / 2, bottom + 33, kInk, escape_xml(plot_.x.label));
    }
    if (!plot_.y.label.empty()) {
      fmt::format_to(
          out(),
          "<text transform=\"translate(13 {:.1f}) rotate(-90)\" text-anchor=\"middle\" fill=\"{}\">{}"
          "</text>\n",
          (top + bottom) / 2, kInk, escape_xml(plot_.y.label));
    }
    svg_ += "</g>\n";
  }

  // A point clamped into the plot area's surroundings: what lies far outside a fixed range stays drawable.
  double px(double value) const { return std::clamp(x_(value), x_.pixel_low - 500, x_.pixel_high + 500); }
  double py(double value) const { return std::clamp(y_(value), y_.pixel_high - 500, y_.pixel_low + 500); }

  void draw_marks() {
    // The clip path's name must differ between the plots of a page: two plots with the same area may share it.
    const std::string clip = fmt::format("qc-clip-{:.0f}-{:.0f}-{:.0f}-{:.0f}", x_.pixel_low * 10,
                                         x_.pixel_high * 10, y_.pixel_high * 10, y_.pixel_low * 10);
    fmt::format_to(out(),
                   "<clipPath id=\"{}\"><rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>"
                   "</clipPath>\n<g clip-path=\"url(#{})\">\n",
                   clip, x_.pixel_low - 2, y_.pixel_high - 2, x_.pixel_high - x_.pixel_low + 4,
                   y_.pixel_low - y_.pixel_high + 4, clip);
    for (const Band& band : plot_.bands) draw_band(band);
    for (const Series& series : plot_.series) {
      if (series.mark == Mark::kPoints) {
        draw_points(series);
      } else if (series.mark == Mark::kSteps) {
        draw_steps(series);
      } else {
        draw_line(series);
      }
    }
    svg_ += "</g>\n";
  }

  void draw_band(const Band& band) {
    const std::size_t n = std::min({band.x.size(), band.low.size(), band.high.size()});
    const auto usable = [&](std::size_t i) {
      return x_.usable(band.x[i]) && y_.usable(band.low[i]) && y_.usable(band.high[i]);
    };
    for (std::size_t begin = 0; begin < n;) {
      if (!usable(begin)) {
        ++begin;
        continue;
      }
      std::size_t end = begin;
      while (end < n && usable(end)) ++end;
      fmt::format_to(out(), "<path fill=\"{}\" fill-opacity=\"{}\" stroke=\"none\" d=\"",
                     colour_of(band.colour), band.opacity);
      for (std::size_t i = begin; i < end; ++i) {
        fmt::format_to(out(), "{}{:.1f} {:.1f}", i == begin ? 'M' : 'L', px(band.x[i]), py(band.high[i]));
      }
      for (std::size_t i = end; i-- > begin;) {
        fmt::format_to(out(), "L{:.1f} {:.1f}", px(band.x[i]), py(band.low[i]));
      }
      svg_ += "Z\"/>\n";
      begin = end;
    }
  }

  void draw_line(const Series& series) {
    fmt::format_to(out(),
                   "<path fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" stroke-opacity=\"{}\" "
                   "stroke-linejoin=\"round\" stroke-linecap=\"round\"{} d=\"",
                   colour_of(series.colour), series.width, series.opacity,
                   series.mark == Mark::kDashed ? " stroke-dasharray=\"5 4\"" : "");
    bool pen_down = false;
    const std::size_t n = std::min(series.x.size(), series.y.size());
    for (std::size_t i = 0; i < n; ++i) {
      if (!x_.usable(series.x[i]) || !y_.usable(series.y[i])) {
        pen_down = false;
        continue;
      }
      fmt::format_to(out(), "{}{:.1f} {:.1f}", pen_down ? 'L' : 'M', px(series.x[i]), py(series.y[i]));
      // A point between two gaps would be invisible without a stroke of its own.
      if (!pen_down && (i + 1 == n || !x_.usable(series.x[i + 1]) || !y_.usable(series.y[i + 1])))
        svg_ += "h.01";
      pen_down = true;
    }
    svg_ += "\"/>\n";
  }

  void draw_points(const Series& series) {
    fmt::format_to(out(), "<g fill=\"{}\" fill-opacity=\"{}\">\n", colour_of(series.colour), series.opacity);
    const std::size_t n = std::min(series.x.size(), series.y.size());
    for (std::size_t i = 0; i < n; ++i) {
      if (!x_.usable(series.x[i]) || !y_.usable(series.y[i])) continue;
      fmt::format_to(out(), "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{}\"/>\n", px(series.x[i]),
                     py(series.y[i]), 1.3 + series.width * 0.75);
    }
    svg_ += "</g>\n";
  }

  void draw_steps(const Series& series) {
    if (series.y.empty() || series.x.size() != series.y.size() + 1) return;
    fmt::format_to(
        out(),
        "<path fill=\"{0}\" fill-opacity=\"{1:.2f}\" stroke=\"{0}\" stroke-width=\"1.25\" d=\"M{2:.1f} "
        "{3:.1f}",
        colour_of(series.colour), 0.28 * series.opacity, px(series.x[0]), y_.pixel_low);
    for (std::size_t i = 0; i < series.y.size(); ++i) {
      const double y = y_.usable(series.y[i]) ? py(series.y[i]) : y_.pixel_low;
      fmt::format_to(out(), "V{:.1f}H{:.1f}", y, px(series.x[i + 1]));
    }
    fmt::format_to(out(), "V{:.1f}\"/>\n", y_.pixel_low);
  }

  void draw_legend() {
    for (const Entry& entry : entries_) {
      const std::string colour = colour_of(entry.colour);
      if (entry.band || entry.mark == Mark::kSteps) {
        fmt::format_to(out(),
                       "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"16\" height=\"9\" rx=\"1.5\" fill=\"{}\" "
                       "fill-opacity=\"0.3\"/>\n",
                       entry.x, entry.y - 4.5, colour);
      } else if (entry.mark == Mark::kPoints) {
        fmt::format_to(out(), "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.2\" fill=\"{}\"/>\n", entry.x + 8,
                       entry.y, colour);
      } else {
        fmt::format_to(out(), "<path d=\"M{:.1f} {:.1f}h16\" stroke=\"{}\" stroke-width=\"2.2\"{}/>\n",
                       entry.x, entry.y, colour,
                       entry.mark == Mark::kDashed ? " stroke-dasharray=\"5 3\"" : "");
      }
      fmt::format_to(out(), "<text x=\"{:.1f}\" y=\"{:.1f}\" fill=\"{}\">{}</text>\n", entry.x + 21,
                     entry.y + 3.8, kInk, escape_xml(entry.name));
    }
  }

  const Plot& plot_;
  Mapping x_, y_;
  std::vector<double> x_ticks_, y_ticks_;
  std::vector<Entry> entries_;
  bool no_data_ = false;
  std::string svg_;
};

}  // namespace

std::string render_svg(const Plot& plot) { return Writer(plot).render(); }

std::string render_svg_file(const Plot& plot) {
  // Many SVG programs know no CSS variables and would draw nothing: "var(--name,fallback)" becomes its fallback.
  const std::string svg = render_svg(plot);
  std::string resolved = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  std::size_t at = 0;
  for (std::size_t begin; (begin = svg.find("var(--plot-", at)) != std::string::npos;) {
    const std::size_t comma = svg.find(',', begin);
    const std::size_t end = svg.find(')', begin);
    resolved.append(svg, at, begin - at).append(svg, comma + 1, end - comma - 1);
    at = end + 1;
  }
  return resolved.append(svg, at, std::string::npos);
}

}  // namespace qcface
