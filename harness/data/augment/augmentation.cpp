#include "harness/data/augment/augmentation.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "harness/console/number.h"
#include "harness/console/usage.h"
#include "harness/data/augment/augment.h"

namespace qcface::data {
namespace {

using Values = StepInfo::Values;

// Default ranges are those of the published augmentation; of the degradations, what the levels of a study cover without
// their worst. Limits are what the operations take; a sigma of 20 pixels leaves nothing of a face of 112.
constexpr std::array<StepInfo, 14> kSteps{{
    {StepKind::kTurn, "turn", Values::kInteger, 0, 3, 0, 3, "quarter turns counter-clockwise"},
    {StepKind::kHflip, "hflip", Values::kNone, 0, 0, 0, 0, "left and right exchanged"},
    {StepKind::kVflip, "vflip", Values::kNone, 0, 0, 0, 0, "upside down"},
    {StepKind::kBox, "box", Values::kOdd, 3, 7, 3, 7, "window of a box mean, in pixels"},
    {StepKind::kMedian, "median", Values::kOdd, 3, 7, 3, 7, "window of a median, in pixels"},
    {StepKind::kClahe, "clahe", Values::kReal, 1, 4, 1, 40, "contrast limit"},
    {StepKind::kTone, "tone", Values::kReal, -0.2, 0.2, -1, 1,
     "change of contrast, and of brightness, as shares"},
    {StepKind::kGamma, "gamma", Values::kInteger, 80, 120, kLeastGammaPercent, kMostGammaPercent, "percent"},
    {StepKind::kJpeg, "jpeg", Values::kInteger, 20, 100, 1, 100, "quality"},
    {StepKind::kBlur, "blur", Values::kReal, 0.5, 4, 0, 20, "sigma of a Gaussian, in pixels"},
    {StepKind::kDownUp, "downup", Values::kReal, 1, 6, 1, 64, "factor of shrinking and enlarging again"},
    {StepKind::kNoise, "noise", Values::kReal, 2, 40, 0, 255, "sigma of Gaussian noise, in 8-bit steps"},
    {StepKind::kOcclusion, "occlusion", Values::kReal, 0.02, 0.4, 0, 1,
     "share of the area under a grey rectangle"},
    {StepKind::kBrightness, "brightness", Values::kReal, 0, 120, 0, 255,
     "shift towards black, in 8-bit steps"},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kSteps.size(); ++i) {
    if (static_cast<std::size_t>(kSteps[i].kind) != i) return false;
  }
  return true;
}
static_assert(in_order());

constexpr std::array<std::pair<const char*, AugmentMode>, 2> kModes{
    {{"published", AugmentMode::kPublished}, {"none", AugmentMode::kNone}}};
constexpr const char* kAligned = "aligned";

std::vector<std::string> step_names() {
  std::vector<std::string> names;
  for (const StepInfo& info : kSteps) names.emplace_back(info.name);
  return names;
}

std::string_view trimmed(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

std::string range_text(double low, double high) {
  return low == high ? fmt::format("[{}]", low) : fmt::format("[{}..{}]", low, high);
}

// Reads one step; `where` begins its messages.
class StepReader {
 public:
  StepReader(std::string_view text, std::string where) : text_(text), where_(std::move(where)) {}

  AugmentStep read() {
    const std::string_view name = text_.substr(0, text_.find_first_of(":["));
    std::string_view rest = text_.substr(name.size());
    info_ = &known(trimmed(name));
    step_ = {info_->kind, kStepProbability, info_->low, info_->high};
    if (rest.starts_with(':')) {
      const std::size_t bracket = std::min(rest.find('['), rest.size());
      const std::string_view probability = trimmed(rest.substr(1, bracket - 1));
      step_.probability = NumberRange<double>{0, 1}.from_text(probability, where_ + ": its probability");
      rest.remove_prefix(bracket);
    }
    if (!rest.empty()) read_range(rest);
    return step_;
  }

 private:
  const StepInfo& known(std::string_view name) const {
    for (const StepInfo& info : kSteps) {
      if (name == info.name) return info;
    }
    for (const char* whole : {kModes[0].first, kModes[1].first, kAligned})
      require_usage(name != whole, "{}: {} is a whole augmentation: give it alone", where_, whole);
    const std::vector<std::string> names = step_names();
    throw UsageError(fmt::format("{}: {}, expected one of {}{}", where_,
                                 name.empty() ? "its name is missing" : "there is no such step",
                                 fmt::join(names, ", "), did_you_mean(name, names)));
  }

  std::string example() const {
    return text_of(AugmentStep{info_->kind, kStepProbability, info_->low, info_->high});
  }

  void read_range(std::string_view text) {
    require_usage(info_->values != Values::kNone, "{}: {} has no value, expected it without [ ], as in {}",
                  where_, info_->name, example());
    const std::size_t end = text.find(']');
    require_usage(end != std::string_view::npos, "{}: its [ is not closed by a ], expected a range as in {}",
                  where_, example());
    require_usage(end + 1 == text.size(),
                  "{}: \"{}\" stands behind its range, expected name:probability[low..high], as in {}",
                  where_, printable(text.substr(end + 1), 40), example());
    const std::string_view range = text.substr(1, end - 1);
    const std::size_t dots = range.find("..");
    if (dots == std::string_view::npos) {
      step_.low = step_.high = number(range, "its value");
      return;
    }
    step_.low = number(range.substr(0, dots), "the low end of its range");
    step_.high = number(range.substr(dots + 2), "the high end of its range");
    require_usage(step_.low <= step_.high,
                  "{}: its range begins at {} and ends below it, at {}: exchange them", where_, step_.low,
                  step_.high);
  }

  double number(std::string_view text, const char* what) const {
    const std::string name = fmt::format("{}: {}", where_, what);
    const double value = NumberRange<double>{info_->least, info_->most}.from_text(trimmed(text), name);
    if (info_->values == Values::kInteger)
      require_usage(value == std::floor(value), "{} is {}, expected an integer ({})", name, value,
                    info_->meaning);
    if (info_->values == Values::kOdd)
      require_usage(std::fmod(value, 2) == 1, "{} is {}, expected an odd number ({})", name, value,
                    info_->meaning);
    return value + 0.0;  // -0 would be written with its sign
  }

  const std::string_view text_;
  const std::string where_;
  const StepInfo* info_ = nullptr;
  AugmentStep step_;
};

}  // namespace

std::span<const StepInfo> step_table() { return kSteps; }

const StepInfo& info_of(StepKind kind) { return kSteps[static_cast<std::size_t>(kind)]; }

Augmentation augmentation_from_text(std::string_view text, const std::string& option) {
  text = trimmed(text);
  for (const auto& [name, mode] : kModes) {
    if (text == name) return mode;
  }
  if (text == kAligned) text = kAlignedSteps;
  require_usage(!text.empty(), "{} is empty, expected published, none, aligned, or steps of {}", option,
                fmt::join(step_names(), ", "));
  Augmentation augmentation(AugmentMode::kList);
  while (true) {
    const std::string_view step = text.substr(0, text.find(','));
    augmentation.steps.push_back(
        StepReader(trimmed(step), fmt::format("{}: step {} \"{}\"", option, augmentation.steps.size() + 1,
                                              printable(trimmed(step), 60)))
            .read());
    if (step.size() == text.size()) return augmentation;
    text.remove_prefix(step.size() + 1);
  }
}

std::string text_of(const AugmentStep& step) {
  const StepInfo& info = info_of(step.kind);
  return fmt::format("{}:{}{}", info.name, step.probability,
                     info.values == Values::kNone ? "" : range_text(step.low, step.high));
}

std::string text_of(const Augmentation& augmentation) {
  for (const auto& [name, mode] : kModes) {
    if (augmentation.mode == mode) return name;
  }
  std::string text;
  for (const AugmentStep& step : augmentation.steps) text += (text.empty() ? "" : ",") + text_of(step);
  return text;
}

std::string describe_steps() {
  std::string text;
  for (const StepInfo& info : kSteps) {
    text += fmt::format("{}{}{}: {}", text.empty() ? "" : "; ", info.name,
                        info.values == Values::kNone ? "" : range_text(info.low, info.high), info.meaning);
    if (info.values == Values::kOdd) text += ", odd";
  }
  return text;
}

}  // namespace qcface::data
