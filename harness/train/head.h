// The trainer's side of the head: class weights with gradient and momentum, its state, and one step through
// libqcface_kernels.
#pragma once

#include <qcface/kernels.hpp>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/aligned_buffer.h"

namespace qcface::train {

struct HeadOptions {
  std::string loss_model = "qcface";
  std::string phase = "id";
  std::string rule = "auto";  // auto: the published default of the head
  double scale = 0;           // 0: the head's published value
  double margin = -1;         // likewise
  double lambda_g = 20;
  int threads = 0;
};

/// What one step found. Spans live until the next step.
struct HeadStep {
  double loss = 0, loss_id = 0, loss_g = 0;
  std::int64_t top1 = 0, top5 = 0;            // rows whose label is the best, or among the five best classes
  std::span<const float> lengths;             // [N] magnitudes
  std::span<const float> target_probability;  // [N] p
  std::span<const float> dx;                  // [N, D]
};

/// The head's settings for the kernel library.
qcf_head_config make_head_config(const HeadOptions& options);

/// What a head keeps between steps beside its weights, as files name it.
struct HeadState {
  std::string name;
  std::span<float> values;
};

class Head {
 public:
  Head(const HeadOptions& options, std::int64_t classes, std::int64_t width);

  /// Uniform(-1, 1) rows brought to length 1, keyed by (seed, kHeadWeights, class).
  void initialise(std::uint64_t seed);
  /// x [n, D], labels [n]. Fills the gradient of the class weights and returns dx. Throws Error naming tensor
  /// and row for a label out of range, NaN or infinity.
  HeadStep step(const float* x, const std::int64_t* labels, std::int64_t n);

  std::int64_t classes() const { return classes_; }
  std::int64_t width() const { return width_; }
  std::span<float> weights() { return weights_.span(); }    // [K, D]
  std::span<float> gradient() { return gradient_.span(); }  // [K, D], empty before the first step
  std::span<float> momentum() { return momentum_.span(); }  // [K, D]
  bool has_t() const { return qcf_head_has_t(config_.kind) != 0; }
  float& t() { return t_; }
  bool has_length_stats() const { return qcf_head_has_length_stats(config_.kind) != 0; }
  std::array<float, 2>& length_stats() { return length_stats_; }  // mean and deviation
  std::size_t workspace_bytes() const { return workspace_.bytes(); }

 private:
  void reserve(std::int64_t n);

  KernelContext context_;
  qcf_head_config config_;
  std::int64_t classes_;
  std::int64_t width_;
  float t_ = 0;
  std::array<float, 2> length_stats_{20, 100};  // where AdaFace starts
  AlignedBuffer<float> weights_, gradient_, momentum_;
  AlignedBuffer<float> dx_;
  AlignedBuffer<std::byte> workspace_;
  std::vector<float> lengths_, probability_;
  std::vector<std::int32_t> rank_;
};

std::vector<HeadState> head_states(Head& head);

}  // namespace qcface::train
