#include <algorithm>
#include <cstddef>
#include <cstring>
#include <vector>

#include "nn/scoring/cuda/cuda_scorer.h"
#include "nn/scoring/cuda/kernels.h"
#include "nn/scoring/requests.h"

namespace qcface::nn::cuda {
namespace {

constexpr std::int64_t kMostPairs = 1 << 22;  // of a batch
constexpr std::int64_t kPairBytes = sizeof(RowPair) + sizeof(double);

/// Raw rows and their lengths in device memory.
struct DeviceRows {
  DeviceRows(const ScoringDevice& device, const RowsView& rows, std::int64_t count) : width(rows.width) {
    if (rows.f32 != nullptr) {
      f32 = device.array<float>(count * width, "embeddings");
      raw.f32 = f32.data();
    } else {
      f64 = device.array<double>(count * width, "embeddings");
      raw.f64 = f64.data();
    }
    lengths = device.array<double>(count, "lengths");
  }
  void fill(const ScoringDevice& device, const RowsView& rows) {
    device.upload_rows(rows, 0, rows.count, raw);
    widen_rows(raw.f32, raw.f64, rows.count, width, width, nullptr, lengths.data(), nullptr, device.stream());
  }
  std::int64_t width;
  Array<float> f32;
  Array<double> f64, lengths;
  ScoringDevice::RawRows raw;
};

/// Copies of the two rows of each pair, one after the other.
template <class T>
void gather(const T* rows, std::int64_t width, std::span<const RowPair> pairs, T* to) {
  const auto bytes = static_cast<std::size_t>(width) * sizeof(T);
  for (const RowPair pair : pairs) {
    std::memcpy(to, rows + pair.a * width, bytes);
    std::memcpy(to + width, rows + pair.b * width, bytes);
    to += 2 * width;
  }
}

}  // namespace

void CudaScorer::pair_scores(const RowsView& rows, std::span<const RowPair> pairs, const ScoreRule& rule,
                             std::span<double> out) {
  scoring::check(rows, pairs, out);
  if (pairs.empty()) return;
  device_.begin();
  const auto budget = static_cast<std::int64_t>(device_.memory_bytes());
  const std::int64_t value_bytes = rows.f32 != nullptr ? sizeof(float) : sizeof(double);
  const std::int64_t row_bytes = std::max<std::int64_t>(rows.width * value_bytes, 1) + 8;
  // Where the rows do not fit, those of a batch are copied together: two for each pair.
  const bool resident = rows.count <= budget / 2 / row_bytes;
  const std::int64_t batch_bytes = resident ? kPairBytes : kPairBytes + 2 * row_bytes;
  const std::int64_t batch = std::clamp<std::int64_t>(
      budget / 2 / batch_bytes, 1, std::min(kMostPairs, static_cast<std::int64_t>(pairs.size())));
  DeviceRows on_device(device_, rows, resident ? rows.count : 2 * batch);
  if (resident) on_device.fill(device_, rows);
  const auto device_pairs = device_.array<RowPair>(batch, "pairs");
  const auto scores = device_.array<double>(batch, "scores");
  std::vector<RowPair> own_pairs;
  std::vector<float> own_f32;
  std::vector<double> own_f64;
  for (std::size_t from = 0; from < pairs.size(); from += static_cast<std::size_t>(batch)) {
    std::span<const RowPair> part =
        pairs.subspan(from, std::min(static_cast<std::size_t>(batch), pairs.size() - from));
    const auto count = static_cast<std::int64_t>(part.size());
    if (!resident) {
      RowsView own{2 * count, rows.width, nullptr, nullptr};
      if (rows.f32 != nullptr) {
        own_f32.resize(static_cast<std::size_t>(own.count * own.width));
        gather(rows.f32, rows.width, part, own_f32.data());
        own.f32 = own_f32.data();
      } else {
        own_f64.resize(static_cast<std::size_t>(own.count * own.width));
        gather(rows.f64, rows.width, part, own_f64.data());
        own.f64 = own_f64.data();
      }
      on_device.fill(device_, own);
      own_pairs.resize(part.size());
      for (std::size_t i = 0; i < part.size(); ++i)
        own_pairs[i] = {static_cast<std::int32_t>(2 * i), static_cast<std::int32_t>(2 * i + 1)};
      part = own_pairs;
    }
    device_.upload(device_pairs.data(), part.data(), part.size());
    score_pairs(on_device.raw.f32, on_device.raw.f64, rows.width, on_device.lengths.data(),
                device_pairs.data(), count, rule, scores.data(), device_.stream());
    device_.download(out.data() + from, scores.data(), part.size());
    device_.wait();
  }
}

}  // namespace qcface::nn::cuda
