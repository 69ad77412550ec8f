// Dropout masks, equal to the CPU's word for word, and the channel-major order with dropout on the way, both
// ways.
#include "nn/cuda/flatten.h"

#include "core/random.h"
#include "tests/nn/cuda/elementwise_support.h"

using namespace qcface::nn;
using namespace qcface::nn::cuda;
using namespace qcface::test;

TEST_CASE("cuda dropout: the mask equals that of core/random.h for any first row") {
  QCFACE_NEED_DEVICE();
  for (const std::uint64_t seed : {std::uint64_t{7}, std::uint64_t{0x123456789ABCDEF0}}) {
    for (const int channels : {1, 6, 64}) {
      for (const std::int64_t first_row : {0, 1, 3, 1001}) {
        for (const double drop : {0.0, 0.4, 0.9}) {
          const std::int64_t n = 9;
          const DropoutRecord record{seed, 0x100000005, first_row, 3, 0};
          qcface::RandomStream stream(seed, qcface::RandomPurpose::kDropout, 3, 0x100000005);
          for (std::int64_t i = 0; i < first_row * channels; ++i) stream.next_u32();
          std::vector<std::uint8_t> expected;
          for (std::int64_t i = 0; i < n * channels; ++i) {
            expected.push_back(stream.next_u32() >= std::ceil(drop * 0x1p32) ? 1 : 0);
          }
          expected.resize(expected.size() + 16, 0xFF);  // canaries
          for_each_mode([&] {
            DeviceBuffer<DropoutRecord> device(std::vector{record});
            DeviceBuffer<std::uint8_t> keep(expected.size());
            draw_dropout_mask(n, channels, drop, device.data(), keep.data(), nullptr);
            REQUIRE(keep.host() == expected);
          });
        }
      }
    }
  }
}

TEST_CASE("cuda flatten: channel-major order, dropout, and the transpose back") {
  QCFACE_NEED_DEVICE();
  struct Size {
    std::int64_t n, pixels;
    int channels;
  };
  // More samples than blocks take; one value; IResNet's 7 x 7; a tile of 64 pixels and one more; channels on both sides of a tile of 32.
  for (const Size& s : {Size{70, 2, 3}, Size{1, 1, 1}, Size{3, 49, 64}, Size{2, 65, 8}, Size{2, 64, 33},
                        Size{1, 9, 40}, Size{5, 4, 3}}) {
    for (const StorageType type : kTypes) {
      for (const double drop : {0.0, 0.4}) {
        INFO(name_of(type) << " " << s.n << " x " << s.pixels << " x " << s.channels << " drop " << drop);
        const auto planes = static_cast<std::size_t>(s.n * s.channels),
                   pixels = static_cast<std::size_t>(s.pixels),
                   channels = static_cast<std::size_t>(s.channels);
        const std::vector<double> nhwc = random_values(type, 1, planes * pixels);
        std::vector<std::uint8_t> mask(planes);
        for (std::size_t i = 0; i < planes; ++i) mask[i] = hash(3, 2, static_cast<std::uint32_t>(i)) % 5 != 0;
        mask[0] = 1;
        const double survivor = static_cast<double>(static_cast<float>(1 / (1 - drop)));
        std::vector<double> flat(nhwc.size()), back(nhwc.size()), dropped(nhwc.size());
        for (std::size_t n = 0; n < static_cast<std::size_t>(s.n); ++n) {
          for (std::size_t c = 0; c < channels; ++c) {
            const double scale = drop == 0 ? 1 : mask[n * channels + c] ? survivor : 0;
            for (std::size_t p = 0; p < pixels; ++p) {
              const std::size_t inside = (n * pixels + p) * channels + c,
                                outside = (n * channels + c) * pixels + p;
              flat[outside] = rounded(type, rounded(StorageType::kF32, nhwc[inside] * scale));
              back[inside] = rounded(type, rounded(StorageType::kF32, nhwc[outside] * scale));  // nhwc as dy
              dropped[inside] = flat[outside];
            }
          }
        }
        same_bits_in_every_mode([&] {
          DeviceBuffer<std::uint8_t> keep(mask);
          const std::uint8_t* const given = drop > 0 ? keep.data() : nullptr;
          Array x(type, nhwc), y(type, nhwc.size()), dx(type, nhwc.size()), z(type, nhwc.size());
          flatten(type, s.n, s.pixels, s.channels, x.data(), given, drop, y.data(), nullptr);
          REQUIRE(y.values() == flat);
          flatten_backward(type, s.n, s.pixels, s.channels, x.data(), given, drop, dx.data(), nullptr);
          REQUIRE(dx.values() == back);
          if (drop > 0) {
            drop_planes(type, s.n, s.pixels, s.channels, x.data(), given, drop, z.data(), nullptr);
            REQUIRE(z.values() == dropped);
            drop_planes(type, s.n, s.pixels, s.channels, x.data(), given, drop, x.data(), nullptr);
            REQUIRE(x.values() == dropped);
          }
          return Bytes{y.raw(), dx.raw()};
        });
      }
    }
  }
  REQUIRE_THROWS_WITH(flatten(StorageType::kF32, 1, 1, 1, nullptr, nullptr, 1.0, nullptr, nullptr),
                      contains("must be in [0, 1)"));
}
