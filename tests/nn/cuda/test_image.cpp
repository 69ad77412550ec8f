// 8-bit pixels to normalised values: every level of every channel, remainders of the block's turn, padding.
#include "nn/cuda/image.h"

#include "tests/nn/cuda/elementwise_support.h"
#include "tests/nn/pictures.h"

using namespace qcface::nn::cuda;
using namespace qcface::test;

namespace {
constexpr std::array<double, 3> kMean{0.5312, 0.4265, 0.3753}, kStd{0.2873, 0.2555, 0.2496};
}

TEST_CASE("cuda images: every level, count and padding, exact up to the one rounding") {
  QCFACE_NEED_DEVICE();
  const std::vector<float> table = normalisation_table(kMean, kStd);
  for (const StorageType type : kTypes) {
    for (const int channels : {3, 4, 5, 8, 16}) {
      for (const std::size_t count : {1u, 5u, 6u, 257u, 1024u, 2051u}) {
        INFO(name_of(type) << " " << count << " pixels, " << channels << " channels");
        std::vector<std::uint8_t> pixels(3 * count);
        for (std::size_t i = 0; i < pixels.size(); ++i) {
          pixels[i] = static_cast<std::uint8_t>(hash(5, 1, static_cast<std::uint32_t>(i)));
        }
        same_bits_in_every_mode([&] {
          DeviceBuffer<std::uint8_t> bytes(pixels);
          DeviceBuffer<float> device_table(table);
          Array y(type, count * static_cast<std::size_t>(channels));
          images_to_nhwc(type, static_cast<std::int64_t>(count), channels, bytes.data(), device_table.data(),
                         y.data(), nullptr);
          std::vector<double> exact;
          for (std::size_t i = 0; i < count; ++i) {
            for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) {
              const double v = c < 3 ? (pixels[3 * i + c] / 255.0 - kMean[c]) / kStd[c] : 0.0;
              exact.push_back(rounded(type, rounded(StorageType::kF32, v)));
            }
          }
          const bool equal = y.values() == exact;
          REQUIRE(equal);
          return Bytes{y.raw()};
        });
      }
    }
  }
  // More pixels than the blocks take in one turn.
  const std::size_t many = 512 * 1024 + 1500;
  std::vector<std::uint8_t> pixels(3 * many);
  for (std::size_t i = 0; i < pixels.size(); ++i)
    pixels[i] = static_cast<std::uint8_t>(hash(5, 2, static_cast<std::uint32_t>(i)));
  for_each_mode([&] {
    DeviceBuffer<std::uint8_t> bytes(pixels);
    DeviceBuffer<float> device_table(table), y(3 * many);
    images_to_nhwc(StorageType::kF32, static_cast<std::int64_t>(many), 3, bytes.data(), device_table.data(),
                   y.data(), nullptr);
    const std::vector<float> values = y.host();
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < values.size(); ++i) wrong += values[i] != table[i % 3 * 256 + pixels[i]];
    REQUIRE(wrong == 0);
  });
  REQUIRE_THROWS_WITH(images_to_nhwc(StorageType::kF32, 1, 2, nullptr, nullptr, nullptr, nullptr),
                      contains("channels must be 3 or more"));
}
