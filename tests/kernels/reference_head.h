// The heads of math.md as plain double loops over a dense [N, K] table. Shares no code with the library. `loss_parts`
// with frozen choices (p, z*, t, branches, hard masks) is what central differences need; see test_head_reference.cpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace qcface::test {

struct RefConfig {
  int head = 0;  // 0 arc, 1 cur, 2 mv
  int rule = 0;  // 0 easy, 1 threshold, 2 none
  bool norm = true, training = true;
  double s = 64, m = 0.5, lambda = 1, ua = 100, la = 1, eps = 1e-3, a = 1.12, momentum = 0.01, s_min = 1e-4;
};

/// What carries no gradient.
struct RefFrozen {
  bool set = false;
  std::vector<double> p;
  std::vector<char> on, hard;
  double t = 0;
};

struct RefResult {
  double loss = 0, loss_id = 0, loss_g = 0, t = 0;
  std::vector<double> z, c, logit, nll, one_minus_q, p, zstar, lg, dz, tangent;
  std::vector<int> rank, hard_count;
  std::vector<double> direction, magnitude, dw;
  RefFrozen frozen;
  double gap =
      1e300;  // least distance of a negative cosine from its row's margin, or of c from the rule's switch
};

inline double ref_f(const RefConfig& q, double z, double p) {
  const double r = q.ua / q.la;
  const double k = r * r * (q.ua + 3 * q.la) / (3 * q.ua + q.la);
  return k * p * (1 / (z + q.eps) + z / (q.ua * q.ua)) + (1 - p) * (1 / (z + q.eps) + z / (q.la * q.la));
}

inline RefResult reference_head(const RefConfig& q, std::size_t n, std::size_t d, std::size_t k,
                                const std::vector<double>& x, const std::vector<double>& w,
                                const std::vector<std::int64_t>& labels, double t_in,
                                const RefFrozen& frozen = RefFrozen()) {
  RefResult out;
  out.t = t_in;
  out.frozen.set = true;
  for (auto* v : {&out.z, &out.c, &out.logit, &out.nll, &out.one_minus_q, &out.p, &out.zstar, &out.lg,
                  &out.dz, &out.tangent}) {
    v->assign(n, 0);
  }
  out.rank.assign(n, 0);
  out.hard_count.assign(n, 0);
  out.direction.assign(n * d, 0);
  out.magnitude.assign(n * d, 0);
  out.dw.assign(k * d, 0);
  std::vector<double> xh(n * d), wh(k * d), wl(k), c(n * k), sine(n), margin(n), slope(n);
  for (std::size_t i = 0; i < n; ++i) {
    double sum = 0;
    for (std::size_t e = 0; e < d; ++e) sum += x[i * d + e] * x[i * d + e];
    out.z[i] = std::sqrt(sum);
    for (std::size_t e = 0; e < d; ++e) xh[i * d + e] = x[i * d + e] / std::max(out.z[i], 1e-12);
  }
  for (std::size_t j = 0; j < k; ++j) {
    double sum = 0;
    for (std::size_t e = 0; e < d; ++e) sum += w[j * d + e] * w[j * d + e];
    wl[j] = std::sqrt(sum);
    for (std::size_t e = 0; e < d; ++e) wh[j * d + e] = w[j * d + e] / std::max(wl[j], 1e-12);
  }
  double mean_c = 0;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < k; ++j) {
      double dot = 0;
      for (std::size_t e = 0; e < d; ++e) dot += xh[i * d + e] * wh[j * d + e];
      c[i * k + j] = std::min(1.0, std::max(-1.0, dot));
    }
    const auto y = static_cast<std::size_t>(labels[i]);
    out.c[i] = c[i * k + y];
    mean_c += out.c[i] / static_cast<double>(n);
    double sum = 0;
    for (std::size_t e = 0; e < d; ++e) {
      const double across = wh[y * d + e] - out.c[i] * xh[i * d + e];
      sum += across * across;
    }
    sine[i] = std::sqrt(sum);
  }
  if (q.head == 1 && q.training && n > 0) out.t = q.momentum * mean_c + (1 - q.momentum) * t_in;
  const double t = frozen.set ? frozen.t : out.t;
  out.frozen.t = t;
  const double batch = static_cast<double>(n);
  std::vector<double> g(n * k, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    const auto y = static_cast<std::size_t>(labels[i]);
    const double cy = out.c[i];
    margin[i] = cy * std::cos(q.m) - sine[i] * std::sin(q.m);
    const double margin_slope = std::cos(q.m) + std::sin(q.m) * cy / std::max(sine[i], q.s_min);
    const double pi = std::acos(-1.0);
    const double edge = q.rule == 0 ? 0.0 : std::cos(pi - q.m);
    bool on = q.rule == 2 || cy > edge;
    if (q.rule != 2) out.gap = std::min(out.gap, std::fabs(cy - edge));
    if (frozen.set) on = frozen.on[i] != 0;
    out.frozen.on.push_back(on);
    out.logit[i] = on ? margin[i] : (q.rule == 1 ? cy - q.m * std::sin(pi - q.m) : cy);
    slope[i] = on ? margin_slope : 1.0;
    double highest = -1e300, plain_highest = -1e300;
    std::vector<double> logit(k), derivative(k, 1.0);
    for (std::size_t j = 0; j < k; ++j) {
      const double v = c[i * k + j];
      bool hard = q.head != 0 && j != y && v > margin[i];
      if (q.head != 0 && j != y) out.gap = std::min(out.gap, std::fabs(v - margin[i]));
      if (frozen.set) hard = frozen.hard[i * k + j] != 0;
      out.frozen.hard.push_back(hard);
      out.hard_count[i] += hard;
      logit[j] = v;
      if (hard && q.head == 1) {
        logit[j] = v * (t + v);
        derivative[j] = t + 2 * v;
      } else if (hard) {
        logit[j] = q.a * v + q.a - 1;
        derivative[j] = q.a;
      }
      if (j == y) continue;
      out.rank[i] += v > cy;
      highest = std::max(highest, q.s * logit[j]);
      plain_highest = std::max(plain_highest, q.s * v);
    }
    double sum = 0, plain_sum = 0;
    for (std::size_t j = 0; j < k; ++j) {
      if (j == y) continue;
      sum += std::exp(q.s * logit[j] - highest);
      plain_sum += std::exp(q.s * c[i * k + j] - plain_highest);
    }
    const double ln = highest + std::log(sum), lp = plain_highest + std::log(plain_sum);
    const double distance = ln - q.s * out.logit[i];
    out.nll[i] = distance > 0 ? distance + std::log1p(std::exp(-distance)) : std::log1p(std::exp(distance));
    out.one_minus_q[i] = 1 / (1 + std::exp(-distance));
    out.p[i] = frozen.set ? frozen.p[i] : 1 / (1 + std::exp(lp - q.s * cy));
    out.frozen.p.push_back(out.p[i]);
    const double r = q.ua / q.la, kk = r * r * (q.ua + 3 * q.la) / (3 * q.ua + q.la), p = out.p[i];
    const double a = kk * p + (1 - p), e_term = kk * p / (q.ua * q.ua) + (1 - p) / (q.la * q.la);
    out.zstar[i] = std::sqrt(a / (e_term + q.eps));
    out.lg[i] = ref_f(q, out.z[i], p) - ref_f(q, out.zstar[i], p);
    const bool live = out.z[i] >= 1e-12;
    out.dz[i] =
        q.norm && live ? q.lambda / batch * (e_term - a / ((out.z[i] + q.eps) * (out.z[i] + q.eps))) : 0;
    out.loss_id += out.nll[i] / batch;
    if (q.norm) out.loss_g += out.lg[i] / batch;
    for (std::size_t j = 0; j < k; ++j) {
      g[i * k + j] = j == y
                         ? -q.s / batch * out.one_minus_q[i] * slope[i]
                         : q.s / batch * out.one_minus_q[i] * std::exp(q.s * logit[j] - ln) * derivative[j];
    }
    double square = 0;
    for (std::size_t j = 0; j < k && live; ++j) {
      for (std::size_t e = 0; e < d; ++e)
        out.direction[i * d + e] += g[i * k + j] * (wh[j * d + e] - c[i * k + j] * xh[i * d + e]);
    }
    for (std::size_t e = 0; e < d && live; ++e) {
      out.direction[i * d + e] /= out.z[i];
      out.magnitude[i * d + e] = out.dz[i] * xh[i * d + e];
      square += out.direction[i * d + e] * out.direction[i * d + e];
    }
    out.tangent[i] = std::sqrt(square);
  }
  for (std::size_t j = 0; j < k; ++j) {
    if (wl[j] < 1e-12) continue;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t e = 0; e < d; ++e)
        out.dw[j * d + e] += g[i * k + j] * (xh[i * d + e] - c[i * k + j] * wh[j * d + e]);
    }
    for (std::size_t e = 0; e < d; ++e) out.dw[j * d + e] /= wl[j];
  }
  out.loss = out.loss_id + (q.norm ? q.lambda * out.loss_g : 0);
  return out;
}

}  // namespace qcface::test
