// 16-bit operands, every plan: no further from the exact reference than a few times what rounding the operands once does
// (rounded_head.h). What does not pass through a product must be as exact as with fp32 operands.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "bench/worse.h"
#include "tests/kernels/random_input.h"
#include "tests/kernels/rounded_head.h"

namespace qcface::test {
namespace {

std::vector<double> widen(const std::vector<float>& v) { return {v.begin(), v.end()}; }

/// Root mean square and largest distance, each entry on its row's scale.
struct Distance {
  double rms = 0, largest = 0;
  std::size_t at = 0;
};
template <class A, class B, class Scale>
Distance distance(const A& a, const B& b, std::size_t count, const Scale& scale) {
  Distance out;
  for (std::size_t i = 0; i < count; ++i) {
    const double v = std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])) / scale(i);
    out.rms += v * v / static_cast<double>(count);
    if (!(v <= out.largest) && !std::isnan(out.largest)) out.at = i;
    out.largest = worse(out.largest, v);
  }
  out.rms = std::sqrt(out.rms);
  return out;
}

/// One input and what is held against it; the references are made once for all setups.
struct TypeCase {
  HeadInput in;
  qcf_head_config config;
  RefConfig q;
  RefResult exact;
  std::map<int, RoundedResult> rounded;  // by significant bits

  TypeCase(std::uint32_t seed, std::int64_t n, std::int64_t d, std::int64_t k)
      : in(random_input(seed, n, d, k)), config(make_head_config(static_cast<qcf_head_kind>(seed % 3))) {
    config.rule = static_cast<qcf_rule>(seed / 3 % 3);
    config.phase = QCF_PHASE_NORM;
    q.head = config.kind;
    q.rule = config.rule;
    exact = reference_head(q, size(n), size(d), size(k), widen(in.x), widen(in.w), in.labels, 0.25);
  }
  static std::size_t size(std::int64_t v) { return static_cast<std::size_t>(v); }
  const RoundedResult& naive_with(int bits) {
    const auto found = rounded.find(bits);
    if (found != rounded.end()) return found->second;
    return rounded[bits] = rounded_head(q, size(in.n), size(in.d), size(in.k), widen(in.x), widen(in.w),
                                        in.labels, exact.t, bits);
  }
};

void check_types(const Setup& typed, TypeCase& of) {
  const WithSetup with(typed);
  const HeadInput& in = of.in;
  const RefResult& exact = of.exact;
  const std::int64_t n = in.n;
  const std::size_t rows = TypeCase::size(n), width = TypeCase::size(in.d), classes = TypeCase::size(in.k);
  const RoundedResult& naive = of.naive_with(typed.type == QCF_TYPE_BF16 ? 8 : 11);
  const HeadRun run = run_head(of.config, in, 0.25f);
  INFO("plan " << qcf_plan_name(typed.plan) << " type " << qcf_type_name(typed.type) << " unit_w "
               << typed.unit_w << " n " << n << " d " << in.d << " k " << in.k << " head " << of.config.kind
               << " rule " << of.config.rule);
  const auto one = [](std::size_t) { return 1.0; };
  const auto row_scale = [&](std::size_t i) { return 64.0 / (static_cast<double>(n) * exact.z[i / width]); };
  std::vector<double> lengths(classes);
  for (std::size_t j = 0; j < classes; ++j) {
    for (std::size_t e = 0; e < width; ++e)
      lengths[j] += std::pow(static_cast<double>(in.w[j * width + e]), 2);
    lengths[j] = std::sqrt(lengths[j]);
  }
  const auto class_scale = [&](std::size_t i) {
    return 64.0 / (static_cast<double>(n) * lengths[i / width]);
  };
  // exact whatever the operands are
  REQUIRE(distance(run.c, exact.c, rows, one).largest <= 1e-6);
  REQUIRE(distance(run.t_logit, exact.logit, rows, one).largest <= 2e-6);
  REQUIRE(distance(run.z, exact.z, rows, [&](std::size_t i) { return exact.z[i]; }).largest <= 1e-6);
  REQUIRE(std::fabs(static_cast<double>(run.t) - exact.t) <= 1e-6);
  // Four times the evidence, because few roundings decide a small shape's error; and what fp32 operands are allowed.
  const auto judge = [&](const char* what, const Distance& ours, const Distance& evidence, double floor) {
    INFO(what << ": rms " << ours.rms << " largest " << ours.largest << " at " << ours.at << "; evidence rms "
              << evidence.rms << " largest " << evidence.largest);
    REQUIRE(ours.rms <= 4 * evidence.rms + floor);
    REQUIRE(ours.largest <= 4 * evidence.largest + floor);
  };
  judge("nll", distance(run.nll, exact.nll, rows, one), distance(naive.nll, exact.nll, rows, one), 3e-4);
  judge("dx_direction", distance(run.dx_direction, exact.direction, rows * width, row_scale),
        distance(naive.direction, exact.direction, rows * width, row_scale), 5e-5);
  judge("dw", distance(run.dw, exact.dw, classes * width, class_scale),
        distance(naive.dw, exact.dw, classes * width, class_scale), 2e-5);
  REQUIRE(distance(run.dx, run.dx, rows * width, row_scale).largest == 0);  // no NaN
}

void check_types(const Setup& typed, std::uint32_t seed, std::int64_t n, std::int64_t d, std::int64_t k) {
  TypeCase one(seed, n, d, k);
  check_types(typed, one);
}

std::vector<Setup> half_setups(bool with_own_rows) {
  std::vector<Setup> list;
  for (const qcf_plan plan : half_plans()) {
    for (const qcf_type type : {QCF_TYPE_BF16, QCF_TYPE_F16}) {
      Setup s;
      s.plan = plan;
      s.type = type;
      s.unit_w = true;
      list.push_back(s);
      if (plan != QCF_PLAN_CHUNKED || !with_own_rows) continue;
      s.unit_w = false;
      list.push_back(s);
    }
  }
  return list;
}

TEST_CASE("head types: 16-bit operands stay near the evidence, every plan") {
  QCFACE_NEEDS_BACKEND();
  std::uint32_t seed = 400;
  for (const Setup& s : half_setups(true)) {
    for (const auto& [n, d, k] : {std::array<std::int64_t, 3>{7, 32, 150}, {33, 64, 97}, {3, 136, 40}}) {
      check_types(s, seed++, n, d, k);
    }
  }
}

TEST_CASE("head types: the widest rows over several tiles and chunks, every plan") {
  QCFACE_NEEDS_BACKEND();
#ifdef QCF_EMULATE
  TypeCase wide(428, 70, 512, 200);  // the small cache of the emulated device makes chunks
#else
  TypeCase wide(428, 200, 512, 9000);  // more classes than any chunk holds
#endif
  for (const Setup& s : half_setups(true)) check_types(s, wide);
}

TEST_CASE("head types: 16-bit operands with any remainder, chunked") {
  QCFACE_NEEDS_BACKEND();
  const WithL2 cache(4096);
  for (const qcf_type type : {QCF_TYPE_BF16, QCF_TYPE_F16}) {
    Setup s;
    s.plan = QCF_PLAN_CHUNKED;
    s.type = type;
    std::uint32_t seed = 500;
    for (std::int64_t d : {1, 2, 3, 5, 7, 9, 12, 15, 17}) check_types(s, seed++, 6, d + 3, 20 + d);
    for (std::int64_t n : {1, 2, 31, 32, 34}) check_types(s, seed++, n, 12, 70);
    for (std::int64_t k : {3, 63, 64, 65, 129}) check_types(s, seed++, 5, 16, k);
  }
}

TEST_CASE("head types: the same bits twice, and from one rank staged") {
  QCFACE_NEEDS_BACKEND();
  for (const Setup& s : half_setups(false)) {
    const WithSetup with(s);
    const HeadInput in = random_input(77, 12, 24, 210);
    for (int head = 0; head < 3; ++head) {
      const qcf_head_config config = make_head_config(static_cast<qcf_head_kind>(head));
      const HeadRun one = run_head(config, in, 0.2f);
      REQUIRE(same_bits(one, run_head(config, in, 0.2f)));
      REQUIRE(same_bits(one, run_head(config, in, 0.2f, 2, Form::kStaged)));
    }
  }
}

TEST_CASE("head types: large logits and rules that stretch the slope stay in the range of fp16") {
  QCFACE_NEEDS_BACKEND();
  HeadInput in = random_input(31, 8, 24, 150);
  for (std::int64_t i = 0; i < 4; ++i) {  // rows along another class: cur reaches s * 2, mv's slope is a
    const std::int64_t other = (in.labels[static_cast<std::size_t>(i)] + 1) % in.k;
    for (std::int64_t e = 0; e < in.d; ++e) {
      in.x[static_cast<std::size_t>(i * in.d + e)] =
          3.0f * in.w[static_cast<std::size_t>(other * in.d + e)] +
          0.02f * in.x[static_cast<std::size_t>((i + 4) * in.d + e)];
    }
  }
  for (const Setup& s : half_setups(false)) {
    const WithSetup with(s);
    for (int head = 0; head < 3; ++head) {
      qcf_head_config config = make_head_config(static_cast<qcf_head_kind>(head));
      config.mv_a = 50;
      config.s = 128;
      const HeadRun run = run_head(config, in, 0.9f);
      int bad = 0;
      for (const auto* v : {&run.dx, &run.dw, &run.nll}) {
        for (std::size_t i = 0; i < v->size(); ++i) bad += !std::isfinite((*v)[i]);
      }
      INFO("plan " << qcf_plan_name(s.plan) << " type " << qcf_type_name(s.type) << " head " << head);
      REQUIRE(bad == 0);
    }
  }
}

}  // namespace
}  // namespace qcface::test
