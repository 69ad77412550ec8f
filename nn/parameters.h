// All tensors of a network: weights, their gradients and the optimiser's slot, and buffers (running statistics).
//
// Two views of the same numbers:
// - by tensor, canonical layout (the shapes of iresnet.md): copy_out and copy_in, for checkpoints and tests;
// - whole, in storage order: weights(), gradients(), slot() and buffers() are contiguous, so that an
//   all-reduce or an optimiser step takes them in one call. Element i of the first three belongs together.
//   Storage order inside a tensor is the backend's own (blocked for oneDNN); padding elements are 0 and stay 0
//   under SGD. Storage order is the same for every process of the same build on the same kind of machine, but it
//   is no file format: write files through copy_out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nn/backend.h"
#include "nn/graph.h"

namespace qcface::nn {

/// Which of the arrays kept for a tensor. Buffers have only kValue.
enum class TensorRole { kValue, kGradient, kSlot };

class ParameterStore {
 public:
  /// layouts: one a tensor, null for canonical storage; empty: all canonical. `backend` must outlive the store.
  ParameterStore(std::vector<TensorSpec> tensors, const Backend& backend,
                 std::vector<std::unique_ptr<ParameterLayout>> layouts = {});
  ~ParameterStore();
  ParameterStore(const ParameterStore&) = delete;
  ParameterStore& operator=(const ParameterStore&) = delete;

  /// In state order.
  const std::vector<TensorSpec>& tensors() const { return tensors_; }
  /// Number of the tensor of that name; throws Error naming it if there is none.
  std::size_t index_of(std::string_view name) const;
  bool contains(std::string_view name) const;
  const Backend& backend() const { return backend_; }
  /// Trainable values, without padding (24 025 600 for IResNet-18).
  std::size_t weight_count() const { return weight_count_; }

  /// Canonical values, row-major. The span must have exactly the tensor's number of elements (Error).
  void copy_out(std::size_t index, std::span<float> canonical, TensorRole role = TensorRole::kValue) const;
  void copy_in(std::size_t index, std::span<const float> canonical, TensorRole role = TensorRole::kValue);
  std::vector<float> values(std::string_view name, TensorRole role = TensorRole::kValue) const;

  std::span<float> weights() { return weights_.floats(); }
  std::span<const float> weights() const { return weights_.floats(); }
  std::span<float> gradients() { return gradients_.floats(); }
  std::span<const float> gradients() const { return gradients_.floats(); }
  /// Allocated, zeroed, at the first call (evaluation never asks).
  std::span<float> slot();
  std::span<float> buffers() { return buffers_.floats(); }
  std::span<const float> buffers() const { return buffers_.floats(); }

  /// The copy of the weights that layers compute with, in the same order as weights(); null where the backend keeps
  /// none. copy_in keeps it up to date; whoever writes weights() must refresh it too.
  void* working() { return working_.data(); }
  /// One weight as layers read it: from the working copy, or the weight itself.
  const void* working_storage(std::size_t index) const;

  /// Storage of one tensor (for layers).
  std::span<float> storage(std::size_t index, TensorRole role = TensorRole::kValue);
  std::span<const float> storage(std::size_t index, TensorRole role = TensorRole::kValue) const;

  /// Weights and buffers as iresnet.md states, from streams (seed, kWeights, 0, tensor number); gradients and
  /// slot become 0.
  void initialise(std::uint64_t seed);

  /// Name of the first tensor (state order) holding a NaN or infinity in that role; empty if there is none.
  std::string first_non_finite(TensorRole role) const;

  std::size_t bytes() const;

 private:
  struct Place {
    std::size_t offset = 0;                   // in weights_ or buffers_
    std::size_t count = 0;                    // storage elements, padding included
    std::unique_ptr<ParameterLayout> layout;  // null: canonical
  };
  std::vector<TensorSpec> tensors_;
  std::vector<Place> places_;
  std::map<std::string, std::size_t, std::less<>> by_name_;
  const Backend& backend_;
  Memory weights_, gradients_, slot_, buffers_, working_;
  std::size_t weight_count_ = 0;
};

}  // namespace qcface::nn
