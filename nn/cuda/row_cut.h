// How the kernels cut a value [rows, channels] among blocks and threads. Pure host functions: the cut depends
// on the shape and the type alone, so that sums have the same bits on every GPU.
//
// A block of 256 threads is lanes_c threads across channels (each with `vector` neighbouring channels, 16
// bytes) by lanes_r rows; neighbouring threads read neighbouring addresses. Blocks: x = group of rows, y =
// tile of channels.
#pragma once

#include <algorithm>
#include <cstdint>

#include "nn/cuda/storage.h"

namespace qcface::nn::cuda {

inline constexpr int kRowThreads = 256;
inline constexpr int kLargestLanesC = 32;

struct RowCut {
  int vector = 1;         // channels a thread
  int lanes_c = 1;        // threads across channels, a power of two
  int lanes_r = 256;      // rows at a time
  int channel_tiles = 1;  // gridDim.y
  int groups = 1;         // gridDim.x; none is empty
  std::int64_t rows_per_group = 0;
};

/// Groups for sums: enough blocks to fill a GPU (up to 1024 in all), at least 16 rows a thread where there
/// are as many, so that the partial sums stay small beside the value. Groups for passes without sums: 32 rows
/// a thread, as many groups as that takes.
enum class RowPurpose { kSums, kApply };

constexpr int vector_width(StorageType type, int channels) {
  const int wide = type == StorageType::kF32 ? 4 : 8;
  return channels % wide == 0 ? wide : 1;
}

constexpr RowCut cut_rows(StorageType type, std::int64_t rows, int channels, RowPurpose purpose) {
  RowCut cut;
  cut.vector = vector_width(type, channels);
  const int vectors = channels / cut.vector;
  while (cut.lanes_c < vectors && cut.lanes_c < kLargestLanesC) cut.lanes_c *= 2;
  cut.lanes_r = kRowThreads / cut.lanes_c;
  cut.channel_tiles = (vectors + cut.lanes_c - 1) / cut.lanes_c;
  std::int64_t per_group = 32 * cut.lanes_r;
  if (purpose == RowPurpose::kSums) {
    const std::int64_t most = std::max(1, 1024 / cut.channel_tiles);
    per_group = std::max<std::int64_t>(16 * cut.lanes_r, (rows + most - 1) / most);
  }
  cut.rows_per_group = std::max<std::int64_t>(1, std::min(per_group, rows));
  cut.groups = static_cast<int>((rows + cut.rows_per_group - 1) / cut.rows_per_group);
  return cut;
}

}  // namespace qcface::nn::cuda
