// The optimiser fused into the second pass against the same step taken apart, on every backend; the refreshed unit rows.
#include <limits>

#include "tests/kernels/random_input.h"

namespace qcface::test {
namespace {

struct Optimiser {
  std::vector<float> w, velocity;
  float lr = 0.1f, momentum = 0.9f, decay = 5e-4f;
  std::int32_t skip = 0;

  explicit Optimiser(const HeadInput& in) : w(in.w), velocity(tensor(3, 1, in.w.size(), 0, 0.25)) {}
  qcf_optimiser sgd() {
    qcf_optimiser s = make_optimiser();
    s.w = w.data();
    s.slots[0] = velocity.data();
    s.lr = &lr;
    s.skip = &skip;
    s.momentum = momentum;
    s.weight_decay = decay;
    return s;
  }
};

/// One step with the fused optimiser.
HeadRun fused(const qcf_head_config& config, const HeadInput& in, Optimiser& o, bool want_dw,
              void* unit_w = nullptr) {
  HeadRun run(in);
  TestContext context(2);
  qcf_optimiser sgd = o.sgd();
  qcf_head_args args = run.args(in);
  args.w = o.w.data();
  args.optimiser = &sgd;
  args.unit_w = unit_w;
  if (!want_dw) args.dw = nullptr;
  run_args(context, config, args, Form::kStep);
  REQUIRE(run.intact());
  return run;
}

TEST_CASE("head sgd: the fused step is the separate one") {
  QCFACE_NEEDS_BACKEND();
  for (int head = 0; head < 3; ++head) {
    for (const std::int64_t d : {17, 24}) {
      const HeadInput in = random_input(static_cast<std::uint32_t>(200 + head), 9, d, 150);
      qcf_head_config config = make_head_config(static_cast<qcf_head_kind>(head));
      const HeadRun apart = run_head(config, in);
      Optimiser with_dw(in), without(in);
      const std::vector<float> velocity = with_dw.velocity;
      const HeadRun run = fused(config, in, with_dw, true);
      fused(config, in, without, false);
      REQUIRE(same_bits(run.dw, apart.dw));
      REQUIRE(same_bits(run.dx, apart.dx));
      REQUIRE(with_dw.w == without.w);
      REQUIRE(with_dw.velocity == without.velocity);
      int moved = 0;
      for (std::size_t i = 0; i < velocity.size(); ++i) {
        const double g = static_cast<double>(apart.dw[i]) + 5e-4 * static_cast<double>(in.w[i]);
        const double v = 0.9f * static_cast<double>(velocity[i]) + g;
        const double w = static_cast<double>(in.w[i]) - static_cast<double>(0.1f) * v;
        const double size = 1 + std::fabs(v);
        REQUIRE(std::fabs(static_cast<double>(with_dw.velocity[i]) - v) <= 5e-7 * size);
        REQUIRE(std::fabs(static_cast<double>(with_dw.w[i]) - w) <= 5e-7 * (size + std::fabs(w)));
        moved += with_dw.w[i] != in.w[i];
      }
      REQUIRE(moved > 100);
    }
  }
}

TEST_CASE("head sgd: an empty batch still decays; skip and bad data leave everything") {
  QCFACE_NEEDS_BACKEND();
  const qcf_head_config config = make_head_config(QCF_HEAD_QCFACE);
  HeadInput in = random_input(210, 6, 16, 90);
  {
    HeadInput none = in;
    none.n = 0;
    Optimiser o(none);
    const std::vector<float> velocity = o.velocity;
    fused(config, none, o, false);
    for (std::size_t i = 0; i < velocity.size(); ++i) {
      const double v = 0.9f * static_cast<double>(velocity[i]) + 5e-4 * static_cast<double>(in.w[i]);
      REQUIRE(std::fabs(static_cast<double>(o.velocity[i]) - v) <= 1e-6);
    }
  }
  {
    Optimiser o(in);
    o.skip = 1;
    const Optimiser before = o;
    const HeadRun run = fused(config, in, o, true);
    REQUIRE(o.w == before.w);
    REQUIRE(o.velocity == before.velocity);
    REQUIRE(std::isnan(run.dw[0]));  // as it was
  }
  for (int bad = 0; bad < 3; ++bad) {
    HeadInput broken = in;
    Optimiser o(in);
    const float nan = std::numeric_limits<float>::quiet_NaN();
    if (bad == 0) broken.x[20] = nan;
    if (bad == 1) broken.labels[3] = 90;
    if (bad == 2) o.lr = nan;
    const Optimiser before = o;
    REQUIRE_THROWS_AS(fused(config, broken, o, true), KernelError);
    REQUIRE(o.w == before.w);
    REQUIRE(o.velocity == before.velocity);
  }
}

#if QCFACE_ON_CUDA
TEST_CASE("head sgd: the kept unit rows follow the updated weights") {
  QCFACE_NEEDS_BACKEND();
  const HeadInput in = random_input(220, 9, 40, 130);
  for (const qcf_type type : {QCF_TYPE_F32, QCF_TYPE_BF16, QCF_TYPE_F16}) {
    Setup typed;
    typed.type = type;
    const WithSetup with(typed);
    const std::size_t bytes = in.w.size() * (type == QCF_TYPE_F32 ? 4 : 2);
    const auto unit_rows_of = [&](const std::vector<float>& w) {
      TestContext context;
      Mirror from(w.data(), nullptr, 4 * w.size());
      std::vector<unsigned char> host(bytes);
      Mirror to(nullptr, host.data(), bytes);
      context.check(qcf_unit_rows(context.get(), in.k, in.d, reinterpret_cast<const float*>(from.data()),
                                  type, to.data()));
      REQUIRE(to.download());
      return host;
    };
    std::vector<unsigned char> unit = unit_rows_of(in.w);
    const std::vector<unsigned char> first = unit;
    Optimiser o(in);
    fused(make_head_config(QCF_HEAD_QCFACE_MV), in, o, false, unit.data());
    REQUIRE(unit != first);
    REQUIRE(unit == unit_rows_of(o.w));
  }
}
#endif

}  // namespace
}  // namespace qcface::test
