// Batch-norm statistics: against double precision, for every remainder of the vector width and of the row
// lanes, and on values whose mean is large beside their deviation.
#include "nn/cuda/pointwise.h"
#include "tests/nn/cuda/elementwise_support.h"

using namespace qcface::nn::cuda;
using namespace qcface::test;

namespace {

struct Case {
  std::int64_t rows;
  int channels;
};
// Rows: fewest; one row a lane and less; the remainders of a run of four; several groups with a short last
// one.
// Channels: one, the plain path on both sides of a power of two, vectors, more than one tile of channels.
const Case kCases[] = {{2, 1},    {5, 3},   {7, 8},    {31, 12},   {49, 64},   {129, 24}, {130, 16},
                       {33, 264}, {75, 33}, {4099, 1}, {1100, 64}, {530, 128}, {517, 40}};

struct Reference {
  std::vector<double> mean, inverse, variance;
};
Reference reference(const std::vector<double>& x, std::int64_t rows, int channels, double eps) {
  Reference r;
  for (int c = 0; c < channels; ++c) {
    double sum = 0, squares = 0;
    for (std::int64_t i = 0; i < rows; ++i) sum += x[static_cast<std::size_t>(i * channels + c)];
    const double mean = sum / static_cast<double>(rows);
    for (std::int64_t i = 0; i < rows; ++i) {
      const double d = x[static_cast<std::size_t>(i * channels + c)] - mean;
      squares += d * d;
    }
    r.mean.push_back(mean);
    r.variance.push_back(squares / static_cast<double>(rows));
    r.inverse.push_back(1 / std::sqrt(r.variance.back() + eps));
  }
  return r;
}

struct Run {
  std::vector<double> saved, running_mean, running_var;
  std::vector<std::vector<std::uint8_t>> bytes;
};

constexpr float kEps = 2e-5f, kMomentum = 0.9f;

Run run(StorageType type, std::int64_t rows, int channels, const std::vector<double>& x) {
  const auto c = static_cast<std::size_t>(channels);
  Array values(type, x), gamma(StorageType::kF32, random_values(StorageType::kF32, 11, c, 1, 0.25)),
      beta(StorageType::kF32, random_values(StorageType::kF32, 12, c, 0, 0.125)),
      mean(StorageType::kF32, std::vector<double>(c, 0.5)), var(StorageType::kF32, std::vector<double>(c, 2)),
      saved(StorageType::kF32, 4 * c);
  const PointwiseShape shape{type, rows, channels};
  Array partials = scratch(statistics_workspace_bytes(shape));
  const BatchNormParameters parameters{gamma.floats(), beta.floats(), mean.floats(),
                                       var.floats(),   kEps,          kMomentum};
  batch_norm_statistics(shape, values.data(), partials.data(), nullptr);
  batch_norm_finalise(shape, partials.data(), parameters, saved.floats(), nullptr);
  return {saved.values(), mean.values(), var.values(), {partials.raw(), saved.raw(), mean.raw(), var.raw()}};
}

std::vector<double> part(const std::vector<double>& saved, int row, int channels) {
  return {saved.begin() + row * channels, saved.begin() + (row + 1) * channels};
}

}  // namespace

TEST_CASE("cuda statistics: mean, inverse deviation and running values for every shape and type") {
  QCFACE_NEED_DEVICE();
  for (const StorageType type : kTypes) {
    for (const Case& k : kCases) {
      INFO(name_of(type) << " " << k.rows << " x " << k.channels);
      const auto count = static_cast<std::size_t>(k.rows) * static_cast<std::size_t>(k.channels);
      std::vector<double> x = random_values(type, 1, count);
      for (std::size_t i = 0; i < count; ++i) {  // means and deviations of their own for each channel
        const auto c = static_cast<double>(i % static_cast<std::size_t>(k.channels));
        x[i] = rounded(type, (1 + std::fmod(c, 5)) * x[i] + 3 - std::fmod(c, 7));
      }
      const Reference exact = reference(x, k.rows, k.channels, static_cast<double>(kEps));
      Run result;
      same_bits_in_every_mode([&] {
        result = run(type, k.rows, k.channels, x);
        return result.bytes;
      });
      const double n = static_cast<double>(k.rows);
      check_close("mean", part(result.saved, 2, k.channels), exact.mean, 1e-6);
      check_close("inv_std", part(result.saved, 3, k.channels), exact.inverse, 2e-6);
      std::vector<double> mean, var, a, b;
      const auto c = static_cast<std::size_t>(k.channels);
      const auto gamma = random_values(StorageType::kF32, 11, c, 1, 0.25);
      const auto beta = random_values(StorageType::kF32, 12, c, 0, 0.125);
      const double m = static_cast<double>(kMomentum);
      for (std::size_t i = 0; i < c; ++i) {
        mean.push_back((1 - m) * 0.5 + m * exact.mean[i]);
        var.push_back((1 - m) * 2 + m * exact.variance[i] * n / (n - 1));
        a.push_back(gamma[i] * exact.inverse[i]);
        b.push_back(beta[i] - exact.mean[i] * a.back());
      }
      check_close("running_mean", result.running_mean, mean, 1e-6);
      check_close("running_var", result.running_var, var, 2e-6);
      check_close("a", part(result.saved, 0, k.channels), a, 2e-6);
      check_close("b", part(result.saved, 1, k.channels), b, 4e-6);
    }
  }
}

TEST_CASE("cuda statistics: the variance survives a large mean, a step and an outlier in front") {
  QCFACE_NEED_DEVICE();
  const std::int64_t rows = 1500;
  const int channels = 4;
  std::vector<double> x = random_values(StorageType::kF32, 2, static_cast<std::size_t>(rows * channels));
  for (std::int64_t i = 0; i < rows; ++i) {
    double* const row = &x[static_cast<std::size_t>(i * channels)];
    row[0] = rounded(StorageType::kF32, 4000 + row[0]);               // mean 7000 deviations
    row[1] = rounded(StorageType::kF32, i < 30 ? 0 : 1000 + row[1]);  // a border of zeros
    if (i == 0) row[2] = 3000;  // the very first value, which is the shift
    row[3] = 7.25;              // constant
  }
  const Reference exact = reference(x, rows, channels, static_cast<double>(kEps));
  Run result;
  same_bits_in_every_mode([&] {
    result = run(StorageType::kF32, rows, channels, x);
    return result.bytes;
  });
  for (int c = 0; c < 3; ++c) {
    INFO("channel " << c);
    const double found = result.saved[static_cast<std::size_t>(3 * channels + c)];
    const double expected = exact.inverse[static_cast<std::size_t>(c)];
    REQUIRE(std::abs(found - expected) <= 2e-5 * expected);
  }
  // The textbook formula in single precision is off by more than a tenth on the first channel.
  float sum = 0, squares = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    const auto v = static_cast<float>(x[static_cast<std::size_t>(i * channels)]);
    sum += v;
    squares += v * v;
  }
  const float naive = squares / 1500.0f - (sum / 1500.0f) * (sum / 1500.0f);
  REQUIRE(std::abs(static_cast<double>(naive) - exact.variance[0]) > 0.1 * exact.variance[0]);
  // A constant channel has variance 0, never a negative one.
  REQUIRE(std::abs(result.saved[static_cast<std::size_t>(3 * channels + 3)] - exact.inverse[3]) <=
          1e-6 * exact.inverse[3]);
}

TEST_CASE("cuda statistics: from fp32 sums of fp16 values, as good as the rounding of the values") {
  QCFACE_NEED_DEVICE();
  const std::int64_t rows = 50000;
  const double means[] = {0, 3, -10, 100};
  const int channels = 4;
  const auto c = static_cast<std::size_t>(channels);
  std::vector<double> exact_values(static_cast<std::size_t>(rows) * c), x(exact_values.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    exact_values[i] = means[i % c] + std::sqrt(3.0) * sym(20261123u, 21, static_cast<std::uint32_t>(i));
    x[i] = rounded(StorageType::kF16, exact_values[i]);
  }
  const Reference exact = reference(x, rows, channels, static_cast<double>(kEps)),
                  unrounded = reference(exact_values, rows, channels, static_cast<double>(kEps));
  std::vector<double> sums(2 * c);
  {
    std::vector<float> total(2 * c), part(2 * c);
    for (std::size_t row = 0; row < static_cast<std::size_t>(rows); ++row) {
      if (row % 128 == 0) std::fill(part.begin(), part.end(), 0.0f);
      for (std::size_t k = 0; k < c; ++k) {
        const auto v = static_cast<float>(x[row * c + k]);
        part[k] += v;
        part[c + k] += v * v;
      }
      const bool last = row % 128 == 127 || row + 1 == static_cast<std::size_t>(rows);
      for (std::size_t k = 0; last && k < 2 * c; ++k) total[k] += part[k];
    }
    sums.assign(total.begin(), total.end());
  }
  std::vector<double> saved, running;
  same_bits_in_every_mode([&] {
    Array device_sums(StorageType::kF32, sums), gamma(StorageType::kF32, std::vector<double>(c, 1.0)),
        beta(StorageType::kF32, std::vector<double>(c, 0.0)),
        mean(StorageType::kF32, std::vector<double>(c, 0.0)),
        var(StorageType::kF32, std::vector<double>(c, 0.0)), constants(StorageType::kF32, 4 * c);
    batch_norm_from_sums({StorageType::kF16, rows, channels}, device_sums.floats(),
                         {gamma.floats(), beta.floats(), mean.floats(), var.floats(), kEps, 1.0f},
                         constants.floats(), nullptr);
    saved = constants.values();
    running = var.values();
    return Bytes{constants.raw(), mean.raw(), var.raw()};
  });
  const double n = static_cast<double>(rows);
  for (std::size_t k = 0; k < c; ++k) {
    const double ratio = std::abs(exact.mean[k]) / std::sqrt(exact.variance[k]);
    const double error = std::abs(running[k] * (n - 1) / n / exact.variance[k] - 1);
    const double of_rounding = std::abs(exact.variance[k] / unrounded.variance[k] - 1);
    std::printf("mean %.1f deviations: variance off by %.1e, by the rounding of the values %.1e\n", ratio,
                error, of_rounding);
    REQUIRE(error <= 16 * 0x1p-24 * (1 + ratio * ratio));
    REQUIRE(std::abs(saved[2 * c + k] - exact.mean[k]) <= 16 * 0x1p-24 * (1 + std::abs(exact.mean[k])));
    if (ratio <= 12) REQUIRE(error <= 0.25 * epsilon_of(StorageType::kF16));
  }
  REQUIRE_THROWS_WITH(batch_norm_from_sums({StorageType::kF16, 1, 4}, nullptr, {}, nullptr, nullptr),
                      contains("batch statistics need 2 values"));
}

TEST_CASE("cuda statistics: running values give the constants and stay as they are") {
  QCFACE_NEED_DEVICE();
  for (const int channels : {1, 5, 64, 300}) {
    const auto c = static_cast<std::size_t>(channels);
    const auto g = random_values(StorageType::kF32, 11, c, 1, 0.25),
               b = random_values(StorageType::kF32, 12, c), m = random_values(StorageType::kF32, 13, c),
               v = random_values(StorageType::kF32, 14, c, 1, 0.25);
    same_bits_in_every_mode([&] {
      Array gamma(StorageType::kF32, g), beta(StorageType::kF32, b), mean(StorageType::kF32, m),
          var(StorageType::kF32, v), saved(StorageType::kF32, 4 * c);
      batch_norm_from_running(channels,
                              {gamma.floats(), beta.floats(), mean.floats(), var.floats(), kEps, kMomentum},
                              saved.floats(), nullptr);
      std::vector<double> exact(4 * c);
      for (std::size_t i = 0; i < c; ++i) {
        exact[3 * c + i] = 1 / std::sqrt(v[i] + static_cast<double>(kEps));
        exact[i] = g[i] * exact[3 * c + i];
        exact[c + i] = b[i] - m[i] * exact[i];
        exact[2 * c + i] = m[i];
      }
      check_close("saved", saved.values(), exact, 1e-6);
      REQUIRE(mean.values() == m);
      REQUIRE(var.values() == v);
      return Bytes{saved.raw()};
    });
  }
}

TEST_CASE("cuda statistics: NaN and infinity are passed on, bad calls are refused") {
  QCFACE_NEED_DEVICE();
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    std::vector<double> x = random_values(StorageType::kBf16, 3, 100 * 8);
    x[37 * 8 + 5] = bad;
    const Run result = run(StorageType::kBf16, 100, 8, x);
    REQUIRE_FALSE(std::isfinite(result.saved[8 + 5]));
    for (const std::size_t c : {0u, 4u, 6u, 7u}) REQUIRE(std::isfinite(result.saved[8 + c]));
  }
  REQUIRE_THROWS_WITH(run(StorageType::kF32, 1, 8, random_values(StorageType::kF32, 3, 8)),
                      contains("batch statistics need 2 values"));
  Array x(StorageType::kF32, random_values(StorageType::kF32, 3, 64)), partials = scratch(4096);
  REQUIRE_THROWS_WITH(
      batch_norm_statistics({StorageType::kF32, 4, 8}, x.floats() + 1, partials.data(), nullptr),
      contains("x lies 4 bytes past a multiple of 16"));
  REQUIRE_THROWS_WITH(batch_norm_statistics({StorageType::kF32, 4, 8}, nullptr, partials.data(), nullptr),
                      contains("x is null"));
}
