#include "nn/scoring/cuda/largest_scores.h"

#include <algorithm>
#include <limits>

namespace qcface::nn::cuda {
namespace {

constexpr double kNone = -std::numeric_limits<double>::infinity();

}  // namespace

LargestScores::LargestScores(ScoringDevice& device, std::int64_t wanted, std::int64_t at_once)
    : device_(device), wanted_(wanted), at_once_(at_once), bar_(kNone) {
  if (wanted == 0) return;
  for (Array<double>& memory : memory_) memory = device.array<double>(room(), "scores of impostors");
  found_ = device.array<std::int64_t>(1, "a count");
  values_ = {memory_[0].data(), memory_[1].data()};
}

void LargestScores::offer(const double* values, std::int64_t count) {
  if (wanted_ == 0) return;
  for (std::int64_t first = 0; first < count; first += at_once_) {
    const std::int64_t some = std::min(at_once_, count - first);
    if (count_ + some > room() || (count_ > wanted_ && bar_ == kNone)) cut();
    device_.collectively([&](Scratch* scratch) {
      select_above(scratch, values + first, some, bar_, values_.values + count_, found_.data(),
                   device_.stream());
    });
    count_ += device_.value_of(found_.data());
  }
}

void LargestScores::cut() {
  device_.collectively(
      [&](Scratch* scratch) { sort_descending(scratch, &values_, count_, device_.stream()); });
  count_ = std::min(count_, wanted_);
  if (count_ == wanted_) bar_ = device_.value_of(values_.values + wanted_ - 1);
}

std::vector<double> LargestScores::descending() {
  if (wanted_ == 0 || count_ == 0) return {};
  cut();
  std::vector<double> sorted(static_cast<std::size_t>(count_));
  device_.download(sorted.data(), values_.values, sorted.size());
  device_.wait();
  return sorted;
}

}  // namespace qcface::nn::cuda
