// Known degradations at known levels, on 8-bit RGB (protocols.md section 13). Level 0 leaves the picture as
// it is; larger is worse.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "harness/data/image.h"

namespace qcface::data {

enum class Degradation {
  kBlur,        // level = sigma of a Gaussian, in pixels
  kDownUp,      // level = factor: shrunk by it (area mean), enlarged again (bicubic); 1 and below = none
  kNoise,       // level = sigma of additive Gaussian noise, in 8-bit steps
  kJpeg,        // level = 100 - quality
  kOcclusion,   // level = share of the picture's area covered by a grey rectangle
  kBrightness,  // level = shift towards black, in 8-bit steps
};
inline constexpr Degradation kAllDegradations[] = {Degradation::kBlur,      Degradation::kDownUp,
                                                   Degradation::kNoise,     Degradation::kJpeg,
                                                   Degradation::kOcclusion, Degradation::kBrightness};

std::string_view name_of(Degradation kind);  // "blur", "downup", "noise", "jpeg", "occlusion", "brightness"
/// Throws Error listing the known names.
Degradation degradation_from_name(std::string_view name);
/// The levels of the built-in study, ascending, the first one 0.
std::span<const double> study_levels(Degradation kind);

/// in -> out (may be the same object). Random parts (noise, place of the rectangle) come from the stream
/// (seed, kDegrade, kind, index) and do not depend on the level, so that levels of one picture are
/// comparable.
void degrade(const Image& in, Degradation kind, double level, std::uint64_t seed, std::uint64_t index,
             Image& out);

}  // namespace qcface::data
