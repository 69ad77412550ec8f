// The convolutions behind the interface against sums in double precision: each type, each pass, the sums for batch norm,
// the same bits again. On a GPU these are cuDNN's, planned, timed and kept, and its older functions beside them.
#include <cstdlib>

#include "nn/cuda/convolution.h"
#include "tests/nn/cuda/elementwise_support.h"
#include "tests/support/temporary_folder.h"

using namespace qcface;
using namespace qcface::nn::cuda;
using namespace qcface::test;

namespace {

// A 3x3 of the kind that fills a block, one that halves the image, a shortcut, and the stem with its padded channels.
const ConvolutionShape kShapes[] = {{StorageType::kF32, 3, 14, 14, 64, 64, 3, 1, 1},
                                    {StorageType::kF32, 2, 12, 12, 32, 64, 3, 2, 1},
                                    {StorageType::kF32, 2, 14, 14, 64, 128, 1, 2, 0},
                                    {StorageType::kF32, 2, 20, 20, 8, 64, 3, 1, 1}};

std::size_t product(int a, int b, int c, int d) {
  return static_cast<std::size_t>(a) * static_cast<std::size_t>(b) * static_cast<std::size_t>(c) *
         static_cast<std::size_t>(d);
}

struct Values {
  std::vector<double> x, w, dy;
  explicit Values(const ConvolutionShape& s)
      : x(random_values(s.type, 1, product(s.n, s.h, s.w, s.c))),
        w(random_values(s.type, 2, product(s.k, s.kernel, s.kernel, s.c), 0, 0.125)),
        dy(random_values(s.type, 3, product(s.n, s.out_h(), s.out_w(), s.k))) {}
};

/// y, dx, dw in double; each tap of each output once.
struct Reference {
  std::vector<double> y, dx, dw;
  Reference(const ConvolutionShape& s, const Values& v)
      : y(v.dy.size(), 0.0), dx(v.x.size(), 0.0), dw(v.w.size(), 0.0) {
    const auto at = [](int a, int b, int c, int width, int depth, int height) {
      return ((static_cast<std::size_t>(a) * static_cast<std::size_t>(height) + static_cast<std::size_t>(b)) *
                  static_cast<std::size_t>(width) +
              static_cast<std::size_t>(c)) *
             static_cast<std::size_t>(depth);
    };
    for (int n = 0; n < s.n; ++n)
      for (int p = 0; p < s.out_h(); ++p)
        for (int q = 0; q < s.out_w(); ++q)
          for (int r = 0; r < s.kernel; ++r)
            for (int t = 0; t < s.kernel; ++t) {
              const int h = p * s.stride + r - s.padding, u = q * s.stride + t - s.padding;
              if (h < 0 || u < 0 || h >= s.h || u >= s.w) continue;
              const std::size_t in = at(n, h, u, s.w, s.c, s.h), out = at(n, p, q, s.out_w(), s.k, s.out_h());
              for (int k = 0; k < s.k; ++k) {
                const std::size_t o = out + static_cast<std::size_t>(k),
                                  f = at(k, r, t, s.kernel, s.c, s.kernel);
                for (std::size_t c = 0; c < static_cast<std::size_t>(s.c); ++c) {
                  y[o] += v.x[in + c] * v.w[f + c];
                  dx[in + c] += v.dy[o] * v.w[f + c];
                  dw[f + c] += v.dy[o] * v.x[in + c];
                }
              }
            }
  }
};

struct Outputs {
  std::vector<double> y, dx, dw, sums, y_of_sums;
  Bytes bytes;
};

Outputs run(Convolution& convolution, const ConvolutionShape& s, const Values& v) {
  Array x(s.type, v.x), w(s.type, v.w), dy(s.type, v.dy), y(s.type, v.dy.size()), dx(s.type, v.x.size()),
      dw(s.type, v.w.size());
  const std::size_t bytes = std::max({convolution.forward_bytes(), convolution.backward_data_bytes(),
                                      convolution.backward_weights_bytes(), std::size_t{256}});
  DeviceBuffer<std::uint8_t> workspace(bytes);
  convolution.forward(x.data(), w.data(), y.data(), workspace.data());
  convolution.backward_data(w.data(), dy.data(), dx.data(), workspace.data());
  convolution.backward_weights(x.data(), dy.data(), dw.data(), workspace.data());
  check_cuda(cudaDeviceSynchronize());
  Outputs out{y.values(), dx.values(), dw.values(), {}, {}, {y.raw(), dx.raw(), dw.raw()}};
  if (!convolution.gives_sums()) return out;
  Array again(s.type, v.dy.size()), sums(StorageType::kF32, 2 * static_cast<std::size_t>(s.k));
  DeviceBuffer<std::uint8_t> more(std::max(convolution.forward_sums_bytes(), std::size_t{256}));
  convolution.forward_sums(x.data(), w.data(), again.data(), sums.floats(), more.data());
  check_cuda(cudaDeviceSynchronize());
  out.sums = sums.values();
  out.y_of_sums = again.values();
  out.bytes.push_back(again.raw());
  out.bytes.push_back(sums.raw());
  return out;
}

void check_outputs(const Outputs& ours, const ConvolutionShape& s, const Reference& exact) {
  const double unit = epsilon_of(s.type);
  const double tolerance = s.type == StorageType::kF32 ? 1e-5 : 2 * unit;  // of the largest value
  check_close("y", ours.y, exact.y, tolerance);
  check_close("dx", ours.dx, exact.dx, tolerance);
  check_close("dw", ours.dw, exact.dw, tolerance);
  if (ours.sums.empty()) return;
  check_close("y beside sums", ours.y_of_sums, exact.y, tolerance);
  const auto depth = static_cast<std::size_t>(s.k);
  std::vector<double> sums(depth, 0.0), squares(depth, 0.0);
  for (std::size_t i = 0; i < exact.y.size(); ++i) {
    sums[i % depth] += exact.y[i];
    squares[i % depth] += exact.y[i] * exact.y[i];
  }
  const auto middle = ours.sums.begin() + static_cast<std::ptrdiff_t>(depth);
  // Whether an engine sums before or after rounding y is its own affair.
  check_close("sums of squares", {middle, ours.sums.end()}, squares, 2 * unit);
  double size = 0;
  for (const double q : squares) size = std::max(size, q);
  check_against("sums", {ours.sums.begin(), middle}, sums, sums, 0, unit, std::sqrt(size) * 32);
}

struct CacheFolder {
  explicit CacheFolder(const std::filesystem::path& path) {
    if (const char* value = std::getenv("QCFACE_PLAN_CACHE")) before = value;
    ::setenv("QCFACE_PLAN_CACHE", path.c_str(), 1);
  }
  ~CacheFolder() {
    if (before.empty()) {
      ::unsetenv("QCFACE_PLAN_CACHE");
    } else {
      ::setenv("QCFACE_PLAN_CACHE", before.c_str(), 1);
    }
  }
  std::string before;
};

}  // namespace

TEST_CASE("convolutions: every pass and type against double precision, the same bits again") {
  QCFACE_NEED_DEVICE();
  const TemporaryFolder folder;
  const CacheFolder cache(folder.path());
  int with_sums = 0;
  for (const StorageType type : kTypes) {
    for (ConvolutionShape shape : kShapes) {
      shape.type = type;
      INFO(to_string(shape));
      const Values values(shape);
      const Reference exact(shape, values);
      const auto library = make_convolution_library(nullptr, false),
                 second = make_convolution_library(nullptr, false);
      const auto convolution = library->find(shape);
      const Outputs ours = run(*convolution, shape, values);
      check_outputs(ours, shape, exact);
      with_sums += ours.sums.empty() ? 0 : 1;
      REQUIRE(run(*convolution, shape, values).bytes == ours.bytes);
      REQUIRE(run(*second->find(shape), shape, values).bytes == ours.bytes);  // by what was kept
#ifndef QCF_EMULATE
      const auto older = make_legacy_convolutions(nullptr, false);
      const Outputs theirs = run(*older->find(shape), shape, values);
      check_outputs(theirs, shape, exact);
      REQUIRE(run(*older->find(shape), shape, values).bytes == theirs.bytes);
#endif
    }
  }
  std::printf("%s: %d of %zu shapes leave sums\n", make_convolution_library(nullptr, false)->name().c_str(),
              with_sums, 3 * std::size(kShapes));
#ifdef QCF_EMULATE
  REQUIRE(with_sums == 4);
#else
  ::setenv("QCFACE_CONVOLUTIONS", "older", 1);
  const std::string name = make_convolution_library(nullptr, false)->name();
  ::setenv("QCFACE_CONVOLUTIONS", "none such", 1);
  REQUIRE_THROWS_WITH(make_convolution_library(nullptr, false), contains("graph or older"));
  ::unsetenv("QCFACE_CONVOLUTIONS");
  REQUIRE_THAT(name, contains("older functions"));
#endif
}
