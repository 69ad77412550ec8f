#include "harness/train/divergence.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace qcface::train {
namespace {

constexpr double kPublishedRate = 0.1;          // of SGD, batches of 512
constexpr double kPublishedLambda = 1;          // of the published script, from scratch
constexpr std::int64_t kFewestStatistics = 16;  // pictures that batch norm takes its statistics from
constexpr std::int64_t kEarly = 1000;           // a warm-up is over by then
// Below this length the guidance's slope, up to 3422/(z + 0.001)^2 (math.md section 5), is that of no other part of the loss.
constexpr double kShort = 1;
constexpr double kSlope = 3422;

// MagFace's loss on magnitudes is bounded (its lengths are clamped), and it needs its large lambda.
bool is_guided(const TrainOptions& o) {
  return o.phase == QCF_PHASE_NORM && o.lambda_g > 0 && o.loss_model != QCF_HEAD_MAGFACE &&
         qcf_head_has_magnitude_loss(o.loss_model) != 0;
}

bool is_short(const Trend& trend) { return trend.steps > 0 && trend.smallest_length < kShort; }

// Nothing else need be looked at.
bool is_far_too_fast(const Divergence& at) { return at.lr > 10 * kPublishedRate; }

std::string likely_cause(const TrainOptions& o, const Trend& trend, const Divergence& at) {
  if (is_far_too_fast(at))
    return fmt::format("the learning rate, {:g} at this step (published: {:g} with batches of 512)", at.lr,
                       kPublishedRate);
  if (is_guided(o) && is_short(trend)) {
    const double z = trend.smallest_length + 1e-3;
    return fmt::format(
        "short embeddings: the smallest magnitude of the step before was {:.3g}, where the guidance pulls "
        "with a slope "
        "of up to {:.1e} times lambda {:g}",
        trend.smallest_length, kSlope / (z * z), o.lambda_g);
  }
  if (o.precision != nn::Precision::kFp32)
    return fmt::format("the precision, {}, or the learning rate, {:g} at this step", nn::name_of(o.precision),
                       at.lr);
  if (at.step <= kEarly && o.warmup_steps == 0)
    return fmt::format("the full learning rate, {:g}, from the first step on", at.lr);
  return fmt::format("the learning rate, {:g} at this step", at.lr);
}

// A warm-up that would have covered the step, at most half the run; 0: it would change nothing.
std::int64_t better_warmup(const TrainOptions& o, const Divergence& at) {
  if (at.step > std::max(2 * o.warmup_steps, kEarly)) return 0;
  const std::int64_t epoch = std::clamp<std::int64_t>(at.steps_per_epoch, 100, kEarly);
  const std::int64_t wanted = std::max(epoch, 2 * o.warmup_steps);
  const std::int64_t run =
      o.max_steps > 0 ? o.max_steps : o.epochs * std::max<std::int64_t>(at.steps_per_epoch, 1);
  const std::int64_t warmup = std::min(wanted, run / 2);
  return warmup > o.warmup_steps ? warmup : 0;
}

}  // namespace

void Trend::add(const FinishedStep& step) {
  const std::span<const float> lengths = step.head.lengths;
  if (lengths.empty()) return;
  lr = step.order.lr;
  mean_length = std::accumulate(lengths.begin(), lengths.end(), 0.0) / static_cast<double>(lengths.size());
  smallest_length = *std::min_element(lengths.begin(), lengths.end());
  if (steps++ == 0) first_mean_length = mean_length;
}

std::string divergence_advice(const TrainOptions& o, const Trend& trend, const Divergence& at) {
  std::vector<std::string> changes;
  const auto change = [&](const char* flag, const auto& better, const auto& now) {
    changes.push_back(fmt::format("{} {} (now {})", flag, better, now));
  };
  const double rate = o.lr > kPublishedRate ? kPublishedRate : o.lr / 10;
  change("--lr", fmt::format("{:g}", rate), fmt::format("{:g}", o.lr));
  if (const std::int64_t warmup = better_warmup(o, at); warmup > 0)
    change("--warmup-steps", warmup, o.warmup_steps);
  const std::string cause = "Likely cause: " + likely_cause(o, trend, at);
  const auto text = [&] {
    return fmt::format("{}. What helps, the first most: {}", cause, fmt::join(changes, ", "));
  };
  if (is_far_too_fast(at)) return text();
  if (o.weight_decay > 0.01) change("--weight-decay", "0.0005", fmt::format("{:g}", o.weight_decay));
  if (o.precision != nn::Precision::kFp32) change("--precision", "fp32", nn::name_of(o.precision));
  const std::int64_t statistics = o.batch_size / std::max(o.accumulate, 1);
  if (statistics < kFewestStatistics && o.accumulate > 1) {
    change("--accumulate", 1, o.accumulate);
  } else if (statistics < kFewestStatistics) {
    change("--batch-size", 4 * kFewestStatistics, o.batch_size);
  }
  if (is_guided(o) && (o.lambda_g > kPublishedLambda || is_short(trend))) {
    const double lambda = o.lambda_g > kPublishedLambda ? kPublishedLambda : o.lambda_g / 10;
    change("--lambda_g", fmt::format("{:g}", lambda), fmt::format("{:g}", o.lambda_g));
  }
  if (!is_guided(o)) return text();
  return text() + "; or begin with --phase id, and go on from its weights (--weight_path) with --phase norm";
}

bool lengths_explode(const TrainOptions& options, const Trend& trend) {
  return is_guided(options) && trend.mean_length > 1000 && trend.mean_length > 10 * trend.first_mean_length;
}

}  // namespace qcface::train
