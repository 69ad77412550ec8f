// Golden cases with the fused plans: every scene whose width they take, both types. What 16-bit operands cost is measured
// on the chunked plan with the same operands: row values must lie as near to the golden ones, gradients within the rounding
// of P and G to the type of that plan's.
#include <algorithm>

#include "bench/worse.h"
#include "tests/kernels/golden_heads.h"

namespace qcface::test {
namespace {

/// Largest distances from the golden row values. Values without a bound (nll, L_g) relative to 1 + |value|.
struct RowErrors {
  double nll = 0, q = 0, p = 0, lg = 0;
};

RowErrors row_errors(const GoldenHeads& all, const GoldenCase& c, const HeadRun& run, std::size_t n) {
  RowErrors e;
  const auto want = [&](std::size_t which, std::size_t i) { return all.data[c.rows + which * n + i]; };
  const auto see = [](double& worst, double difference) { worst = worse(worst, difference); };
  for (std::size_t i = 0; i < n; ++i) {
    see(e.nll, std::fabs(static_cast<double>(run.nll[i]) - want(3, i)) / (1 + std::fabs(want(3, i))));
    see(e.q, std::fabs(1 - static_cast<double>(run.one_minus_q[i]) - want(4, i)));
    see(e.p, std::fabs(static_cast<double>(run.p[i]) - want(5, i)));
    see(e.lg, std::fabs(static_cast<double>(run.lg[i]) - want(7, i)) / (1 + std::fabs(want(7, i))));
  }
  return e;
}

/// Largest distance of two gradients, rows on their natural scale s / (N |v|) plus their largest element.
double gradient_distance(const Guarded<float>& a, const Guarded<float>& b, const std::vector<float>& v,
                         std::int64_t d, double s, std::int64_t n) {
  double worst = 0;
  const auto width = static_cast<std::size_t>(d);
  for (std::size_t first = 0; first < a.size(); first += width) {
    double square = 0, largest = 0;
    for (std::size_t k = first; k < first + width; ++k) {
      square += static_cast<double>(v[k]) * v[k];
      largest = std::max(largest, std::fabs(static_cast<double>(b[k])));
    }
    const double scale = largest + s / (static_cast<double>(n) * std::sqrt(square));
    for (std::size_t k = first; k < first + width; ++k) {
      const double distance = std::fabs(static_cast<double>(a[k]) - static_cast<double>(b[k])) / scale;
      worst = worse(worst, distance);
    }
  }
  return worst;
}

TEST_CASE("golden heads: the fused plans with 16-bit operands", "[golden]") {
  QCFACE_NEEDS_BACKEND();
#ifdef QCF_EMULATE
  constexpr bool kSlow = true;  // threads are fibers
#else
  constexpr bool kSlow = false;
#endif
  const GoldenHeads all = read_golden_heads();
  int count = 0, cases = 0;
  for (const auto& [name, scene] : all.scenes) {
    if (scene.d % 8 != 0 || (kSlow && name == "large")) continue;
    const HeadInput in = build_scene(scene);
    std::vector<int> of_head(static_cast<std::size_t>(qcf_head_count()));
    for (const GoldenCase& c : all.cases) {
      if (c.scene() != name) continue;
      const qcf_head_kind kind = golden_head_kind(c.head);
      // Of scenes with many classes or wide rows one case a head, or one at all, is enough where they are slow.
      const std::int64_t work = kSlow ? scene.k * scene.d : 0;
      if (++of_head[static_cast<std::size_t>(kind)] > (work > 5000 ? 1 : 100)) continue;
      if (work > 100000 && kind != QCF_HEAD_QCFACE_CUR) continue;
      const qcf_head_config config = golden_config(c, kind);
      const auto state = c.in.find("t");
      const float t = state == c.in.end() ? 0.0f : static_cast<float>(state->second);
      const qcf_type type = ++cases % 2 == 0 ? QCF_TYPE_BF16 : QCF_TYPE_F16;
      const auto run = [&](qcf_plan plan) {
        const WithSetup with({plan, type, true});
        return run_head(config, in, t);
      };
      const HeadRun chunked = run(QCF_PLAN_CHUNKED);
      const RowErrors base = row_errors(all, c, chunked, static_cast<std::size_t>(in.n));
      const double u = type == QCF_TYPE_BF16 ? 0x1p-8 : 0x1p-11;
      if (name ==
          "large") {  // many chunks: shifts that move, vectors that are rescaled. Seen on the CPU: u / 10
        CHECK(base.nll <= u);
        CHECK(base.q <= u);
        CHECK(base.p <= u);
      }
      for (const qcf_plan plan : half_plans()) {
        if (plan == QCF_PLAN_CHUNKED) continue;
        const HeadRun fused = run(plan);
        const RowErrors e = row_errors(all, c, fused, static_cast<std::size_t>(in.n));
        const double dx =
            gradient_distance(fused.dx_direction, chunked.dx_direction, in.x, in.d, config.s, in.n);
        const double dw = gradient_distance(fused.dw, chunked.dw, in.w, in.d, config.s, in.n);
        INFO(c.id << " type " << qcf_type_name(type) << " plan " << qcf_plan_name(plan) << ": nll " << e.nll
                  << " / " << base.nll << " q " << e.q << " / " << base.q << " p " << e.p << " / " << base.p
                  << " L_g " << e.lg << " / " << base.lg << " dx " << dx / u << " u dw " << dw / u << " u");
        CHECK(e.nll <= 1.05 * base.nll + 1e-4);
        CHECK(e.q <= 1.05 * base.q + 1e-4);
        CHECK(e.p <= 1.05 * base.p + 1e-4);
        CHECK(e.lg <= 1.05 * base.lg + 2e-4);
        CHECK(dx <= u);
        CHECK(dw <= u);
        CHECK(fused.hard.vector() == chunked.hard.vector());
        CHECK(fused.rank.vector() == chunked.rank.vector());
        ++count;
      }
    }
  }
  REQUIRE(cases > 0);
  REQUIRE(count == cases * (static_cast<int>(half_plans().size()) - 1));
  if (own_data()) REQUIRE(cases == (kSlow ? 175 : 285));
}

}  // namespace
}  // namespace qcface::test
