// What is done to training pictures, as a user writes it (data-formats.md section 12): the published augmentation, nothing,
// or a list of steps that are applied in its order.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qcface::data {

enum class AugmentMode { kNone, kPublished, kList };

enum class StepKind {
  kTurn,
  kHflip,
  kVflip,
  kBox,
  kMedian,
  kClahe,
  kTone,
  kGamma,
  kJpeg,
  kBlur,
  kDownUp,
  kNoise,
  kOcclusion,
  kBrightness,
};

/// A row of the one table that parser, help, messages, draws and documents go by.
struct StepInfo {
  enum class Values { kNone, kReal, kInteger, kOdd };

  StepKind kind;
  const char* name;
  Values values;
  double low, high;     // the range where the list names none
  double least, most;   // what a range may hold
  const char* meaning;  // of the value, with its unit; of a step without value: the effect
};
std::span<const StepInfo> step_table();  // in the order of StepKind
const StepInfo& info_of(StepKind kind);

inline constexpr double kStepProbability = 0.5;  // where the list names none

struct AugmentStep {
  StepKind kind = StepKind::kHflip;
  double probability = kStepProbability;  // 0..1
  double low = 0, high = 0;               // value: uniform over it, both ends included where it is an integer
  bool operator==(const AugmentStep&) const = default;
};

struct Augmentation {
  AugmentMode mode = AugmentMode::kNone;
  std::vector<AugmentStep> steps;  // of kList

  Augmentation() = default;
  Augmentation(AugmentMode plain) : mode(plain) {}  // NOLINT: a mode that needs no list is an augmentation
  bool operator==(const Augmentation&) const = default;
};

/// The preset for aligned faces, as a list: the mirror image, and what lowers quality. No turns: an aligned face is upright.
inline constexpr std::string_view kAlignedSteps =
    "hflip:0.5,downup:0.15[1..12],blur:0.15[0.5..6],noise:0.1[5..90],occlusion:0.15[0.05..0.6],"
    "brightness:0.15[0..170],jpeg:0.15[1..40]";

/// "published", "none", "aligned", or steps separated by commas: name, name:probability, name[low..high], name[value],
/// name:probability[low..high]; blanks around a step do not count. Throws UsageError beginning with `option`: an unknown step
/// with the nearest known one, a probability or range out of its limits, low above high, a bracket that is not closed.
Augmentation augmentation_from_text(std::string_view text, const std::string& option);
/// A text that augmentation_from_text() makes the same of: "published", "none", or every step with probability and range.
std::string text_of(const Augmentation& augmentation);
/// One step of that text.
std::string text_of(const AugmentStep& step);
/// The steps with their default ranges and units, for the help of an option.
std::string describe_steps();

}  // namespace qcface::data
