#include "harness/eval/measures/scores.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "core/error.h"
#include "harness/eval/measures/pair_scores.h"

namespace qcface::eval {
namespace {

constexpr std::array<QmfPreset, 10> kPresets{{
    {"qcface/ir18", 0.02323473949482023, 0.02969502085476521},
    {"qcface/ir50", 0.05298834571695404, 0.08483867351227943},
    {"qcface/ir100", 0.021486797990885483, 0.030095898385268535},
    {"magface/ir18", 0.020954943801255458, 4.8051245064235626e-30},
    {"magface/ir50", 0.4734050630153164, 0.6396150228991917},
    {"magface/ir100", 0.21816225563519392, 0.32816204253326076},
    {"adaface", 0.0, 0.0},
    {"qmagface/ir18", 0.092861, 0.135311},
    {"qmagface/ir50", 0.065984, 0.103799},
    {"qmagface/ir100", 0.077428, 0.125926},
}};

double dot(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

}  // namespace

double magnitude(std::span<const float> f) { return std::sqrt(dot(f, f)); }

double cosine(std::span<const float> f1, std::span<const float> f2) {
  require(f1.size() == f2.size(), "cosine: embeddings of different width, {} and {}", f1.size(), f2.size());
  const double length1 = magnitude(f1);
  const double length2 = magnitude(f2);
  return dot(f1, f2) / ((length1 > 0 ? length1 : 1.0) * (length2 > 0 ? length2 : 1.0));
}

double distance(std::span<const float> f1, std::span<const float> f2) {
  require(f1.size() == f2.size(), "distance: embeddings of different width, {} and {}", f1.size(), f2.size());
  double sum = 0;
  for (std::size_t i = 0; i < f1.size(); ++i) {
    const double difference = static_cast<double>(f1[i]) - static_cast<double>(f2[i]);
    sum += difference * difference;
  }
  return std::sqrt(sum);
}

void scale_euclid(std::span<double> scores) {
  if (scores.empty()) return;
  const auto [low, high] = std::minmax_element(scores.begin(), scores.end());
  const double largest = -*low, smallest = -*high;
  for (double& score : scores) score = (largest + score) / (largest - smallest + 1e-10);
}

std::span<const QmfPreset> qmf_presets() { return kPresets; }

QmfConstants qmf_preset(std::string_view name) {
  std::vector<std::string_view> names;
  for (const QmfPreset& preset : kPresets) {
    if (preset.name == name) return {preset.alpha, preset.beta, fmt::format("preset {}", name)};
    names.push_back(preset.name);
  }
  fail("quality-aware score: no preset '{}'; known: {}", name, fmt::join(names, ", "));
}

ClassCounts check_pairs(std::span<const double> scores, std::span<const char> same, std::string_view what) {
  require(scores.size() == same.size(), "{}: {} scores but {} labels", what, scores.size(), same.size());
  require(!scores.empty(), "{}: no pair to measure; is the pair list empty, or no picture readable?", what);
  ClassCounts counts;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    require(std::isfinite(scores[i]),
            "{}: the score of pair {} (counted from 0) is {}; look for NaN in the embeddings or magnitudes",
            what, i, scores[i]);
    if (same[i]) {
      ++counts.same;
    } else {
      ++counts.different;
    }
  }
  require(
      counts.same > 0,
      "{}: none of the {} pairs shows the same person; a measure needs pairs of both kinds (third field 1)",
      what, scores.size());
  require(
      counts.different > 0,
      "{}: none of the {} pairs shows different people; a measure needs pairs of both kinds (third field 0)",
      what, scores.size());
  return counts;
}

}  // namespace qcface::eval
