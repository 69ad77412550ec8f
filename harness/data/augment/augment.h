// The published training augmentation (data-formats.md section 12) in two halves: a pure draw of the
// parameters, and their application to a picture. The draw depends on (seed, epoch, dataset index) only.
#pragma once

#include <cstdint>
#include <memory>

#include "harness/data/image.h"

namespace qcface::data {

/// Of gamma, whose tables are made once.
inline constexpr int kLeastGammaPercent = 50, kMostGammaPercent = 200;

/// One picture's parameters, steps in the order they are applied. The default leaves the picture as it is.
struct AugmentDraw {
  int quarter_turns = 0;      // counter-clockwise, 0..3
  bool flip_columns = false;  // HorizontalFlip
  bool flip_rows = false;     // VerticalFlip
  int blur = 0;               // 0 (off), 3, 5 or 7
  int median = 0;             // 0 (off), 3, 5 or 7
  double clahe_clip = 0.0;    // 0 (off), else 1..4
  bool brightness_contrast = false;
  double alpha = 1.0;     // contrast factor, 0.8..1.2
  double beta = 0.0;      // brightness shift as a share of 255, -0.2..0.2
  int gamma_percent = 0;  // 0 (off), else 80..120; kLeastGammaPercent to kMostGammaPercent can be applied
  int jpeg_quality = 0;   // 0 (off), else 20..100; 1 to 100 can be applied
};

/// The parameters of one picture in one epoch: stream (seed, kAugment, epoch, dataset_index). Every number is
/// drawn whether its step is on or not, so a step never shifts the draws of the next.
AugmentDraw draw_augmentation(std::uint64_t seed, std::uint32_t epoch, std::uint64_t dataset_index);

/// Applies draws, in place. Owns the scratch memory; one a thread.
class Augmenter {
 public:
  /// jpeg_swap_rb repeats the reference's quirk of handing RGB to an encoder that expects BGR.
  explicit Augmenter(bool jpeg_swap_rb = false);
  ~Augmenter();
  Augmenter(Augmenter&&) noexcept;
  Augmenter& operator=(Augmenter&&) noexcept;

  /// Throws Error only for parameters that cannot be applied.
  void apply(const AugmentDraw& draw, Image& image);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace qcface::data
