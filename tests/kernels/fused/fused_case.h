// One call of a fused pass for the tests: operands rounded to the type, row values, and what both passes must give, as plain
// double loops over the rounded operands. The tolerances follow from that: an element of P or G is rounded once to the
// type (unit roundoff u), everything else is fp32 or better.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/cuda/fused.h"
#include "tests/support/catch.h"
#include "tests/support/device_buffer.h"
#include "tests/support/hash_generator.h"

namespace qcface::test {

namespace cu = qcface::kernels::cuda;

struct FusedCase {
  std::int64_t n, d, k;
  qcf_head_kind kind = QCF_HEAD_QCFACE;
  qcf_type type = QCF_TYPE_BF16;
  int parts = 1;
  bool plain = true, vectors = true;
  double s = 64, a = 1.12, batch = 0;  // batch 0 = n
  float t = 0.3f;
  std::uint32_t seed = 1;
};

inline std::uint16_t to_bits(qcf_type type, float v) {
  return type == QCF_TYPE_BF16 ? __bfloat16_as_ushort(__float2bfloat16_rn(v))
                               : __half_as_ushort(__float2half_rn(v));
}
inline double from_bits(qcf_type type, std::uint16_t v) {
  return static_cast<double>(type == QCF_TYPE_BF16 ? __bfloat162float(__ushort_as_bfloat16(v))
                                                   : __half2float(__ushort_as_half(v)));
}

/// Unit rows, rounded.
inline std::vector<std::uint16_t> unit_rows(qcf_type type, std::vector<float> rows, std::int64_t d) {
  std::vector<std::uint16_t> out(rows.size());
  for (std::size_t first = 0; first < rows.size(); first += static_cast<std::size_t>(d)) {
    double square = 0;
    for (std::size_t e = 0; e < static_cast<std::size_t>(d); ++e)
      square += static_cast<double>(rows[first + e]) * rows[first + e];
    const double inv = 1 / std::max(std::sqrt(square), 1e-12);
    for (std::size_t e = 0; e < static_cast<std::size_t>(d); ++e) {
      out[first + e] = to_bits(type, static_cast<float>(rows[first + e] * inv));
    }
  }
  return out;
}

struct FusedInput {
  FusedCase c;
  std::vector<std::uint16_t> x, w;
  std::vector<float> margin, target_c, shift, factor;
  std::vector<std::int64_t> label;
  std::vector<double> cosine;  // [n, k]

  std::size_t at(std::int64_t i, std::int64_t j, std::int64_t width) const {
    return static_cast<std::size_t>(i * width + j);
  }
  double batch() const { return c.batch > 0 ? c.batch : static_cast<double>(c.n); }

  void logit(std::int64_t i, std::int64_t j, double* n, double* slope, bool* hard) const {
    const double v = cosine[at(i, j, c.k)];
    *hard = c.kind != QCF_HEAD_QCFACE && v > static_cast<double>(margin[static_cast<std::size_t>(i)]);
    *n = v;
    *slope = 1;
    if (*hard && c.kind == QCF_HEAD_QCFACE_CUR) {
      *n = v * (static_cast<double>(c.t) + v);
      *slope = static_cast<double>(c.t) + 2 * v;
    } else if (*hard) {
      *n = c.a * v + c.a - 1;
      *slope = c.a;
    }
  }
};

inline FusedInput make_input(const FusedCase& c) {
  FusedInput in;
  in.c = c;
  const auto n = static_cast<std::size_t>(c.n), d = static_cast<std::size_t>(c.d),
             k = static_cast<std::size_t>(c.k);
  std::vector<float> x = tensor(c.seed, 1, n * d, 0, 1);
  const std::vector<float> w = tensor(c.seed, 2, k * d, 0, 1);
  for (std::size_t i = 0; i < n; ++i) {
    const auto row = static_cast<std::uint32_t>(i);
    std::int64_t y = static_cast<std::int64_t>(hash(c.seed, 3, row) % static_cast<std::uint32_t>(c.k));
    if (i == 1) y = 0;
    if (i == 2) y = c.k - 1;
    if (i % 7 == 5) y = -1;  // another rank's class
    in.label.push_back(y);
    // Some rows lean on a class, so that exponentials differ by many powers of e from row to row and within a row.
    const std::size_t lean = hash(c.seed, 4, row) % static_cast<std::uint32_t>(c.k);
    const float weight = static_cast<float>(hash(c.seed, 5, row) % 4) * 0.7f;
    for (std::size_t e = 0; e < d; ++e) x[i * d + e] += weight * w[lean * d + e];
    in.margin.push_back(static_cast<float>(0.4 * sym(c.seed, 6, row)));
    in.target_c.push_back(static_cast<float>(0.4 * sym(c.seed, 7, row)));
  }
  in.x = unit_rows(c.type, x, c.d);
  in.w = unit_rows(c.type, w, c.d);
  std::vector<double> xd, wd;
  for (const auto v : in.x) xd.push_back(from_bits(c.type, v));
  for (const auto v : in.w) wd.push_back(from_bits(c.type, v));
  in.cosine.resize(n * k);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < k; ++j) {
      double dot = 0;
      for (std::size_t e = 0; e < d; ++e) dot += xd[i * d + e] * wd[j * d + e];
      in.cosine[i * k + j] = std::clamp(dot, -1.0, 1.0);
    }
    // No cosine within rounding of a comparison: move the row's values until that holds.
    for (auto* edge : {&in.margin[i], &in.target_c[i]}) {
      const auto close = [&] {
        for (std::size_t j = 0; j < k; ++j) {
          if (std::fabs(in.cosine[i * k + j] - static_cast<double>(*edge)) < 3e-6) return true;
        }
        return false;
      };
      while (close()) *edge += 1.1e-5f;
    }
  }
  return in;
}

/// What the first pass must give, sums relative to 0 as logarithms, vectors relative to exp(log sum).
struct SumsReference {
  std::vector<double> log_sum, plain_log_sum, vectors, vectors_size;
  std::vector<int> higher, hard;
};

inline SumsReference reference_sums(const FusedInput& in) {
  const FusedCase& c = in.c;
  SumsReference out;
  out.vectors.assign(static_cast<std::size_t>(c.n * c.d), 0);
  out.vectors_size = out.vectors;
  for (std::int64_t i = 0; i < c.n; ++i) {
    double highest = -1e300, plain_highest = -1e300;
    int higher = 0, hard_count = 0;
    for (std::int64_t j = 0; j < c.k; ++j) {
      if (j == in.label[static_cast<std::size_t>(i)]) continue;
      double n, slope;
      bool hard;
      in.logit(i, j, &n, &slope, &hard);
      highest = std::max(highest, c.s * n);
      plain_highest = std::max(plain_highest, c.s * in.cosine[in.at(i, j, c.k)]);
      higher += in.cosine[in.at(i, j, c.k)] > static_cast<double>(in.target_c[static_cast<std::size_t>(i)]);
      hard_count += hard;
    }
    double sum = 0, plain = 0;
    for (std::int64_t j = 0; j < c.k; ++j) {
      if (j == in.label[static_cast<std::size_t>(i)]) continue;
      double n, slope;
      bool hard;
      in.logit(i, j, &n, &slope, &hard);
      sum += std::exp(c.s * n - highest);
      plain += std::exp(c.s * in.cosine[in.at(i, j, c.k)] - plain_highest);
      for (std::int64_t e = 0; e < c.d; ++e) {
        const double term = std::exp(c.s * n - highest) * slope * from_bits(c.type, in.w[in.at(j, e, c.d)]);
        out.vectors[in.at(i, e, c.d)] += term;
        out.vectors_size[in.at(i, e, c.d)] += std::fabs(term);
      }
    }
    for (std::int64_t e = 0; e < c.d && sum > 0; ++e) {
      out.vectors[in.at(i, e, c.d)] /= sum;
      out.vectors_size[in.at(i, e, c.d)] /= sum;
    }
    out.log_sum.push_back(sum > 0 ? highest + std::log(sum) : -1e300);
    out.plain_log_sum.push_back(plain > 0 ? plain_highest + std::log(plain) : -1e300);
    out.higher.push_back(higher);
    out.hard.push_back(hard_count);
  }
  return out;
}

/// H_j = sum_i g_ij xh_i without the labels' columns, and the sum of the absolute terms. Shifts and factors as in `in`.
inline void reference_weights(const FusedInput& in, std::vector<double>* h, std::vector<double>* size) {
  const FusedCase& c = in.c;
  h->assign(static_cast<std::size_t>(c.k * c.d), 0);
  *size = *h;
  for (std::int64_t j = 0; j < c.k; ++j) {
    for (std::int64_t i = 0; i < c.n; ++i) {
      if (j == in.label[static_cast<std::size_t>(i)]) continue;
      double n, slope;
      bool hard;
      in.logit(i, j, &n, &slope, &hard);
      const auto row = static_cast<std::size_t>(i);
      const double g = static_cast<double>(in.factor[row]) *
                       std::exp(std::min(0.0, c.s * n - static_cast<double>(in.shift[row]))) * slope;
      for (std::int64_t e = 0; e < c.d; ++e) {
        const double term = g * from_bits(c.type, in.x[in.at(i, e, c.d)]);
        (*h)[in.at(j, e, c.d)] += term;
        (*size)[in.at(j, e, c.d)] += std::fabs(term);
      }
    }
  }
}

struct SumsRun {
  std::vector<float> shift, vectors;
  std::vector<double> sum, counts;
  unsigned long long error = 0;
};

/// Runs pass(call) and reads back; partial results and outputs have their exact sizes and start as NaN.
template <class Pass>
SumsRun run_sums(const FusedInput& in, const Pass& pass) {
  const FusedCase& c = in.c;
  const auto n = static_cast<std::size_t>(c.n), d = static_cast<std::size_t>(c.d),
             parts = static_cast<std::size_t>(c.parts);
  DeviceBuffer<std::uint16_t> x(in.x), w(in.w);
  DeviceBuffer<float> margin(in.margin), target_c(in.target_c), t(std::vector<float>{c.t});
  DeviceBuffer<std::int64_t> label(in.label);
  DeviceBuffer<float> part_vectors(c.vectors ? parts * n * d : 0), part_shift(parts * 2 * n);
  DeviceBuffer<double> part_sum(parts * 2 * n);
  DeviceBuffer<std::int32_t> part_counts(parts * 2 * n);
  DeviceBuffer<float> shift(2 * n), vectors(c.vectors ? n * d : 0);
  DeviceBuffer<double> sum(2 * n), counts(2 * n);
  DeviceBuffer<unsigned long long> error(1);
  cu::FusedSums call{};
  call.kind = c.kind;
  call.shape = {c.type, c.n, c.d, c.k, true, false};
  call.s = static_cast<float>(c.s);
  call.mv_a = static_cast<float>(c.a);
  call.t = t.data();
  call.unit_x = x.data();
  call.unit_w = w.data();
  call.margin = margin.data();
  call.target_c = target_c.data();
  call.label = label.data();
  call.plain = c.plain && c.kind != QCF_HEAD_QCFACE;
  call.vectors = c.vectors;
  call.parts = c.parts;
  call.partials = {part_vectors.data(), part_shift.data(), part_sum.data(), part_counts.data()};
  call.shift = shift.data();
  call.sum = sum.data();
  call.counts = counts.data();
  call.out_vectors = vectors.data();
  call.errors = reinterpret_cast<cu::ErrorRecord*>(error.data());
  check_cuda(pass(call));
  return {shift.host(), vectors.host(), sum.host(), counts.host(), error.host()[0]};
}

inline double unit_roundoff(qcf_type type) { return type == QCF_TYPE_BF16 ? 0x1p-8 : 0x1p-11; }

/// Empty if all is right, else the worst miss.
inline std::string compare_sums(const FusedInput& in, const SumsRun& run, const SumsReference& ref) {
  const FusedCase& c = in.c;
  const auto n = static_cast<std::size_t>(c.n);
  std::string miss;
  const auto see = [&](const char* what, std::size_t i, double got, double want, double tolerance) {
    if (std::fabs(got - want) <= tolerance || !miss.empty()) return;
    miss = std::string(what) + "[" + std::to_string(i) + "] = " + std::to_string(got) + ", expected " +
           std::to_string(want) + " +- " + std::to_string(tolerance);
  };
  // fp32: 64 times the rounding of a cosine, and of the exponent s N - shift
  const double exponent_error = c.s * 2e-6;
  const bool plain = c.plain && c.kind != QCF_HEAD_QCFACE;
  for (std::size_t i = 0; i < n; ++i) {
    see("rank", i, run.counts[i], ref.higher[i], 0);
    see("hard", i, run.counts[n + i], ref.hard[i], 0);
    for (std::size_t which = 0; which < (plain ? 2u : 1u); ++which) {
      const double want = which == 0 ? ref.log_sum[i] : ref.plain_log_sum[i];
      const double sum = run.sum[which * n + i];
      if (want < -1e299) {
        see("empty sum", i, sum, 0, 0);
      } else {
        see(which == 0 ? "log sum" : "plain log sum", i,
            std::log(sum) + static_cast<double>(run.shift[which * n + i]), want, exponent_error);
      }
    }
    if (!c.vectors) continue;
    for (std::int64_t e = 0; e < c.d; ++e) {
      const std::size_t at = in.at(static_cast<std::int64_t>(i), e, c.d);
      const double scale = ref.log_sum[i] < -1e299 ? 1 : 1 / run.sum[i];
      // fp16 loses what lies 2^-25 / 256 and more below the highest
      const double lost = c.type == QCF_TYPE_F16 ? 0x1p-25 * static_cast<double>(c.k) * scale : 0;
      see("vectors", at, static_cast<double>(run.vectors[at]) * scale, ref.vectors[at],
          (1.01 * unit_roundoff(c.type) + 2 * exponent_error) * ref.vectors_size[at] + lost + 1e-30);
    }
  }
  return miss;
}

/// Shifts and factors of the second pass: the sums of the first and factors up to s / B.
inline void add_factors(FusedInput& in, const SumsReference& sums) {
  for (std::size_t i = 0; i < static_cast<std::size_t>(in.c.n); ++i) {
    in.shift.push_back(static_cast<float>(std::max(sums.log_sum[i], -1e4)));
    const double u = 0.5 + 0.5 * sym(in.c.seed, 8, static_cast<std::uint32_t>(i));
    in.factor.push_back(static_cast<float>(in.c.s / in.batch() * u));
  }
}

/// Runs pass(call) for a head whose rows become H itself: see StoreRows.
template <class Pass>
std::vector<float> run_weights(const FusedInput& in, const Pass& pass) {
  const FusedCase& c = in.c;
  DeviceBuffer<std::uint16_t> x(in.x), w(in.w);
  DeviceBuffer<float> margin(in.margin), shift(in.shift), factor(in.factor), t(std::vector<float>{c.t});
  DeviceBuffer<std::int64_t> label(in.label);
  DeviceBuffer<cu::FusedRow> rows(static_cast<std::size_t>(c.n));
  DeviceBuffer<float> h(static_cast<std::size_t>(c.k * c.d));
  cu::FusedWeights call{};
  call.kind = c.kind;
  call.shape = {c.type, c.n, c.d, c.k, true, false};
  call.s = static_cast<float>(c.s);
  call.mv_a = static_cast<float>(c.a);
  call.batch = in.batch();
  call.t = t.data();
  call.unit_x = x.data();
  call.unit_w = w.data();
  call.margin = margin.data();
  call.shift = shift.data();
  call.factor = factor.data();
  call.label = label.data();
  call.rows = rows.data();
  check_cuda(pass(call, h.data()));
  return h.host();
}

inline std::string compare_weights(const FusedInput& in, const std::vector<float>& h,
                                   const std::vector<double>& want, const std::vector<double>& size) {
  const FusedCase& c = in.c;
  const double exponent_error = c.s * 2e-6;
  for (std::size_t at = 0; at < h.size(); ++at) {
    // fp16: the bound s / B lies at 30000 or more, so 2^-25 / 30000 of it a term is lost
    const double lost =
        c.type == QCF_TYPE_F16 ? 0x1p-25 / 10000 * 3 * c.s / in.batch() * static_cast<double>(c.n) : 0;
    const double tolerance = (1.01 * unit_roundoff(c.type) + 2 * exponent_error) * size[at] + lost + 1e-30;
    if (std::fabs(static_cast<double>(h[at]) - want[at]) <= tolerance) continue;
    return "H[" + std::to_string(at) + "] = " + std::to_string(h[at]) + ", expected " +
           std::to_string(want[at]) + " +- " + std::to_string(tolerance);
  }
  return "";
}

/// A class update that keeps H.
struct StoreRows {
  float* h;
  std::int64_t d;
  __device__ bool blocked() const { return false; }
  __device__ void row(std::int64_t klass, const float* values) const {
    for (std::int64_t e = static_cast<std::int64_t>(threadIdx.x % 32); e < d; e += 32)
      h[klass * d + e] = values[e];
  }
  __device__ void prefetch(std::int64_t, std::int64_t) const {}
};

}  // namespace qcface::test
