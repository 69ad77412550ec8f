// An augmentation on one picture after another: what each step of a list draws, and its effect (data-formats.md section 12).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "harness/data/augment/augment.h"
#include "harness/data/augment/augmentation.h"
#include "harness/data/image.h"

namespace qcface::data {

/// What one step of a list drew for one picture. All of it is drawn, whether the step is on or not.
struct StepDraw {
  bool on = false;
  double value = 0;          // in the step's range
  double second = 0;         // likewise; tone's brightness
  std::uint64_t stream = 0;  // seed of the step's own numbers: noise, place of the rectangle
};
/// Words 8 p to 8 p + 7 of the stream (seed, kAugmentStep, epoch, entry), p the step's position in the list: it depends on
/// nothing else, so another step before or behind it changes nothing of its draw.
StepDraw draw_step(const AugmentStep& step, std::uint64_t seed, std::uint32_t epoch, std::uint64_t entry,
                   std::size_t position);

/// Owns the scratch memory; one a thread.
class PictureAugmenter {
 public:
  /// jpeg_swap_rb is a quirk of the published augmentation (augment.h); a list has none.
  PictureAugmenter(Augmentation augmentation, std::uint64_t seed, bool jpeg_swap_rb);

  /// In place. `entry` is that of EpochPlan::order().
  void apply(std::uint32_t epoch, std::uint64_t entry, Image& image);

  /// The steps that apply_in_steps() counts.
  std::vector<std::string> step_names() const;
  /// The same pixels, but hands every step that this picture's draw has to `around`, which runs it: to measure it.
  using Around = std::function<void(std::size_t step, const std::function<void()>& run)>;
  void apply_in_steps(std::uint32_t epoch, std::uint64_t entry, Image& image, const Around& around);

 private:
  void apply_step(const AugmentStep& step, const StepDraw& draw, Image& image);

  const Augmentation augmentation_;
  const std::uint64_t seed_;
  Augmenter augmenter_;
};

}  // namespace qcface::data
