#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/text.h"
#include "harness/plot/svg_plot.h"

namespace qcface {

std::vector<double> nice_ticks(double low, double high, int count) {
  if (!(high > low) || count < 1) return {low};
  const double raw = (high - low) / count;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= raw * 0.75) {
      step = factor * power;
      break;
    }
  }
  std::vector<double> ticks;
  const double first = std::ceil(low / step - 1e-9);
  // A range of a few units in the last place has no such ticks: i + 1 is i there.
  const double last = std::min(high / step + 1e-9, first + 2.0 * count);
  for (double i = first; i <= last && ticks.size() <= 2 * static_cast<std::size_t>(count); ++i)
    ticks.push_back(i * step == 0 ? 0.0 : i * step);
  return ticks;
}

std::vector<double> log_ticks(double low, double high) {
  if (!(low > 0) || !(high >= low)) return {};
  const int first = static_cast<int>(std::floor(std::log10(low) + 1e-9));
  const int last = static_cast<int>(std::ceil(std::log10(high) - 1e-9));
  const bool few = last - first <= 2;
  // A long range would crowd the axis: every second, third... decade then.
  const int stride = std::max(1, (last - first + 7) / 8);
  std::vector<double> ticks;
  for (int decade = first; decade <= last; ++decade) {
    if ((decade - first) % stride) continue;
    for (const double factor : {1.0, 2.0, 5.0}) {
      if (factor > 1 && !few) continue;
      const double tick = factor * std::pow(10.0, decade);
      if (tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9)) ticks.push_back(tick);
    }
  }
  return ticks;
}

std::string tick_label(double value, double step) {
  if (value == 0) return "0";
  const double size = std::fabs(value);
  if (size < 1e-3 || size >= 1e7) {
    const int exponent = static_cast<int>(std::floor(std::log10(size) + 1e-9));
    const double mantissa = value / std::pow(10.0, exponent);
    return fmt::format("{:.3g}e{}", mantissa, exponent);
  }
  if (size >= 1e4 && std::fabs(value / 100 - std::round(value / 100)) < 1e-6 &&
      (step == 0 || std::fabs(step / 100 - std::round(step / 100)) < 1e-6)) {
    return fmt::format("{:g}k", value / 1000);
  }
  if (step == 0) return fmt::format("{:g}", value);
  const int digits = std::clamp(static_cast<int>(-std::floor(std::log10(std::fabs(step)) + 1e-9)), 0, 6);
  return fmt::format("{:.{}f}", value, digits);
}

std::string escape_xml(std::string_view text) {
  std::string escaped;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const auto lead = static_cast<unsigned char>(text[0]);
    if (lead == '&') {
      escaped += "&amp;";
    } else if (lead == '<') {
      escaped += "&lt;";
    } else if (lead == '>') {
      escaped += "&gt;";
    } else if (lead == '"') {
      escaped += "&quot;";
    } else if (lead == '\'') {
      escaped += "&#39;";
    } else if (length == 0) {  // names are bytes, a page is UTF-8
      escaped += fmt::format("\\x{:02x}", lead);
    } else if (lead < 0x20 && lead != '\n' && lead != '\t') {  // not allowed in XML at all
      escaped += ' ';
    } else {
      escaped += text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return escaped;
}

}  // namespace qcface
