#include "harness/data/augment/lab.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace qcface::data {
namespace {

constexpr double kToXyz[9] = {0.412453, 0.357580, 0.180423, 0.212671, 0.715160,
                              0.072169, 0.019334, 0.119193, 0.950227};
constexpr double kWhite[3] = {0.950456, 1.0, 1.088754};

double to_linear(double v) { return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4); }
double to_srgb(double v) { return v <= 0.0031308 ? v * 12.92 : 1.055 * std::pow(v, 1.0 / 2.4) - 0.055; }
double f_of(double t) { return t > 216.0 / 24389.0 ? std::cbrt(t) : t * (841.0 / 108.0) + 16.0 / 116.0; }

std::array<double, 9> inverse(const double (&m)[9]) {
  const auto minor = [&](int r, int c) {
    const int r0 = (r + 1) % 3, r1 = (r + 2) % 3, c0 = (c + 1) % 3, c1 = (c + 2) % 3;
    return m[3 * r0 + c0] * m[3 * r1 + c1] - m[3 * r0 + c1] * m[3 * r1 + c0];
  };
  const double determinant = m[0] * minor(0, 0) + m[1] * minor(0, 1) + m[2] * minor(0, 2);
  std::array<double, 9> result{};
  for (int r = 0; r < 3; ++r) {
    for (int c = 0; c < 3; ++c) result[static_cast<std::size_t>(3 * r + c)] = minor(c, r) / determinant;
  }
  return result;
}

template <class T>
T rounded(double v) {
  return static_cast<T>(std::lrint(v));
}

}  // namespace

LabTables::LabTables() {
  for (std::size_t v = 0; v < 256; ++v) {
    const double value = static_cast<double>(v);
    linear[v] = rounded<std::uint16_t>(kLinearScale * to_linear(value / 255.0));
    f_of_l[v] = rounded<std::int32_t>((1 << kBackBits) * (value * (100.0 / 255.0) + 16.0) / 116.0);
    f_of_a[v] = rounded<std::int32_t>((1 << kBackBits) * (value - 128.0) / 500.0);
    f_of_b[v] = rounded<std::int32_t>((1 << kBackBits) * (value - 128.0) / 200.0);
  }
  for (std::size_t t = 0; t < f.size(); ++t) {
    f[t] = rounded<std::uint16_t>((1 << kForwardBits) * f_of(static_cast<double>(t) / kLinearScale));
  }
  const std::array<double, 9> back = inverse(kToXyz);
  for (std::size_t i = 0; i < 9; ++i) {
    to_xyz[i] = rounded<std::int32_t>((1 << kMatrixBits) * kToXyz[i] / kWhite[i / 3]);
    to_rgb[i] = rounded<std::int32_t>((1 << kMatrixBits) * back[i] * kWhite[i % 3]);
  }
  for (std::size_t v = 0; v < gamma.size(); ++v) {
    gamma[v] = rounded<std::uint8_t>(255.0 * to_srgb(static_cast<double>(v) / (kGammaSize - 1)));
  }
}

const LabTables& lab_tables() {
  static const LabTables tables;
  return tables;
}

}  // namespace qcface::data
