#include "harness/train/head.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/random.h"

namespace qcface::train {

qcf_head_config make_head_config(const HeadOptions& options) {
  qcf_head_config config = qcface::make_head_config(head_from_name(options.loss_model));
  config.phase = options.phase == "norm" ? QCF_PHASE_NORM : QCF_PHASE_ID;
  if (options.rule != "auto") {
    require(qcf_rule_from_name(options.rule.c_str(), &config.rule) != 0,
            "--rule {}: expected auto, easy, threshold or none", options.rule);
  }
  if (options.scale != 0) config.s = options.scale;
  if (options.margin != -1) config.m = options.margin;
  config.lambda = options.lambda_g;
  config.training = 1;
  return config;
}

Head::Head(const HeadOptions& options, std::int64_t classes, std::int64_t width)
    : context_(options.threads),
      config_(make_head_config(options)),
      classes_(classes),
      width_(width),
      weights_(static_cast<std::size_t>(classes * width)),
      momentum_(static_cast<std::size_t>(classes * width)) {
  require(classes >= 2, "the training set has {} identity: a head needs at least 2", classes);
  std::fill(weights_.begin(), weights_.end(), 0.0f);
  std::fill(momentum_.begin(), momentum_.end(), 0.0f);
}

void Head::initialise(std::uint64_t seed) {
  for (std::int64_t c = 0; c < classes_; ++c) {
    RandomStream random(seed, RandomPurpose::kHeadWeights, 0, static_cast<std::uint64_t>(c));
    float* row = weights_.data() + c * width_;
    double square = 0;
    for (std::int64_t d = 0; d < width_; ++d) {
      row[d] = static_cast<float>(random.uniform(-1, 1));
      square += static_cast<double>(row[d]) * row[d];
    }
    const auto scale = static_cast<float>(1 / std::sqrt(std::max(square, 1e-24)));
    for (std::int64_t d = 0; d < width_; ++d) row[d] *= scale;
  }
}

std::vector<HeadState> head_states(Head& head) {
  std::vector<HeadState> states;
  if (head.has_t()) states.push_back({"head.t", {&head.t(), 1}});
  if (head.has_length_stats()) states.push_back({"head.length_stats", head.length_stats()});
  return states;
}

void Head::reserve(std::int64_t n) {
  if (gradient_.size() == 0) {
    gradient_ = AlignedBuffer<float>(weights_.size());
    std::fill(gradient_.begin(), gradient_.end(), 0.0f);
  }
  if (n <= static_cast<std::int64_t>(lengths_.size())) return;
  lengths_.resize(static_cast<std::size_t>(n));
  probability_.resize(static_cast<std::size_t>(n));
  rank_.resize(static_cast<std::size_t>(n));
  dx_ = AlignedBuffer<float>(static_cast<std::size_t>(n * width_));
}

HeadStep Head::step(const float* x, const std::int64_t* labels, std::int64_t n) {
  reserve(n);
  qcf_head_args args = make_head_args();
  args.n = n;
  args.d = width_;
  args.k_loc = classes_;
  args.x = x;
  args.w = weights_.data();
  args.labels = labels;
  args.label_type = QCF_LABEL_I64;
  args.t = has_t() ? &t_ : nullptr;
  args.length_stats = has_length_stats() ? length_stats_.data() : nullptr;
  double losses[3] = {};
  args.losses = losses;
  args.row_z = lengths_.data();
  args.row_p = probability_.data();
  args.row_rank = rank_.data();
  args.dx = dx_.data();
  args.dw = gradient_.data();
  const std::size_t bytes = head_workspace_bytes(context_, config_, args);
  if (workspace_.bytes() < bytes) workspace_ = AlignedBuffer<std::byte>(bytes);
  args.workspace = workspace_.data();
  args.workspace_bytes = workspace_.bytes();
  try {
    head_step(context_, config_, args);
  } catch (const KernelError& error) {
    fail("head {}: {}", qcf_head_name(config_.kind), error.what());
  }
  HeadStep result;
  result.loss = losses[0];
  result.loss_id = losses[1];
  result.loss_g = losses[2];
  const auto rows = static_cast<std::size_t>(n);
  for (std::size_t i = 0; i < rows; ++i) {
    result.top1 += rank_[i] < 1;
    result.top5 += rank_[i] < 5;
  }
  result.lengths = {lengths_.data(), rows};
  result.target_probability = {probability_.data(), rows};
  result.dx = {dx_.data(), rows * static_cast<std::size_t>(width_)};
  return result;
}

}  // namespace qcface::train
