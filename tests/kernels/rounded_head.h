// What a straightforward implementation with operands of a 16-bit type gives: everything in double, but the operands of
// the four products (unit rows, exponentials, gradient factors) rounded once to the type. Its distance from the exact
// reference is the evidence that tolerances for 16-bit operands rest on. Targets stay exact, as in the library.
#pragma once

#include "tests/kernels/reference_head.h"

namespace qcface::test {

/// To `bits` significant bits (8: bf16, 11: fp16), to nearest, without a bound on the exponent.
inline double round_to(double v, int bits) {
  if (v == 0) return 0;
  int exponent = 0;
  const double fraction = std::frexp(v, &exponent);
  return std::ldexp(std::nearbyint(std::ldexp(fraction, bits)), exponent - bits);
}

struct RoundedResult {
  std::vector<double> nll, direction, dw;
};

inline RoundedResult rounded_head(const RefConfig& q, std::size_t n, std::size_t d, std::size_t k,
                                  const std::vector<double>& x, const std::vector<double>& w,
                                  const std::vector<std::int64_t>& labels, double t, int bits) {
  RoundedResult out;
  out.nll.resize(n);
  out.direction.assign(n * d, 0);
  out.dw.assign(k * d, 0);
  const auto unit = [&](const std::vector<double>& rows, std::size_t count, std::vector<double>* length) {
    std::vector<double> u(rows.size());
    for (std::size_t r = 0; r < count; ++r) {
      double sum = 0;
      for (std::size_t e = 0; e < d; ++e) sum += rows[r * d + e] * rows[r * d + e];
      length->push_back(std::sqrt(sum));
      for (std::size_t e = 0; e < d; ++e) u[r * d + e] = rows[r * d + e] / std::sqrt(sum);
    }
    return u;
  };
  std::vector<double> z, wl;
  const std::vector<double> xh = unit(x, n, &z), wh = unit(w, k, &wl);
  std::vector<double> xr = xh, wr = wh, h(k * d, 0.0), target(k * d, 0.0), cosine(n * k);
  for (double& v : xr) v = round_to(v, bits);
  for (double& v : wr) v = round_to(v, bits);
  for (std::size_t i = 0; i < n; ++i) {
    const auto y = static_cast<std::size_t>(labels[i]);
    double c = 0, square = 0;
    for (std::size_t e = 0; e < d; ++e) c += xh[i * d + e] * wh[y * d + e];
    for (std::size_t e = 0; e < d; ++e) {
      const double across = wh[y * d + e] - c * xh[i * d + e];
      square += across * across;
    }
    const double sine = std::sqrt(square), margin = c * std::cos(q.m) - sine * std::sin(q.m);
    const double edge = q.rule == 0 ? 0.0 : std::cos(std::acos(-1.0) - q.m);
    const bool on = q.rule == 2 || c > edge;
    const double logit = on ? margin : (q.rule == 1 ? c - q.m * std::sin(q.m) : c);
    const double slope = on ? std::cos(q.m) + std::sin(q.m) * c / std::max(sine, q.s_min) : 1;
    std::vector<double> value(k), derivative(k, 1.0);
    double highest = -1e300, sum = 0;
    for (std::size_t j = 0; j < k; ++j) {
      double dot = 0;
      for (std::size_t e = 0; e < d; ++e) dot += xr[i * d + e] * wr[j * d + e];
      const bool hard = q.head != 0 && dot > margin;
      value[j] = !hard ? dot : q.head == 1 ? dot * (t + dot) : q.a * dot + q.a - 1;
      if (hard) derivative[j] = q.head == 1 ? t + 2 * dot : q.a;
      if (j != y) highest = std::max(highest, q.s * value[j]);
    }
    for (std::size_t j = 0; j < k; ++j) sum += j == y ? 0 : std::exp(q.s * value[j] - highest);
    const double distance = highest + std::log(sum) - q.s * logit;
    out.nll[i] = std::max(distance, 0.0) + std::log1p(std::exp(-std::fabs(distance)));
    const double scale = q.s / static_cast<double>(n) / (1 + std::exp(-distance));
    std::vector<double> vector(d, 0.0);
    for (std::size_t j = 0; j < k; ++j) {
      if (j == y) continue;
      const double p = round_to(std::exp(q.s * value[j] - highest) * derivative[j], bits) / sum;
      const double g = round_to(scale * std::exp(q.s * value[j] - highest) / sum * derivative[j], bits);
      for (std::size_t e = 0; e < d; ++e) {
        vector[e] += p * wr[j * d + e];
        h[j * d + e] += g * xr[i * d + e];
      }
    }
    double along = 0;
    for (std::size_t e = 0; e < d; ++e) along += vector[e] * xh[i * d + e];
    for (std::size_t e = 0; e < d; ++e) {
      const double across = wh[y * d + e] - c * xh[i * d + e];
      out.direction[i * d + e] = scale * (vector[e] - along * xh[i * d + e] - slope * across) / z[i];
      target[y * d + e] -= scale * slope * (xh[i * d + e] - c * wh[y * d + e]) / wl[y];
    }
  }
  for (std::size_t j = 0; j < k; ++j) {
    double along = 0;
    for (std::size_t e = 0; e < d; ++e) along += h[j * d + e] * wh[j * d + e];
    for (std::size_t e = 0; e < d; ++e) {
      out.dw[j * d + e] = (h[j * d + e] - along * wh[j * d + e]) / wl[j] + target[j * d + e];
    }
  }
  return out;
}

}  // namespace qcface::test
