// Steps of several ranks: a rank's rows of a batch, and what a training leaves. No assertions: Catch2's belong to one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/comm/communicator.h"
#include "core/random.h"
#include "harness/train/engine.h"

namespace qcface::test {

/// The rank's rows of a batch of n pictures of noise, side x side.
struct RankBatch {
  std::vector<std::uint8_t> pixels;  // of the whole batch
  std::vector<std::int64_t> labels;
  data::Batch batch;

  RankBatch(std::int64_t index, std::int64_t n, int side, std::int64_t classes,
            const Communicator& communicator)
      : pixels(static_cast<std::size_t>(n * side * side * 3)) {
    RandomStream random(7, RandomPurpose::kTest, static_cast<std::uint32_t>(index), 0);
    for (std::uint8_t& pixel : pixels) pixel = static_cast<std::uint8_t>(random.integer(0, 255));
    for (std::int64_t i = 0; i < n; ++i) labels.push_back((index * 5 + i * 3) % classes);
    const Share own = share_of(n, communicator.rank(), communicator.size());
    batch.index = index;
    batch.global_size = n;
    batch.first_row = own.first;
    batch.size = own.count;
    batch.pixels = pixels.data() + own.first * side * side * 3;
    batch.labels =
        std::span(labels).subspan(static_cast<std::size_t>(own.first), static_cast<std::size_t>(own.count));
  }
  RankBatch(const RankBatch&) = delete;
  RankBatch& operator=(const RankBatch&) = delete;
};

/// All values of the backbone, one tensor behind the other.
inline std::vector<float> backbone_values(const nn::ParameterStore& store) {
  std::vector<float> all;
  for (const nn::TensorSpec& spec : store.tensors()) {
    const std::vector<float> values = store.values(spec.name);
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

/// The weights of the rank's own classes.
inline std::vector<float> class_values(const nn::Head& head) {
  std::vector<float> values(static_cast<std::size_t>(head.own_classes().count * head.width()));
  head.copy_out(nn::TensorRole::kValue, 0, values);
  return values;
}

inline std::vector<float> state_values(const nn::Head& head) {
  std::vector<float> all;
  for (const nn::Head::State& state : head.state())
    all.insert(all.end(), state.values.begin(), state.values.end());
  return all;
}

}  // namespace qcface::test
