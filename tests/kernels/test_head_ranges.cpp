// Class rows of any length that fp32 holds: unit rows and gradients do not lose digits where squares would overflow or
// vanish.
#include <algorithm>
#include <cmath>

#include "tests/kernels/random_input.h"

namespace qcface::test {
namespace {

/// Unit rows in fp32 as the backend makes them.
std::vector<float> unit_rows(const std::vector<float>& matrix, std::int64_t rows, std::int64_t d) {
  TestContext context;
#if QCFACE_ON_CUDA
  const DeviceBuffer<float> from(matrix);
  DeviceBuffer<float> to(matrix.size());
  context.check(qcf_unit_rows(context.get(), rows, d, from.data(), QCF_TYPE_F32, to.data()));
  return to.host();
#else
  std::vector<float> to(matrix.size(), NAN);
  context.check(qcf_unit_rows(context.get(), rows, d, matrix.data(), QCF_TYPE_F32, to.data()));
  return to;
#endif
}

TEST_CASE("head: unit rows are right to the last digit for rows of any length") {
  QCFACE_NEEDS_BACKEND();
  for (const std::int64_t d : {7, 64, 130, 512}) {
    const std::vector<int> exponents = {-37, -36, -34, -32, -10, -1, 0, 1, 10, 47, 50, 63, 64, 90, 118};
    const auto rows = static_cast<std::int64_t>(exponents.size());
    std::vector<float> matrix = tensor(31, 1, static_cast<std::size_t>(rows * d), 0, 1);
    for (std::size_t i = 0; i < matrix.size(); ++i) {
      matrix[i] = std::ldexp(matrix[i], exponents[i / static_cast<std::size_t>(d)]);
    }
    matrix[static_cast<std::size_t>(6 * d)] = 3000;  // one element that outweighs its row
    const std::vector<float> unit = unit_rows(matrix, rows, d);
    int off = 0;
    for (std::int64_t row = 0; row < rows; ++row) {
      double square = 0;
      for (std::int64_t e = 0; e < d; ++e) {
        const double v = static_cast<double>(matrix[static_cast<std::size_t>(row * d + e)]);
        square += v * v;
      }
      for (std::int64_t e = 0; e < d; ++e) {
        const auto at = static_cast<std::size_t>(row * d + e);
        const double right = static_cast<double>(matrix[at]) / std::sqrt(square);
        const double error = std::fabs(static_cast<double>(unit[at]) - right);
        INFO("d " << d << " row " << row << " element " << e << ": " << unit[at] << ", right is " << right);
        REQUIRE(error <= 1.3e-7 * std::fabs(right));  // the neighbour at most
        off += unit[at] != static_cast<float>(right);
      }
    }
    INFO(off << " of " << unit.size() << " elements are not the nearest number");
    REQUIRE(off <= static_cast<int>(unit.size() / 20) + 1);
  }
}

// Lengths beyond these keep unit rows and losses; the part of the gradient along w then leaves the range of fp32.
TEST_CASE("head: gradients of short and long class rows are those of rows of common length") {
  QCFACE_NEEDS_BACKEND();
  const HeadInput common = random_input(33, 21, 48, 90);
  const qcf_head_config config = make_head_config(QCF_HEAD_QCFACE);
  const HeadRun right = run_head(config, common);
  for (const int exponent : {-36, -33, -20, 20, 40}) {
    HeadInput scaled = common;
    for (float& v : scaled.w) v = std::ldexp(v, exponent);
    const HeadRun run = run_head(config, scaled);
    REQUIRE(std::fabs(run.losses[0] - right.losses[0]) <= 1e-6 * right.losses[0]);
    double largest = 0;
    for (std::int64_t j = 0; j < common.k; ++j) {
      double error = 0, size = 0;
      for (std::int64_t e = 0; e < common.d; ++e) {
        const auto at = static_cast<std::size_t>(j * common.d + e);
        const double expected = std::ldexp(static_cast<double>(right.dw[at]), -exponent);
        error += std::pow(static_cast<double>(run.dw[at]) - expected, 2);
        size += expected * expected;
      }
      INFO("2^" << exponent << ", class " << j);
      REQUIRE(std::sqrt(error) <= 1e-5 * std::sqrt(size));
      largest = std::max(largest, size);
    }
    REQUIRE(std::ldexp(std::sqrt(largest), exponent) > 1e-3);
  }
}

}  // namespace
}  // namespace qcface::test
