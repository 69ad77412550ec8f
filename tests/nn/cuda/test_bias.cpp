// Bias of the fully connected layer and its gradient.
#include "nn/cuda/bias.h"

#include "tests/nn/cuda/elementwise_support.h"

using namespace qcface::nn::cuda;
using namespace qcface::test;

TEST_CASE("cuda bias: added to every row, between any two types and in place") {
  QCFACE_NEED_DEVICE();
  for (const StorageType from : kTypes) {
    for (const StorageType to : kTypes) {
      for (const std::size_t channels : {1u, 5u, 8u, 24u}) {
        for (const std::size_t rows : {1u, 3u, 67u}) {
          const std::vector<double> x = random_values(from, 1, rows * channels),
                                    bias = random_values(StorageType::kF32, 2, channels, 1);
          std::vector<double> exact;
          for (std::size_t i = 0; i < x.size(); ++i) {
            exact.push_back(rounded(to, rounded(StorageType::kF32, x[i] + bias[i % channels])));
          }
          same_bits_in_every_mode([&] {
            Array a(from, x), b(StorageType::kF32, bias), y(to, x.size());
            const auto n = static_cast<std::int64_t>(rows);
            const auto c = static_cast<int>(channels);
            bias_add(from, to, n, c, a.data(), b.floats(), y.data(), nullptr);
            REQUIRE(y.values() == exact);
            if (from == to) {
              bias_add(from, to, n, c, a.data(), b.floats(), a.data(), nullptr);
              REQUIRE(a.raw() == y.raw());
            }
            return Bytes{y.raw()};
          });
        }
      }
    }
  }
}

TEST_CASE("cuda column sums: against double precision, for every shape") {
  QCFACE_NEED_DEVICE();
  struct Size {
    std::int64_t rows;
    int channels;
  };
  for (const StorageType type : kTypes) {
    for (const Size& s : {Size{1, 1}, Size{3, 5}, Size{64, 8}, Size{512, 24}, Size{300, 264}, Size{4500, 1},
                          Size{1100, 64}}) {
      INFO(name_of(type) << " " << s.rows << " x " << s.channels);
      const auto channels = static_cast<std::size_t>(s.channels);
      const std::vector<double> x = random_values(type, 1, static_cast<std::size_t>(s.rows) * channels, 0.25);
      std::vector<double> exact(channels), naive(channels);
      std::vector<float> sums(channels);
      for (std::size_t i = 0; i < x.size(); ++i) {
        exact[i % channels] += x[i];
        sums[i % channels] += static_cast<float>(x[i]);
      }
      for (std::size_t c = 0; c < channels; ++c) naive[c] = static_cast<double>(sums[c]);
      same_bits_in_every_mode([&] {
        Array a(type, x), y(StorageType::kF32, channels),
            workspace = scratch(column_sums_workspace_bytes(type, s.rows, s.channels));
        column_sums(type, s.rows, s.channels, a.data(), y.floats(), workspace.data(), nullptr);
        check_against("sums", y.values(), naive, exact, 1, 3e-7);
        return Bytes{y.raw()};
      });
    }
  }
  Array y(StorageType::kF32, 8);
  column_sums(StorageType::kF32, 0, 8, nullptr, y.floats(), nullptr, nullptr);
  REQUIRE(y.values() == std::vector<double>(8, 0.0));
}
