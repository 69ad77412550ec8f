#include "bench/head/reference.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace qcface::bench {
namespace {

constexpr double kPi = 3.14159265358979323846;

double clip(double v, double low, double high) { return std::min(high, std::max(low, v)); }

double dot(const float* a, const float* b, std::int64_t d) {
  double sum = 0;
  for (std::int64_t e = 0; e < d; ++e) sum += static_cast<double>(a[e]) * static_cast<double>(b[e]);
  return sum;
}

struct Target {
  double logit, slope, margin, along;  // T, dT/dc, what hard negatives exceed, dT/dz
};

Target angular(const qcf_head_config& q, double c, double sine, double m) {
  const double margin = c * std::cos(m) - sine * std::sin(m);
  const bool on = q.rule == QCF_RULE_NONE || c > (q.rule == QCF_RULE_EASY ? 0.0 : std::cos(kPi - m));
  if (on) {
    const double slope = std::cos(m) + std::sin(m) * c / std::max(sine, q.s_min);
    return {margin, q.kind == QCF_HEAD_ARCFACE && q.unit_slope ? 1.0 : slope, margin,
            -(sine * std::cos(m) + c * std::sin(m))};
  }
  if (q.rule == QCF_RULE_THRESHOLD)
    return {c - m * std::sin(kPi - m), 1.0, margin, -(std::sin(m) + m * std::cos(m))};
  return {c, 1.0, margin, 0.0};
}

}  // namespace

Reference::Reference(std::int64_t n, std::int64_t d, std::int64_t k, std::int64_t rows, const float* x,
                     const float* w, const std::vector<std::int64_t>& labels)
    : n_(n), d_(d), k_(k), rows_(std::min(rows, n)), x_(x), w_(w), labels_(labels) {
  class_length_.resize(static_cast<std::size_t>(k));
  c_.resize(static_cast<std::size_t>(rows_ * k));
  for (std::int64_t i = 0; i < n; ++i) {
    const float *xi = x + i * d, *wy = w + labels[static_cast<std::size_t>(i)] * d;
    const double z = std::sqrt(dot(xi, xi, d)), length = std::sqrt(dot(wy, wy, d));
    const double c = clip(dot(xi, wy, d) / (z * length), -1, 1);
    double square = 0;
    for (std::int64_t e = 0; e < d; ++e) square += std::pow(wy[e] / length - c * xi[e] / z, 2);
    length_.push_back(z);
    target_.push_back(c);
    sine_.push_back(std::sqrt(square));
  }
#pragma omp parallel for schedule(static)
  for (std::int64_t j = 0; j < k; ++j) {
    const float* wj = w + j * d;
    const double length = std::sqrt(dot(wj, wj, d));
    class_length_[static_cast<std::size_t>(j)] = length;
    for (std::int64_t i = 0; i < rows_; ++i) {
      c_[static_cast<std::size_t>(i * k + j)] =
          clip(dot(x + i * d, wj, d) / (length_[static_cast<std::size_t>(i)] * length), -1, 1);
    }
  }
}

Reference::Step Reference::step(const qcf_head_config& q) const {
  Step out;
  const double batch = static_cast<double>(n_);
  double t = 0, mean = 20, deviation = 100;
  if (qcf_head_has_t(q.kind)) {
    for (const double c : target_) t += q.t_momentum * c / batch;
  }
  if (qcf_head_has_length_stats(q.kind) && n_ > 1) {
    double sum = 0, square = 0;
    for (const double z : length_) sum += clip(z, 1e-3, 100) / batch;
    for (const double z : length_) square += std::pow(clip(z, 1e-3, 100) - sum, 2) / (batch - 1);
    mean = q.ada_momentum * sum + (1 - q.ada_momentum) * mean;
    deviation = q.ada_momentum * std::sqrt(square) + (1 - q.ada_momentum) * deviation;
  }
  const bool cur = q.kind == QCF_HEAD_QCFACE_CUR || q.kind == QCF_HEAD_CURRICULAR;
  const bool mv = q.kind == QCF_HEAD_QCFACE_MV || q.kind == QCF_HEAD_MV_ARC || q.kind == QCF_HEAD_MV_AM;
  const bool guided = q.kind <= QCF_HEAD_QCFACE_MV;
  out.g.resize(c_.size());
  std::vector<double> logit(static_cast<std::size_t>(k_)), slope(static_cast<std::size_t>(k_));
  for (std::int64_t i = 0; i < rows_; ++i) {
    const auto row = static_cast<std::size_t>(i);
    const double* c = c_.data() + i * k_;
    double* g = out.g.data() + i * k_;
    const std::int64_t y = labels_[row];
    const double cy = target_[row], z = length_[row], sine = sine_[row];
    const double a = clip(z, q.mag_la, q.mag_ua);
    const bool a_moves = z >= q.mag_la && z <= q.mag_ua;
    Target target{cy, 1.0, cy, 0.0};
    switch (q.kind) {
      case QCF_HEAD_SOFTMAX:
        break;
      case QCF_HEAD_COSFACE:
        target.logit = cy - q.m;
        break;
      case QCF_HEAD_MV_AM:
        target.margin = cy - q.m;
        target.logit = cy > q.m ? cy - q.m : cy;
        break;
      case QCF_HEAD_MAGFACE: {
        const double rate = (q.mag_um - q.mag_lm) / (q.mag_ua - q.mag_la);
        target = angular(q, cy, sine, q.mag_lm + rate * (a - q.mag_la));
        target.along *= a_moves ? rate : 0.0;
        break;
      }
      case QCF_HEAD_ADAFACE: {
        const double guard = 1e-3, inner = clip(cy, -1 + guard, 1 - guard);
        const double scaled = clip(q.ada_h * (clip(z, 1e-3, 100) - mean) / (deviation + guard), -1, 1);
        const double wanted = std::acos(inner) - q.m * scaled, psi = clip(wanted, guard, kPi - guard);
        target.logit = std::cos(psi) - (q.m + q.m * scaled);
        target.slope = inner == cy && psi == wanted ? std::sin(psi) / sine : 0.0;
        break;
      }
      default:
        target = angular(q, cy, sine, q.m);
        target.along = 0;
    }
    double highest = -1e300, plain_highest = -1e300;
    for (std::int64_t j = 0; j < k_; ++j) {
      const auto column = static_cast<std::size_t>(j);
      const double v = c[j];
      double n = v, dn = 1;
      if (q.kind == QCF_HEAD_ADAFACE) {
        n = clip(v, -1 + 1e-3, 1 - 1e-3);
        dn = n == v ? 1 : 0;
      } else if (cur && v > target.margin) {
        n = v * (t + v);
        dn = t + 2 * v;
      } else if (mv && v > target.margin) {
        n = q.mv_a * v + q.mv_a - 1;
        dn = q.mv_a;
      }
      logit[column] = n;
      slope[column] = dn;
      if (j == y) continue;
      highest = std::max(highest, q.s * n);
      plain_highest = std::max(plain_highest, q.s * v);
    }
    double sum = 0, plain = 0;
    for (std::int64_t j = 0; j < k_; ++j) {
      if (j == y) continue;
      sum += std::exp(q.s * logit[static_cast<std::size_t>(j)] - highest);
      plain += std::exp(q.s * c[j] - plain_highest);
    }
    const double ln = highest + std::log(sum), distance = ln - q.s * target.logit;
    out.nll.push_back(std::max(distance, 0.0) + std::log1p(std::exp(-std::fabs(distance))));
    out.loss_id += out.nll.back() / static_cast<double>(rows_);
    const double wrong = 1 / (1 + std::exp(-distance)), scale = q.s / batch * wrong;
    for (std::int64_t j = 0; j < k_; ++j) {
      const auto column = static_cast<std::size_t>(j);
      g[j] = j == y ? -scale * target.slope : scale * std::exp(q.s * logit[column] - ln) * slope[column];
    }
    double radial = 0;
    if (guided && q.phase == QCF_PHASE_NORM) {
      const double p = 1 / (1 + std::exp(plain_highest + std::log(plain) - q.s * cy)), r = q.ua / q.la;
      const double kk = r * r * (q.ua + 3 * q.la) / (3 * q.ua + q.la);
      radial =
          q.lambda / batch *
          (kk * p / (q.ua * q.ua) + (1 - p) / (q.la * q.la) - (kk * p + 1 - p) / ((z + q.eps) * (z + q.eps)));
    }
    if (q.kind == QCF_HEAD_MAGFACE) {
      if (q.phase == QCF_PHASE_NORM && a_moves)
        radial += q.lambda / batch * (1 / (q.mag_ua * q.mag_ua) - 1 / (a * a));
      radial -= scale * target.along;
    }
    out.radial.push_back(radial);
  }
  return out;
}

std::vector<double> Reference::dx(const Step& step, std::int64_t row) const {
  const double* g = step.g.data() + row * k_;
  const float* x = x_ + row * d_;
  const double z = length_[static_cast<std::size_t>(row)];
  // In blocks, added in their order: the same sum with any number of threads.
  constexpr std::int64_t kBlock = 8192;
  const std::int64_t blocks = (k_ + kBlock - 1) / kBlock;
  std::vector<std::vector<double>> sums(static_cast<std::size_t>(blocks),
                                        std::vector<double>(static_cast<std::size_t>(d_), 0.0));
#pragma omp parallel for schedule(static)
  for (std::int64_t b = 0; b < blocks; ++b) {
    double* part = sums[static_cast<std::size_t>(b)].data();
    for (std::int64_t j = b * kBlock; j < std::min(k_, (b + 1) * kBlock); ++j) {
      const double factor = g[j] / class_length_[static_cast<std::size_t>(j)];
      for (std::int64_t e = 0; e < d_; ++e) part[e] += factor * w_[j * d_ + e];
    }
  }
  std::vector<double> sum(static_cast<std::size_t>(d_), 0.0);
  for (const std::vector<double>& part : sums) {
    for (std::size_t e = 0; e < part.size(); ++e) sum[e] += part[e];
  }
  double along = 0;
  for (std::int64_t e = 0; e < d_; ++e) along += sum[static_cast<std::size_t>(e)] * x[e] / z;
  for (std::int64_t e = 0; e < d_; ++e) {
    double& v = sum[static_cast<std::size_t>(e)];
    v = (v - along * x[e] / z) / z + step.radial[static_cast<std::size_t>(row)] * x[e] / z;
  }
  return sum;
}

std::vector<double> Reference::dw(const Step& step, std::int64_t j) const {
  if (rows_ != n_) throw std::logic_error("dw of a reference that does not hold all rows");
  const double length = class_length_[static_cast<std::size_t>(j)];
  std::vector<double> sum(static_cast<std::size_t>(d_), 0.0);
  for (std::int64_t i = 0; i < n_; ++i) {
    const double g = step.g[static_cast<std::size_t>(i * k_ + j)],
                 c = c_[static_cast<std::size_t>(i * k_ + j)];
    for (std::int64_t e = 0; e < d_; ++e) {
      sum[static_cast<std::size_t>(e)] +=
          g * (x_[i * d_ + e] / length_[static_cast<std::size_t>(i)] - c * w_[j * d_ + e] / length) / length;
    }
  }
  return sum;
}

double relative_error(const float* ours, const std::vector<double>& reference) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    difference += std::pow(static_cast<double>(ours[i]) - reference[i], 2);
    size += reference[i] * reference[i];
  }
  return std::sqrt(difference / std::max(size, 1e-60));
}

}  // namespace qcface::bench
