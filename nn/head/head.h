// The head of a network in training, on any backend: class weights, the optimiser's slot and the head's state in the
// backend's memory, one step through libqcface_kernels with the update fused into the second pass over the classes, so that
// the gradient of the class weights never lands.
//
// Several ranks share the classes and the rows of a batch out as nn/head/exchange.h says. With 16-bit products a copy of the
// unit class rows is kept too. Nothing here synchronises or allocates but what says so.
#pragma once

#include <qcface/kernels.hpp>

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/comm/communicator.h"
#include "nn/backend.h"
#include "nn/parameters.h"

namespace qcface::nn {

/// Where one step's figures go, of the whole batch of N rows; in the backend's memory.
struct HeadFigures {
  double* losses = nullptr;      // [3] loss, identity's, guidance's
  float* lengths = nullptr;      // [N] magnitudes
  float* probability = nullptr;  // [N] of the label, p
  std::int32_t* rank = nullptr;  // [N] classes that are better than the label
};

class Head {
 public:
  /// K classes, embeddings of `width`, batches of up to `largest` rows, each of all ranks. sample_rate below 1: of this rank's
  /// classes sample_size() take part in a step (nn/head/class_sample.h). Backend and communicator must outlive the head. Throws Error for fewer than 2 classes, and where memory is short.
  Head(const Backend& backend, const qcf_head_config& config, const OptimiserSettings& optimiser,
       std::int64_t classes, std::int64_t width, std::int64_t largest, Communicator& communicator,
       double sample_rate = 1);
  ~Head();
  Head(const Head&) = delete;
  Head& operator=(const Head&) = delete;

  std::int64_t classes() const { return classes_; }
  /// The classes that this rank holds: its rows of the class weights are numbered from 0.
  Share own_classes() const { return own_; }
  std::int64_t width() const { return width_; }
  /// Classes of this rank that take part in a step; 0: all of them.
  std::int64_t sample_size() const { return sample_size_; }
  const char* name() const { return qcf_head_name(config_.kind); }

  /// Uniform(-1, 1) rows brought to length 1, keyed by (seed, kHeadWeights, class); slot and state as they begin.
  void initialise(std::uint64_t seed);

  // ---- a step: the network writes embeddings(), forward() gives their gradient, update() changes the class weights ----
  /// Place of this rank's embeddings, of a batch of n rows of all ranks.
  float* embeddings(std::int64_t n) const;
  /// Losses and row values of all n rows, and dx of this rank's, which is returned, from its embeddings and labels. rate,
  /// skip: scalars that update() reads. sampled: [sample_size()] rows of the class weights, strictly ascending, with those of
  /// the labels; looked at where sample_size() is not 0. On the CPU throws Error naming tensor and row for a label out of range, NaN or
  /// infinity.
  const float* forward(const std::int64_t* labels, std::int64_t n, const HeadFigures& figures,
                       const float* rate, const std::uint32_t* skip, const std::int64_t* sampled);
  void update();
  /// Waits, and throws Error if the last step, of n rows, found something wrong with its data.
  void check(std::int64_t n);

  // ---- for files: host values; these wait ----
  /// Rows [first, first + rows.size() / D) of the class weights (kValue) or the optimiser's slot (kSlot).
  void copy_out(TensorRole role, std::int64_t first, std::span<float> rows) const;
  void copy_in(TensorRole role, std::int64_t first, std::span<const float> rows);
  /// What the head keeps beside them, as files name it: "head.t" [1], "head.length_stats" [2].
  struct State {
    std::string name;
    std::vector<float> values;
  };
  std::vector<State> state() const;
  void set_state(const State& state);
  /// To be called after the last copy_in, before a step.
  void loaded();

 private:
  qcf_head_args arguments(std::int64_t n) const;
  void sample(qcf_head_args& args, const std::int64_t* rows) const;
  const Memory& memory_of(TensorRole role) const;
  template <class Call>
  void checked(const Call& call) const;

  const Backend& backend_;
  KernelContext context_;
  qcf_head_config config_;
  Communicator& communicator_;
  std::int64_t classes_, width_, largest_;
  Share own_;
  std::int64_t sample_size_;
  qcf_type type_;
  Memory weights_, slot_, unit_, t_, length_stats_, x_, dx_, workspace_;
  Memory labels_, shares_;  // with several ranks: of the whole batch, shares of dx that add up over the ranks
  qcf_head_args args_{};    // of the step under way; the stages share them
  qcf_optimiser optimiser_;
};

}  // namespace qcface::nn
