#include "harness/eval/features/flip_fusion.h"

#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "core/error.h"

namespace qcface::eval {
namespace {

constexpr std::array<std::pair<FlipFusion, std::string_view>, 5> kNames{{
    {FlipFusion::kNone, "none"},
    {FlipFusion::kAverage, "average"},
    {FlipFusion::kNormWeighted, "norm_weighted_avg"},
    {FlipFusion::kVectorAdd, "pre_norm_vector_add"},
    {FlipFusion::kConcat, "concat"},
}};

double length(std::span<const double> f) {
  double sum = 0;
  for (const double value : f) sum += value * value;
  return std::sqrt(sum);
}

}  // namespace

std::string_view name_of(FlipFusion fusion) {
  for (const auto& [value, name] : kNames) {
    if (value == fusion) return name;
  }
  return "unknown";
}

FlipFusion flip_fusion_from_name(std::string_view wanted) {
  for (const auto& [value, name] : kNames) {
    if (name == wanted) return value;
  }
  fail("flip fusion '{}' is not known; known: none, average, norm_weighted_avg, pre_norm_vector_add, concat",
       wanted);
}

std::int64_t fused_width(FlipFusion fusion, std::int64_t width) {
  return fusion == FlipFusion::kConcat ? 2 * width : width;
}

void fuse(FlipFusion fusion, std::span<const double> f, std::span<const double> g, std::span<double> out) {
  const std::size_t width = f.size();
  require(fusion == FlipFusion::kNone || g.size() == width,
          "flip fusion: the mirrored embedding has width {}, the plain one {}", g.size(), width);
  require(out.size() == static_cast<std::size_t>(fused_width(fusion, static_cast<std::int64_t>(width))),
          "flip fusion: the output has width {}", out.size());
  if (fusion == FlipFusion::kNone) {
    for (std::size_t i = 0; i < width; ++i) out[i] = f[i];
    return;
  }
  if (fusion == FlipFusion::kVectorAdd) {
    for (std::size_t i = 0; i < width; ++i) out[i] = f[i] + g[i];
    return;
  }
  const double norm_f = length(f);
  const double norm_g = length(g);
  const double unit_f = 1.0 / (norm_f > 0 ? norm_f : 1.0);
  const double unit_g = 1.0 / (norm_g > 0 ? norm_g : 1.0);
  for (std::size_t i = 0; i < width; ++i) {
    switch (fusion) {
      case FlipFusion::kAverage:
        out[i] = f[i] * unit_f + g[i] * unit_g;
        break;
      case FlipFusion::kNormWeighted:
        out[i] = f[i] + g[i];  // |f| u + |g| v; the divisor |f| + |g| falls out of the direction
        break;
      default:  // kConcat
        out[i] = f[i] * unit_f;
        out[width + i] = g[i] * unit_g;
    }
  }
  const double direction = length(out);
  const double scale = (norm_f + norm_g) / 2 / (direction > 0 ? direction : 1.0);
  for (double& value : out) value *= scale;
}

void fuse(FlipFusion fusion, std::span<const float> f, std::span<const float> g, std::span<float> out) {
  const std::vector<double> df(f.begin(), f.end());
  const std::vector<double> dg(g.begin(), g.end());
  std::vector<double> result(out.size());
  fuse(fusion, df, dg, result);
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(result[i]);
}

}  // namespace qcface::eval
