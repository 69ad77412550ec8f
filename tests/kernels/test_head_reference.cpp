// The library against plain double loops, on shapes that meet every remainder of the vector width, the row block and the
// class tile; the loops themselves against central differences.
#include <algorithm>
#include <cmath>

#include "bench/worse.h"
#include "tests/kernels/random_input.h"
#include "tests/kernels/reference_head.h"

namespace qcface::test {
namespace {

std::vector<double> widen(const std::vector<float>& v) { return {v.begin(), v.end()}; }

RefConfig ref_config(const qcf_head_config& config) {
  RefConfig q;
  q.head = config.kind;
  q.rule = config.rule;
  q.norm = config.phase == QCF_PHASE_NORM;
  q.training = config.training != 0;
  q.s = config.s;
  q.m = config.m;
  q.lambda = config.lambda;
  q.ua = config.ua;
  q.la = config.la;
  q.eps = config.eps;
  q.a = config.mv_a;
  q.momentum = config.t_momentum;
  q.s_min = config.s_min;
  return q;
}

RefResult reference(const qcf_head_config& config, const HeadInput& in, float t) {
  return reference_head(ref_config(config), static_cast<std::size_t>(in.n), static_cast<std::size_t>(in.d),
                        static_cast<std::size_t>(in.k), widen(in.x), widen(in.w), in.labels,
                        static_cast<double>(t));
}

struct Worst {
  std::string what;
  std::size_t index = 0;
  double got = 0, want = 0, excess = 0;
  bool ok = true;
  void see(const char* name, std::size_t i, double g, double w, double tolerance) {
    const double difference = std::fabs(g - w);
    if (difference <= tolerance) return;
    ok = false;
    if (!(difference / tolerance <= excess)) *this = {name, i, g, w, difference / tolerance, false};
  }
};

/// Tolerances of golden-formats.md.
void compare(const qcf_head_config& config, const HeadInput& in, const HeadRun& run, const RefResult& ref) {
  Worst worst;
  const double batch = static_cast<double>(in.n);
  const auto n = static_cast<std::size_t>(in.n), d = static_cast<std::size_t>(in.d),
             k = static_cast<std::size_t>(in.k);
  for (std::size_t i = 0; i < n; ++i) {
    const double z = std::max(ref.z[i], 1e-12);
    worst.see("z", i, run.z[i], ref.z[i], 1e-6 * z);
    worst.see("c", i, run.c[i], ref.c[i], 1e-6);
    worst.see("T", i, run.t_logit[i], ref.logit[i], 2e-6);
    worst.see("nll", i, run.nll[i], ref.nll[i], 1e-4 + 1e-5 * ref.nll[i]);
    worst.see("1-q", i, run.one_minus_q[i], ref.one_minus_q[i], 1e-4);
    worst.see("p", i, run.p[i], ref.p[i], 1e-4);
    worst.see("z*", i, run.zstar[i], ref.zstar[i], 1e-2);
    worst.see("L_g", i, run.lg[i], ref.lg[i], 2e-4 * (1 + std::fabs(ref.lg[i])));
    worst.see("dz", i, run.dz[i], ref.dz[i], 2e-4 * (std::fabs(ref.dz[i]) + config.lambda / batch));
    worst.see("tangent", i, run.tangent[i], ref.tangent[i], 5e-5 * (ref.tangent[i] + config.s / (batch * z)));
    if (ref.gap > 2e-6) worst.see("hard", i, run.hard[i], ref.hard_count[i], 0);
    double largest = 0;
    for (std::size_t e = 0; e < d; ++e) largest = std::max(largest, std::fabs(ref.direction[i * d + e]));
    for (std::size_t e = 0; e < d; ++e) {
      const std::size_t at = i * d + e;
      worst.see("dx_direction", at, run.dx_direction[at], ref.direction[at],
                5e-5 * (largest + config.s / (batch * z)));
      worst.see("dx_magnitude", at, run.dx_magnitude[at], ref.magnitude[at],
                2e-4 * (std::fabs(ref.dz[i]) + config.lambda / batch));
      worst.see("dx", at, run.dx[at], static_cast<double>(run.dx_direction[at]) + run.dx_magnitude[at],
                1e-6 * (std::fabs(static_cast<double>(run.dx_direction[at])) +
                        std::fabs(static_cast<double>(run.dx_magnitude[at]))));
    }
  }
  for (std::size_t j = 0; j < k; ++j) {
    double largest = 0, square = 0;
    for (std::size_t e = 0; e < d; ++e) {
      largest = std::max(largest, std::fabs(ref.dw[j * d + e]));
      square += static_cast<double>(in.w[j * d + e]) * in.w[j * d + e];
    }
    const double unit = config.s / (batch * std::max(std::sqrt(square), 1e-12));
    for (std::size_t e = 0; e < d; ++e)
      worst.see("dw", j * d + e, run.dw[j * d + e], ref.dw[j * d + e], 1e-5 * (largest + unit));
  }
  worst.see("loss_id", 0, run.losses[1], ref.loss_id, 1e-4 + 1e-5 * ref.loss_id);
  worst.see("t", 0, run.t, ref.t, 1e-6);
  INFO("n " << in.n << " d " << in.d << " k " << in.k << " head " << config.kind << ": " << worst.what << "["
            << worst.index << "] = " << worst.got << ", reference " << worst.want << ", " << worst.excess
            << " x tolerance");
  REQUIRE(worst.ok);
}

void compare_rank(const HeadInput& in, const HeadRun& run, const RefResult& ref) {
  int different = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(in.n); ++i) different += run.rank[i] != ref.rank[i];
  REQUIRE(different == 0);
}

TEST_CASE("head: the reference's own gradients agree with central differences") {
  QCFACE_NEEDS_BACKEND();
  for (int head = 0; head < 3; ++head) {
    for (int rule = 0; rule < 3; ++rule) {
      RefConfig q;
      q.head = head;
      q.rule = rule;
      const std::size_t n = 5, d = 7, k = 9;
      const HeadInput in = random_input(static_cast<std::uint32_t>(900 + head * 3 + rule), 5, 7, 9);
      const std::vector<double> x = widen(in.x), w = widen(in.w);
      const RefResult base = reference_head(q, n, d, k, x, w, in.labels, 0.2);
      REQUIRE(base.gap > 1e-4);
      double worst = 0;
      // The magnitude loss moves with the length only, so the two losses are differenced apart.
      const auto slope = [&](bool of_x, std::size_t at, bool magnitude) {
        const double h = 1e-5;
        double value[2];
        for (int side = 0; side < 2; ++side) {
          std::vector<double> x2 = x, w2 = w;
          (of_x ? x2 : w2)[at] += side == 0 ? h : -h;
          const RefResult r = reference_head(q, n, d, k, x2, w2, in.labels, 0.2, base.frozen);
          // z* carries no gradient: difference f(z, p) alone
          double f = 0;
          for (std::size_t i = 0; i < n; ++i)
            f += q.lambda * ref_f(q, r.z[i], base.frozen.p[i]) / static_cast<double>(n);
          value[side] = magnitude ? f : r.loss_id;
        }
        return (value[0] - value[1]) / (2 * h);
      };
      for (std::size_t at = 0; at < n * d; ++at) {
        worst = worse(worst, std::fabs(slope(true, at, false) - base.direction[at]) /
                                 (1 + std::fabs(base.direction[at])));
        worst = worse(worst, std::fabs(slope(true, at, true) - base.magnitude[at]) /
                                 (1 + std::fabs(base.magnitude[at])));
      }
      for (std::size_t at = 0; at < k * d; ++at) {
        worst = worse(worst, std::fabs(slope(false, at, false) - base.dw[at]) / (1 + std::fabs(base.dw[at])));
      }
      INFO("head " << head << " rule " << rule << " worst " << worst);
      REQUIRE(worst <= 2e-6);
    }
  }
}

TEST_CASE("head: agrees with the reference on every remainder") {
  QCFACE_NEEDS_BACKEND();
  struct Shape {
    std::int64_t n, d, k;
  };
  std::vector<Shape> shapes;
  for (std::int64_t n = 1; n <= 33; ++n) shapes.push_back({n, 5 + n % 3, 11});  // row blocks, panels
  for (std::int64_t d = 1; d <= 35; ++d) shapes.push_back({7, d, 13});          // vector width, panels
  for (std::int64_t k = 2; k <= 30; ++k) shapes.push_back({5, 17, k});          // class blocks
  for (std::int64_t k : {95, 96, 97, 191, 192, 193, 300}) shapes.push_back({6, 24, k});  // class tiles
  for (std::int64_t d : {255, 256, 257, 271, 511, 512, 513, 600})
    shapes.push_back({9, d, 40});  // depth of a product
  shapes.push_back({70, 33, 2});
  shapes.push_back({33, 16, 3300});  // more tiles than parts
  const WithL2 cache(4096);          // chunks of 64 classes
  std::uint32_t seed = 1;
  for (const Shape& shape : shapes) {
    const HeadInput in = random_input(seed, shape.n, shape.d, shape.k);
    qcf_head_config config = make_head_config(static_cast<qcf_head_kind>(seed % 3));
    config.rule = static_cast<qcf_rule>(seed / 3 % 3);
    config.phase = seed % 7 == 0 ? QCF_PHASE_ID : QCF_PHASE_NORM;
    config.lambda = 0.5 + seed % 4;
    const RefResult ref = reference(config, in, 0.25f);
    for (const qcf_isa isa : isas()) {
      const HeadRun run = run_head(config, in, 0.25f, 2, Form::kStep, isa);
      compare(config, in, run, ref);
    }
    ++seed;
  }
}

TEST_CASE("head: rank counts the classes above the label") {
  QCFACE_NEEDS_BACKEND();
  const HeadInput in = random_input(77, 40, 24, 500);
  const qcf_head_config config = make_head_config(QCF_HEAD_QCFACE_CUR);
  const RefResult ref = reference(config, in, 0.0f);
  compare_rank(in, run_head(config, in), ref);
  int first = 0;
  for (const int r : ref.rank) first += r == 0;
  REQUIRE(first > 0);
  REQUIRE(first < 40);
}

TEST_CASE("head: large logits, hard negatives far above the label, small scale") {
  QCFACE_NEEDS_BACKEND();
  HeadInput in = random_input(31, 12, 20, 150);
  for (std::int64_t i = 0; i < 6; ++i) {  // rows along another class: cur reaches s * 2
    const std::int64_t other = (in.labels[static_cast<std::size_t>(i)] + 1) % in.k;
    for (std::int64_t e = 0; e < in.d; ++e) {
      const float noise = 0.02f * in.x[static_cast<std::size_t>((i + 6) * in.d + e)];
      in.x[static_cast<std::size_t>(i * in.d + e)] =
          3.0f * in.w[static_cast<std::size_t>(other * in.d + e)] + noise;
    }
  }
  for (const double s : {1.0, 32.0, 64.0, 128.0}) {
    for (int head = 0; head < 3; ++head) {
      qcf_head_config config = make_head_config(static_cast<qcf_head_kind>(head));
      config.s = s;
      config.phase = QCF_PHASE_NORM;
      compare(config, in, run_head(config, in, 0.9f), reference(config, in, 0.9f));
    }
  }
}

TEST_CASE("head: a row far from every class keeps its digits") {
  QCFACE_NEEDS_BACKEND();
  // All logits near -s: exp(s c - s), the shift that bounds every row, would be 0 in fp32.
  HeadInput in;
  in.n = 2;
  in.d = 4;
  in.k = 2;
  in.w = {1, 0.2f, 0, 0, 1, -0.2f, 0.1f, 0};
  in.x = {-3, 0.01f, 0.1f, 0, -2, -0.02f, 0, 0.03f};
  in.labels = {0, 1};
  for (int head = 0; head < 3; ++head) {
    qcf_head_config config = make_head_config(static_cast<qcf_head_kind>(head));
    config.rule = QCF_RULE_EASY;
    const HeadRun run = run_head(config, in);
    compare(config, in, run, reference(config, in, 0.0f));
    for (std::size_t i = 0; i < 2; ++i) {
      REQUIRE(run.c[i] < -0.95f);
      REQUIRE(run.one_minus_q[i] > 1e-3f);
      REQUIRE(run.one_minus_q[i] < 1.0f - 1e-3f);
    }
  }
}

TEST_CASE("head: zero rows, exact parallel and anti-parallel rows give finite results") {
  QCFACE_NEEDS_BACKEND();
  for (int head = 0; head < 3; ++head) {
    for (int rule = 0; rule < 3; ++rule) {
      HeadInput in = random_input(55, 8, 16, 40);
      const auto row = [&](std::int64_t i) { return in.x.data() + i * in.d; };
      std::fill_n(row(0), in.d, 0.0f);
      for (std::int64_t e = 0; e < in.d; ++e) {
        row(1)[e] = 4 * in.w[static_cast<std::size_t>(in.labels[1] * in.d + e)];
        row(2)[e] = -2 * in.w[static_cast<std::size_t>(in.labels[2] * in.d + e)];
        row(3)[e] = in.w[static_cast<std::size_t>((in.labels[3] + 1) % in.k * in.d +
                                                  e)];  // parallel to another class
      }
      const std::int64_t dead = 20;
      for (auto& label : in.labels) label = label == dead ? dead + 1 : label;
      std::fill_n(in.w.data() + dead * in.d, in.d, 0.0f);
      qcf_head_config config = make_head_config(static_cast<qcf_head_kind>(head));
      config.rule = static_cast<qcf_rule>(rule);
      config.phase = QCF_PHASE_NORM;
      const HeadRun run = run_head(config, in);
      int bad = 0;
      for (const auto* v : {&run.dx, &run.dx_direction, &run.dx_magnitude, &run.dw, &run.nll, &run.lg}) {
        for (std::size_t i = 0; i < v->size(); ++i) bad += !std::isfinite((*v)[i]);
      }
      REQUIRE(bad == 0);
      for (std::int64_t e = 0; e < in.d; ++e) {
        REQUIRE(run.dx[static_cast<std::size_t>(e)] == 0.0f);
        REQUIRE(run.dw[static_cast<std::size_t>(dead * in.d + e)] == 0.0f);
      }
      for (std::size_t i = 1; i <= 2; ++i) {
        const double limit = config.s * (static_cast<double>(run.one_minus_q[i]) + 1e-4) / (8.0 * run.z[i]);
        REQUIRE(static_cast<double>(run.tangent[i]) <= limit);
      }
    }
  }
}

}  // namespace
}  // namespace qcface::test
