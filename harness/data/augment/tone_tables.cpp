#include "harness/data/augment/tone_tables.h"

#include <algorithm>
#include <cmath>

namespace qcface::data {

ToneTable brightness_contrast_table(double alpha, double beta) {
  ToneTable table;
  const auto factor = static_cast<float>(alpha);
  const auto shift = static_cast<float>(beta * 255.0);
  for (std::size_t v = 0; v < table.size(); ++v) {
    const float scaled = static_cast<float>(v) * factor;  // two roundings: never contracted to one
    table[v] = static_cast<std::uint8_t>(std::clamp(scaled + shift, 0.0f, 255.0f));
  }
  return table;
}

ToneTable gamma_table(double gamma) {
  ToneTable table;
  for (std::size_t v = 0; v < table.size(); ++v) {
    table[v] = static_cast<std::uint8_t>(std::pow(static_cast<double>(v) * (1.0 / 255.0), gamma) * 255.0);
  }
  return table;
}

ToneTable compose(const ToneTable& first, const ToneTable& second) {
  ToneTable table;
  for (std::size_t v = 0; v < table.size(); ++v) table[v] = second[first[v]];
  return table;
}

void apply(const ToneTable& table, Image& image) {
  std::uint8_t* const data = image.data();
  const std::size_t bytes = image.bytes();
  for (std::size_t i = 0; i < bytes; ++i) data[i] = table[data[i]];
}

}  // namespace qcface::data
