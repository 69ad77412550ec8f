// Layouts, casts and additions: exact, because each rounds at most once.
#include "nn/cuda/convert.h"

#include "tests/nn/cuda/elementwise_support.h"

using namespace qcface::nn::cuda;
using namespace qcface::test;

TEST_CASE("cuda layout: canonical to NHWC and back, with padding") {
  QCFACE_NEED_DEVICE();
  struct Size {
    std::size_t n, pixels, channels, padded;
  };
  for (const Size& s : {Size{1, 1, 1, 1}, Size{2, 49, 3, 8}, Size{2, 130, 3, 4}, Size{1, 64, 64, 64},
                        Size{3, 7, 33, 40}, Size{1, 66, 31, 65}, Size{2, 5, 24, 64}}) {
    for (const StorageType type : kTypes) {
      INFO(name_of(type) << " " << s.n << " x " << s.channels << " (" << s.padded << ") x " << s.pixels);
      const std::vector<double> planes = random_values(StorageType::kF32, 1, s.n * s.channels * s.pixels);
      std::vector<double> rows(s.n * s.pixels * s.padded), back(planes.size());
      for (std::size_t n = 0; n < s.n; ++n) {
        for (std::size_t c = 0; c < s.channels; ++c) {
          for (std::size_t p = 0; p < s.pixels; ++p) {
            const std::size_t at = (n * s.channels + c) * s.pixels + p;
            back[at] = rows[(n * s.pixels + p) * s.padded + c] = rounded(type, planes[at]);
          }
        }
      }
      same_bits_in_every_mode([&] {
        Array x(StorageType::kF32, planes), y(type, rows.size()), z(StorageType::kF32, planes.size());
        nchw_to_nhwc(type, static_cast<std::int64_t>(s.n), static_cast<std::int64_t>(s.pixels),
                     static_cast<int>(s.channels), static_cast<int>(s.padded), x.floats(), y.data(), nullptr);
        REQUIRE(y.values() == rows);
        nhwc_to_nchw(type, static_cast<std::int64_t>(s.n), static_cast<std::int64_t>(s.pixels),
                     static_cast<int>(s.channels), static_cast<int>(s.padded), y.data(), z.floats(), nullptr);
        REQUIRE(z.values() == back);
        return Bytes{y.raw()};
      });
    }
  }
  REQUIRE_THROWS_WITH(nchw_to_nhwc(StorageType::kF32, 1, 1, 8, 4, nullptr, nullptr, nullptr),
                      contains("fewer channels"));
}

TEST_CASE("cuda cast: every pair of types, every remainder, values at the ends of the range") {
  QCFACE_NEED_DEVICE();
  for (const StorageType from : kTypes) {
    for (const StorageType to : kTypes) {
      for (const std::size_t count : {1u, 7u, 8u, 9u, 15u, 2061u}) {
        std::vector<double> x = random_values(from, 1, count, 0, 8);
        const double special[] = {0.0,    65504.0, 65519.0,   65520.0,    1e30,
                                  -1e-30, 0x1p-24, 0x1.8p-25, 1 + 0x1p-9, 1 + 0x1.8p-8};
        for (std::size_t i = 0; i < std::min<std::size_t>(count, std::size(special)); ++i) {
          x[i] = rounded(from, special[i]);
        }
        std::vector<double> exact;
        for (const double v : x) exact.push_back(rounded(to, v));
        same_bits_in_every_mode([&] {
          Array a(from, x), b(to, count);
          cast(static_cast<std::int64_t>(count), from, a.data(), to, b.data(), nullptr);
          INFO(name_of(from) << " -> " << name_of(to) << " " << count);
          REQUIRE(b.values() == exact);
          return Bytes{b.raw()};
        });
      }
    }
  }
}

TEST_CASE("cuda add: target += source, rounded once") {
  QCFACE_NEED_DEVICE();
  for (const StorageType type : kTypes) {
    for (const std::size_t count : {1u, 7u, 8u, 9u, 2063u}) {
      const std::vector<double> x = random_values(type, 1, count), y = random_values(type, 2, count, 3);
      std::vector<double> exact;
      for (std::size_t i = 0; i < count; ++i) {
        exact.push_back(rounded(type, rounded(StorageType::kF32, x[i] + y[i])));
      }
      same_bits_in_every_mode([&] {
        Array a(type, x), b(type, y);
        add(type, static_cast<std::int64_t>(count), a.data(), b.data(), nullptr);
        REQUIRE(a.values() == exact);
        REQUIRE(b.values() == y);
        return Bytes{a.raw()};
      });
    }
  }
}
