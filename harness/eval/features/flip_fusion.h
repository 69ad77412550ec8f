// Fusion of the embedding f of a picture and g of its mirror image (protocols.md section 2), u = f/|f|, v =
// g/|g|:
//   kNone              f
//   kAverage           unit(u + v) (|f| + |g|)/2             (QCFace on IJB)
//   kNormWeighted      unit(|f| u + |g| v) (|f| + |g|)/2
//   kVectorAdd         f + g                                 (InsightFace)
//   kConcat            unit([u, v]) (|f| + |g|)/2, twice as wide
// The length of the fused vector is its magnitude.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace qcface::eval {

enum class FlipFusion { kNone, kAverage, kNormWeighted, kVectorAdd, kConcat };

std::string_view name_of(FlipFusion fusion);  // "none", "average", "norm_weighted_avg", ...
/// Throws Error listing the known names.
FlipFusion flip_fusion_from_name(std::string_view name);

/// Width of the fused vector: 2 D for kConcat, else D.
std::int64_t fused_width(FlipFusion fusion, std::int64_t width);

/// out [fused_width]; g may be empty for kNone. In double, rounded once.
void fuse(FlipFusion fusion, std::span<const float> f, std::span<const float> g, std::span<float> out);
void fuse(FlipFusion fusion, std::span<const double> f, std::span<const double> g, std::span<double> out);

}  // namespace qcface::eval
