// The cut of rows and channels among blocks: every value belongs to exactly one thread, and the grid stays in
// its bounds.
#include "nn/cuda/row_cut.h"
#include "tests/support/catch.h"

using namespace qcface::nn::cuda;

TEST_CASE("row cut: every row and channel is covered once, no group is empty") {
  for (const StorageType type : {StorageType::kF32, StorageType::kBf16}) {
    for (const RowPurpose purpose : {RowPurpose::kSums, RowPurpose::kApply}) {
      for (const int channels : {1, 3, 4, 8, 20, 64, 72, 128, 264, 512, 1000, 4096}) {
        for (const std::int64_t rows : {std::int64_t{1}, std::int64_t{2}, std::int64_t{49}, std::int64_t{513},
                                        std::int64_t{25088}, std::int64_t{6422528}, std::int64_t{1} << 33}) {
          INFO(name_of(type) << " " << rows << " x " << channels);
          const RowCut cut = cut_rows(type, rows, channels, purpose);
          REQUIRE(channels % cut.vector == 0);
          REQUIRE(cut.lanes_c * cut.lanes_r == kRowThreads);
          REQUIRE((cut.lanes_c & (cut.lanes_c - 1)) == 0);
          REQUIRE(cut.lanes_c * cut.vector * cut.channel_tiles >= channels);
          REQUIRE(cut.lanes_c * cut.vector * (cut.channel_tiles - 1) < channels);
          REQUIRE(cut.groups * cut.rows_per_group >= rows);
          REQUIRE((cut.groups - 1) * cut.rows_per_group < rows);
          if (purpose == RowPurpose::kSums) REQUIRE(cut.groups * cut.channel_tiles <= 1024);
        }
      }
    }
  }
}

TEST_CASE("row cut: the layers of IResNet read 16 bytes a thread and keep partial sums small") {
  struct Layer {
    std::int64_t rows;
    int channels;
  };
  for (const Layer layer : {Layer{512 * 112 * 112, 64}, Layer{512 * 56 * 56, 64}, Layer{512 * 28 * 28, 128},
                            Layer{512 * 14 * 14, 256}, Layer{512 * 7 * 7, 512}}) {
    const RowCut cut = cut_rows(StorageType::kBf16, layer.rows, layer.channels, RowPurpose::kSums);
    CHECK(cut.vector == 8);
    CHECK(cut.groups * cut.channel_tiles >= 264);  // two blocks on each of 132 multiprocessors
    const double partials = 3.0 * cut.groups * layer.channels * 4, value = 2.0 * layer.rows * layer.channels;
    CHECK(partials <= 0.05 * value);
  }
}
