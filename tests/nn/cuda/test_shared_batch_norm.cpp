// Batch norm whose statistics several ranks share: the rows of a value cut among ranks, whose totals are added up, against one
// rank that has all rows.
#include <memory>
#include <numeric>

#include "nn/cuda/pointwise.h"
#include "tests/nn/cuda/elementwise_support.h"

using namespace qcface::nn::cuda;
using namespace qcface::test;

namespace {

constexpr float kEps = 2e-5f, kMomentum = 0.9f;

/// Rows of the ranks; a rank may have only one.
const std::vector<std::vector<std::int64_t>> kCuts{{65, 66}, {43, 44, 44}, {1, 130}, {131}};
const int kChannels[] = {5, 24, 264};

std::vector<double> doubles(const Array& totals) {
  const std::vector<std::uint8_t> raw = totals.raw();
  std::vector<double> values(raw.size() / sizeof(double));
  std::memcpy(values.data(), raw.data(), raw.size());
  return values;
}
Array totals_for(int channels) {
  return scratch(static_cast<std::size_t>(batch_norm_total_count(channels)) * sizeof(double));
}
double* as_totals(Array& array) { return static_cast<double*>(array.data()); }

/// What a communicator does: the sum in the order of the ranks, to each of them.
void add_up(std::vector<Array>& of_ranks) {
  std::vector<double> sum = doubles(of_ranks.front());
  for (std::size_t r = 1; r < of_ranks.size(); ++r) {
    const std::vector<double> more = doubles(of_ranks[r]);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += more[i];
  }
  for (Array& totals : of_ranks)
    check_cuda(cudaMemcpy(totals.data(), sum.data(), sum.size() * sizeof(double), cudaMemcpyHostToDevice));
}

struct BatchNorm {
  explicit BatchNorm(std::size_t c)
      : gamma(StorageType::kF32, random_values(StorageType::kF32, 11, c, 1, 0.25)),
        beta(StorageType::kF32, random_values(StorageType::kF32, 12, c, 0, 0.125)),
        mean(StorageType::kF32, std::vector<double>(c, 0.5)),
        var(StorageType::kF32, std::vector<double>(c, 2)),
        saved(StorageType::kF32, 4 * c) {}
  BatchNormParameters parameters() {
    return {gamma.floats(), beta.floats(), mean.floats(), var.floats(), kEps, kMomentum};
  }
  Bytes raw() const { return {saved.raw(), mean.raw(), var.raw()}; }
  Array gamma, beta, mean, var, saved;
};

/// A value of the type with a mean and a deviation of its own in each channel.
std::vector<double> value_of(StorageType type, std::int64_t rows, int channels) {
  std::vector<double> x = random_values(type, 1, static_cast<std::size_t>(rows * channels));
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto c = static_cast<double>(i % static_cast<std::size_t>(channels));
    x[i] = rounded(type, (1 + std::fmod(c, 5)) * x[i] + 3 - std::fmod(c, 7));
  }
  return x;
}
std::vector<double> rows_of(const std::vector<double>& x, std::int64_t first, std::int64_t rows,
                            int channels) {
  return {x.begin() + first * channels, x.begin() + (first + rows) * channels};
}

void fill_totals(StorageType type, const std::vector<double>& x, int channels, Array& totals) {
  const PointwiseShape shape{type, static_cast<std::int64_t>(x.size()) / channels, channels};
  Array values(type, x), partials = scratch(statistics_workspace_bytes(shape));
  batch_norm_statistics(shape, values.data(), partials.data(), nullptr);
  batch_norm_totals(shape, partials.data(), as_totals(totals), nullptr);
}

/// One rank on all rows.
void one_rank(StorageType type, const std::vector<double>& x, int channels, BatchNorm& norm) {
  const PointwiseShape shape{type, static_cast<std::int64_t>(x.size()) / channels, channels};
  Array values(type, x), partials = scratch(statistics_workspace_bytes(shape));
  batch_norm_statistics(shape, values.data(), partials.data(), nullptr);
  batch_norm_finalise(shape, partials.data(), norm.parameters(), norm.saved.floats(), nullptr);
}

}  // namespace

TEST_CASE("cuda shared batch norm: the ranks' totals give the statistics of all rows") {
  QCFACE_NEED_DEVICE();
  for (const StorageType type : kTypes) {
    for (const int channels : kChannels) {
      const std::vector<double> x = value_of(type, 131, channels);
      BatchNorm whole(static_cast<std::size_t>(channels));
      one_rank(type, x, channels, whole);
      for (const auto& cut : kCuts) {
        INFO(name_of(type) << " " << channels << " channels, " << cut.size() << " ranks");
        same_bits_in_every_mode([&] {
          std::vector<Array> totals;
          std::int64_t first = 0;
          for (const std::int64_t rows : cut) {
            totals.push_back(totals_for(channels));
            fill_totals(type, rows_of(x, first, rows, channels), channels, totals.back());
            REQUIRE(doubles(totals.back()).at(static_cast<std::size_t>(2 * channels)) ==
                    static_cast<double>(rows));
            first += rows;
          }
          add_up(totals);
          BatchNorm ours(static_cast<std::size_t>(channels));
          batch_norm_from_totals(channels, as_totals(totals.back()), ours.parameters(), ours.saved.floats(),
                                 nullptr);
          check_close("saved", ours.saved.values(), whole.saved.values(), 2e-6);
          check_close("running_mean", ours.mean.values(), whole.mean.values(), 1e-6);
          check_close("running_var", ours.var.values(), whole.var.values(), 2e-6);
          return ours.raw();
        });
      }
    }
  }
}

TEST_CASE("cuda shared batch norm: the variance survives a mean of 7000 deviations") {
  QCFACE_NEED_DEVICE();
  std::vector<double> x = random_values(StorageType::kF32, 2, 900);
  for (double& v : x) v = rounded(StorageType::kF32, 4000 + v);
  const double mean = std::accumulate(x.begin(), x.end(), 0.0) / 900;
  double squares = 0;
  for (const double v : x) squares += (v - mean) * (v - mean);
  std::vector<Array> totals;
  for (std::int64_t r = 0; r < 3; ++r) {
    totals.push_back(totals_for(1));
    fill_totals(StorageType::kF32, rows_of(x, 300 * r, 300, 1), 1, totals.back());
  }
  add_up(totals);
  BatchNorm norm(1);
  batch_norm_from_totals(1, as_totals(totals[0]), norm.parameters(), norm.saved.floats(), nullptr);
  const double inverse = 1 / std::sqrt(squares / 900 + static_cast<double>(kEps));
  REQUIRE(std::abs(norm.saved.values()[3] - inverse) <= 2e-5 * inverse);
}

TEST_CASE("cuda shared batch norm: a convolution's sums are handed on as they are") {
  QCFACE_NEED_DEVICE();
  constexpr int kCount = 40;
  constexpr std::size_t kAll = 40;
  // Sixteenths, so that the sums of two ranks add up without rounding.
  std::vector<double> parts[2], sums;
  for (std::uint32_t r = 0; r < 2; ++r) {
    for (std::size_t c = 0; c < kAll; ++c)
      parts[r].push_back(std::floor(160 * sym(5, r, static_cast<std::uint32_t>(c))) / 16);
    for (std::size_t c = 0; c < kAll; ++c) parts[r].push_back(200.0 + static_cast<double>(c) + r);
  }
  for (std::size_t i = 0; i < 2 * kAll; ++i) sums.push_back(parts[0][i] + parts[1][i]);
  const PointwiseShape shape{StorageType::kF16, 60, kCount}, of_rank{StorageType::kF16, 30, kCount};
  same_bits_in_every_mode([&] {
    BatchNorm whole(kAll), ours(kAll);
    Array all(StorageType::kF32, sums);
    batch_norm_from_sums(shape, all.floats(), whole.parameters(), whole.saved.floats(), nullptr);
    std::vector<Array> totals;
    for (const auto& part : parts) {
      Array own(StorageType::kF32, part);
      totals.push_back(totals_for(kCount));
      batch_norm_totals_from_sums(of_rank, own.floats(), as_totals(totals.back()), nullptr);
    }
    add_up(totals);
    batch_norm_from_totals(kCount, as_totals(totals[1]), ours.parameters(), ours.saved.floats(), nullptr);
    check_close("saved", ours.saved.values(), whole.saved.values(), 2e-7);
    check_close("running_var", ours.var.values(), whole.var.values(), 2e-7);
    return ours.raw();
  });
}

TEST_CASE("cuda shared batch norm: gradients are those of all rows, a rank's own for gamma, beta and slope") {
  QCFACE_NEED_DEVICE();
  for (const StorageType type : kTypes) {
    for (const int channels : kChannels) {
      for (const bool slopes : {false, true}) {
        const std::vector<double> x = value_of(type, 131, channels),
                                  dy = random_values(type, 3, x.size(), 0.1, 1);
        const auto c = static_cast<std::size_t>(channels);
        BatchNorm norm(c);
        one_rank(type, x, channels, norm);
        Array slope(StorageType::kF32, random_values(StorageType::kF32, 6, c, 0.25, 0.125));
        struct Gradients {
          std::vector<double> dx, gamma, beta, slope;
          void add(const Gradients& other) {
            dx.insert(dx.end(), other.dx.begin(), other.dx.end());
            for (const auto& [to, from] :
                 {std::pair{&gamma, &other.gamma}, {&beta, &other.beta}, {&slope, &other.slope}}) {
              to->resize(from->size());
              for (std::size_t i = 0; i < from->size(); ++i) (*to)[i] += (*from)[i];
            }
          }
        };
        /// A rank's backward pass up to its totals, then the rest.
        struct Rank {
          Array x, dy, dx, gamma, beta, slope, workspace;
          PointwiseBackward call;
        };
        const auto begin = [&](std::int64_t first, std::int64_t rows, double* totals) {
          const PointwiseShape shape{type, rows, channels};
          auto rank = std::make_unique<Rank>(Rank{Array(type, rows_of(x, first, rows, channels)),
                                                  Array(type, rows_of(dy, first, rows, channels)),
                                                  Array(type, static_cast<std::size_t>(rows) * c),
                                                  Array(StorageType::kF32, c),
                                                  Array(StorageType::kF32, c),
                                                  Array(StorageType::kF32, c),
                                                  scratch(pointwise_backward_workspace_bytes(shape)),
                                                  {}});
          PointwiseBackward& call = rank->call;
          call.shape = shape;
          call.x = rank->x.data();
          call.dy = rank->dy.data();
          call.dx = rank->dx.data();
          call.saved = norm.saved.floats();
          if (slopes) call.slope = slope.floats();
          call.totals = totals;
          pointwise_backward_sums(call, rank->workspace.data(), nullptr);
          pointwise_backward_finalise(call, rank->workspace.data(), rank->gamma.floats(), rank->beta.floats(),
                                      rank->slope.floats(), nullptr);
          return rank;
        };
        const auto end = [&](Rank& rank) {
          if (rank.call.totals) pointwise_backward_factors(rank.call, rank.workspace.data(), nullptr);
          pointwise_backward(rank.call, rank.workspace.data(), nullptr);
          return Gradients{rank.dx.values(), rank.gamma.values(), rank.beta.values(),
                           slopes ? rank.slope.values() : std::vector<double>()};
        };
        const Gradients whole = end(*begin(0, 131, nullptr));
        for (const auto& cut : kCuts) {
          INFO(name_of(type) << " " << channels << " channels, " << cut.size() << " ranks"
                             << (slopes ? ", slopes" : ""));
          same_bits_in_every_mode([&] {
            std::vector<Array> totals;
            for (std::size_t r = 0; r < cut.size(); ++r) totals.push_back(totals_for(channels));
            std::vector<std::unique_ptr<Rank>> ranks;
            std::int64_t first = 0;
            for (const std::int64_t rows : cut) {
              ranks.push_back(begin(first, rows, as_totals(totals[ranks.size()])));
              first += rows;
            }
            add_up(totals);
            Gradients ours;
            Bytes bytes;
            for (const auto& rank : ranks) {
              ours.add(end(*rank));
              bytes.push_back(rank->dx.raw());
            }
            check_close("dx", ours.dx, whole.dx, 2 * epsilon_of(type) + 1e-6);
            check_close("d_gamma", ours.gamma, whole.gamma, 2e-6);
            check_close("d_beta", ours.beta, whole.beta, 2e-6);
            if (slopes) check_close("d_slope", ours.slope, whole.slope, 2e-6);
            return bytes;
          });
        }
      }
    }
  }
}

TEST_CASE("cuda shared batch norm: bad calls are refused by name") {
  QCFACE_NEED_DEVICE();
  Array some(StorageType::kF32, random_values(StorageType::kF32, 1, 64));
  const PointwiseShape shape{StorageType::kF32, 8, 8};
  REQUIRE_THROWS_WITH(batch_norm_totals(shape, some.data(), nullptr, nullptr),
                      contains("batch_norm_totals: totals is null"));
  REQUIRE_THROWS_WITH(batch_norm_totals({StorageType::kF32, 0, 8}, some.data(), as_totals(some), nullptr),
                      contains("must be positive"));
  REQUIRE_THROWS_WITH(batch_norm_totals_from_sums(shape, nullptr, as_totals(some), nullptr),
                      contains("sums is null"));
  REQUIRE_THROWS_WITH(batch_norm_from_totals(8, as_totals(some), {}, some.floats(), nullptr),
                      contains("gamma is null"));
  PointwiseBackward call;
  call.shape = shape;
  call.saved = some.floats();
  REQUIRE_THROWS_WITH(pointwise_backward_factors(call, some.data(), nullptr), contains("totals is null"));
}
