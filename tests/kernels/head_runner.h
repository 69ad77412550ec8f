// Owns the buffers of one head call for the tests: poisons every output with NaN, pads it with canaries, runs the whole
// step or the four stages and checks the canaries.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "qcface/kernels.hpp"
#include "tests/kernels/backend.h"
#include "tests/support/catch.h"

namespace qcface::test {

/// `count` values of T between two guards; values start as `poison`.
template <class T>
class Guarded {
 public:
  Guarded() = default;
  Guarded(std::size_t count, T poison) : values_(count + 2 * kGuard, poison) {
    for (std::size_t i = 0; i < kGuard; ++i) values_[i] = values_[count + kGuard + i] = kCanary;
  }
  T* data() { return values_.data() + kGuard; }
  const T* data() const { return values_.data() + kGuard; }
  std::size_t size() const { return values_.size() < 2 * kGuard ? 0 : values_.size() - 2 * kGuard; }
  T& operator[](std::size_t i) { return data()[i]; }
  const T& operator[](std::size_t i) const { return data()[i]; }
  std::vector<T> vector() const { return std::vector<T>(data(), data() + size()); }
  bool intact() const {
    for (std::size_t i = 0; i < kGuard && !values_.empty(); ++i) {
      if (values_[i] != kCanary || values_[values_.size() - 1 - i] != kCanary) return false;
    }
    return true;
  }

 private:
  static constexpr std::size_t kGuard = 16;
  static constexpr T kCanary = static_cast<T>(-77771);
  std::vector<T> values_;
};

struct HeadInput {
  std::int64_t n = 0, d = 0, k = 0;
  std::vector<float> x, w;
  std::vector<std::int64_t> labels;
};

enum class Form { kStep, kStaged };

struct HeadRun {
  Guarded<double> losses;
  Guarded<float> z, c, t_logit, nll, one_minus_q, p, zstar, lg, dz, tangent;
  Guarded<std::int32_t> rank, hard;
  Guarded<float> dx, dx_direction, dx_magnitude, dw;
  float t = 0;
  std::array<float, 2> length_stats{20, 100};
  std::size_t workspace_bytes = 0;

  explicit HeadRun(const HeadInput& in) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const auto n = static_cast<std::size_t>(in.n);
    const auto d = static_cast<std::size_t>(in.d);
    losses = Guarded<double>(3, std::numeric_limits<double>::quiet_NaN());
    for (auto* row : {&z, &c, &t_logit, &nll, &one_minus_q, &p, &zstar, &lg, &dz, &tangent})
      *row = Guarded<float>(n, nan);
    rank = hard = Guarded<std::int32_t>(n, -1);
    dx = dx_direction = dx_magnitude = Guarded<float>(n * d, nan);
    dw = Guarded<float>(static_cast<std::size_t>(in.k) * d, nan);
  }

  qcf_head_args args(const HeadInput& in) {
    qcf_head_args a = make_head_args();
    a.n = in.n;
    a.d = in.d;
    a.k_loc = in.k;
    a.x = in.x.data();
    a.w = in.w.data();
    a.labels = in.labels.data();
    a.t = &t;
    a.length_stats = length_stats.data();
    a.losses = losses.data();
    a.row_z = z.data();
    a.row_c = c.data();
    a.row_t = t_logit.data();
    a.row_nll = nll.data();
    a.row_one_minus_q = one_minus_q.data();
    a.row_p = p.data();
    a.row_zstar = zstar.data();
    a.row_lg = lg.data();
    a.row_dz = dz.data();
    a.row_tangent = tangent.data();
    a.row_rank = rank.data();
    a.row_hard = hard.data();
    a.dx = dx.data();
    a.dx_direction = dx_direction.data();
    a.dx_magnitude = dx_magnitude.data();
    a.dw = dw.data();
    return a;
  }

  bool intact() const {
    for (const auto* f : {&z, &c, &t_logit, &nll, &one_minus_q, &p, &zstar, &lg, &dz, &tangent, &dx,
                          &dx_direction, &dx_magnitude, &dw}) {
      if (!f->intact()) return false;
    }
    return losses.intact() && rank.intact() && hard.intact();
  }
};

/// Status of a call and, on CUDA, of what qcf_head_check then finds.
inline qcf_status checked(KernelContext& context, const qcf_head_config& config, const qcf_head_args& args,
                          qcf_status status) {
  return status == QCF_OK && kOnCuda ? qcf_head_check(context.get(), &config, &args) : status;
}

inline void run_args(KernelContext& context, const qcf_head_config& config, const qcf_head_args& host,
                     Form form) {
  CallArgs call(context, host);
  call.add_workspace(context, config);
  const qcf_head_args& args = call.args();
  if (form == Form::kStep) {
    head_step(context, config, args);
  } else {
    head_prepare(context, config, args);
    head_sums(context, config, args);
    head_finish(context, config, args);
    head_weights(context, config, args);
  }
  const qcf_status status = qcf_head_check(context.get(), &config, &args);
  const std::string text = context.get()->error;
  REQUIRE(call.download());
  if (status != QCF_OK) throw KernelError(status, text.c_str());
}

inline HeadRun run_head(const qcf_head_config& config, const HeadInput& in, float t = 0, int threads = 2,
                        Form form = Form::kStep, qcf_isa isa = QCF_ISA_AUTO,
                        std::array<float, 2> length_stats = {20, 100}) {
  HeadRun run(in);
  run.t = t;
  run.length_stats = length_stats;
  TestContext context(threads);
  context.get()->isa = isa;
  run_args(context, config, run.args(in), form);
  REQUIRE(run.intact());
  return run;
}

inline bool same_bits(const Guarded<float>& a, const Guarded<float>& b) {
  return a.size() == b.size() &&
         (a.size() == 0 || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}
inline bool same_bits(const HeadRun& a, const HeadRun& b) {
  return std::memcmp(a.losses.data(), b.losses.data(), 3 * sizeof(double)) == 0 && same_bits(a.z, b.z) &&
         same_bits(a.c, b.c) && same_bits(a.t_logit, b.t_logit) && same_bits(a.nll, b.nll) &&
         same_bits(a.one_minus_q, b.one_minus_q) && same_bits(a.p, b.p) && same_bits(a.zstar, b.zstar) &&
         same_bits(a.lg, b.lg) && same_bits(a.dz, b.dz) && same_bits(a.tangent, b.tangent) &&
         same_bits(a.dx, b.dx) && same_bits(a.dx_direction, b.dx_direction) &&
         same_bits(a.dx_magnitude, b.dx_magnitude) && same_bits(a.dw, b.dw) &&
         std::memcmp(&a.t, &b.t, sizeof(float)) == 0 && a.length_stats == b.length_stats &&
         a.rank.vector() == b.rank.vector() && a.hard.vector() == b.hard.vector();
}

/// The instruction sets that this machine can run. CUDA has but one way.
inline std::vector<qcf_isa> isas() {
  if (kOnCuda) return {QCF_ISA_AUTO};
  std::vector<qcf_isa> list;
  for (const qcf_isa isa : {QCF_ISA_BASELINE, QCF_ISA_AVX2, QCF_ISA_AVX512}) {
    if (qcf_isa_available(isa)) list.push_back(isa);
  }
  return list;
}

}  // namespace qcface::test
