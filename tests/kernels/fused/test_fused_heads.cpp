// Whole head steps with the fused plans through the C interface: against the double-precision reference, measured by the
// error of the chunked plan with the same operands; the fused optimiser; data errors; class shards; the memory bound.
#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>

#include "bench/worse.h"
#include "qcface/kernels.hpp"
#include "tests/kernels/reference_head.h"
#include "tests/support/catch.h"
#include "tests/support/device_buffer.h"
#include "tests/support/emulation_modes.h"
#include "tests/support/hash_generator.h"

namespace qcface::test {
namespace {

struct Input {
  std::int64_t n, d, k;
  std::vector<float> x, w;
  std::vector<std::int64_t> labels;
};

Input make_head_input(std::uint32_t seed, std::int64_t n, std::int64_t d, std::int64_t k) {
  Input in{n,
           d,
           k,
           tensor(seed, 1, static_cast<std::size_t>(n * d), 0, 1),
           tensor(seed, 2, static_cast<std::size_t>(k * d), 0, 0.25),
           {}};
  for (std::int64_t i = 0; i < n; ++i) {
    const auto row = static_cast<std::uint32_t>(i);
    const std::int64_t y = static_cast<std::int64_t>(hash(seed, 3, row) % static_cast<std::uint32_t>(k));
    in.labels.push_back(i % 5 == 4 ? in.labels.back() : y);
    const float lean = static_cast<float>(hash(seed, 4, row) % 8);
    for (std::int64_t e = 0; e < d; ++e) {
      auto& v = in.x[static_cast<std::size_t>(i * d + e)];
      v = 4 * (v + lean * in.w[static_cast<std::size_t>(in.labels.back() * d + e)]);
    }
  }
  return in;
}

struct Outputs {
  std::vector<double> losses;
  std::vector<float> nll, p, dx, dw, w, velocity;
  std::vector<std::int32_t> rank, hard;
  std::vector<std::uint16_t> unit_w;
  float t = 0;
};

struct Request {
  qcf_plan plan;
  qcf_type type;
  bool sgd = false, dw = true, gradients = true;
  std::int32_t skip = 0;
};

constexpr float kRate = 0.1f, kMomentum = 0.9f, kDecay = 5e-4f;

/// Everything one rank holds on the device. The workspace has its exact size.
struct Rank {
  const Input& in;
  Request request;
  KernelContext context{1, QCF_DEVICE_CUDA};
  qcf_head_config config;
  DeviceBuffer<float> x, w, t, nll, p, dx, dw, velocity, rate;
  DeviceBuffer<std::int64_t> labels;
  DeviceBuffer<double> losses;
  DeviceBuffer<std::int32_t> rank, hard, skip;
  DeviceBuffer<std::uint16_t> unit_w;
  qcf_head_args args = make_head_args();
  qcf_optimiser sgd{};
  std::unique_ptr<DeviceBuffer<unsigned char>> workspace;

  /// Classes first .. first + count - 1.
  Rank(const qcf_head_config& c, const Input& input, const Request& r, std::int64_t first = 0,
       std::int64_t count = -1)
      : in(input),
        request(r),
        config(c),
        x(input.x),
        w(shard(input.w, first * input.d, count < 0 ? -1 : count * input.d)),
        t(std::vector<float>{0.2f}),
        nll(rows()),
        p(rows()),
        dx(rows() * width()),
        dw(w.size()),
        velocity(std::vector<float>(w.size(), 0.5f)),
        rate(std::vector<float>{kRate}),
        labels(input.labels),
        losses(3),
        rank(rows()),
        hard(rows()),
        skip(std::vector<std::int32_t>{r.skip}),
        unit_w(w.size()) {
    context.get()->plan = r.plan;
    context.check(qcf_cuda_open(context.get()));
    args.n = in.n;
    args.d = in.d;
    args.k_loc = static_cast<std::int64_t>(w.size()) / in.d;
    args.k_total = in.k;
    args.class_offset = first;
    args.x = x.data();
    args.w = w.data();
    args.labels = labels.data();
    args.t = t.data();
    args.operand_type = r.type;
    args.unit_w = unit_w.data();
    args.losses = losses.data();
    args.row_nll = nll.data();
    args.row_p = p.data();
    args.row_rank = rank.data();
    args.row_hard = hard.data();
    if (r.gradients) args.dx_direction = dx.data();
    if (r.dw) args.dw = dw.data();
    sgd = {sizeof(sgd), w.data(), {velocity.data()}, rate.data(), skip.data(), kMomentum, kDecay};
    if (r.sgd) args.optimiser = &sgd;
    context.check(qcf_unit_rows(context.get(), args.k_loc, in.d, w.data(), r.type, unit_w.data()));
    workspace = std::make_unique<DeviceBuffer<unsigned char>>(head_workspace_bytes(context, config, args));
    args.workspace = workspace->data();
    args.workspace_bytes = workspace->size();
  }
  ~Rank() { qcf_cuda_close(context.get()); }

  std::size_t rows() const { return static_cast<std::size_t>(in.n); }
  std::size_t width() const { return static_cast<std::size_t>(in.d); }
  static std::vector<float> shard(const std::vector<float>& all, std::int64_t first, std::int64_t count) {
    return count < 0 ? all : std::vector<float>(all.begin() + first, all.begin() + first + count);
  }
  qcf_status step() {
    const qcf_status status = qcf_head_step(context.get(), &config, &args);
    return status != QCF_OK ? status : qcf_head_check(context.get(), &config, &args);
  }
  Outputs outputs() {
    return {losses.host(),   nll.host(),  p.host(),    dx.host(),     dw.host(),  w.host(),
            velocity.host(), rank.host(), hard.host(), unit_w.host(), t.host()[0]};
  }
};

Outputs run_head(const qcf_head_config& config, const Input& in, const Request& request) {
  Rank rank(config, in, request);
  rank.context.check(rank.step());
  return rank.outputs();
}

qcf_head_config norm_config(int head) {
  qcf_head_config config = make_head_config(static_cast<qcf_head_kind>(head));
  config.phase = QCF_PHASE_NORM;
  return config;
}

/// Largest errors against the reference: losses of rows, 1 - p and the gradients on each row's natural scale.
struct Errors {
  double nll = 0, p = 0, dx = 0, dw = 0;
};
Errors errors_of(const Input& in, const Outputs& out, const RefResult& ref, double s) {
  Errors e;
  const auto n = static_cast<std::size_t>(in.n), d = static_cast<std::size_t>(in.d),
             k = static_cast<std::size_t>(in.k);
  const auto see = [](double& worst, double difference) { worst = worse(worst, difference); };
  for (std::size_t i = 0; i < n; ++i) {
    see(e.nll, std::fabs(static_cast<double>(out.nll[i]) - ref.nll[i]));
    see(e.p, std::fabs(static_cast<double>(out.p[i]) - ref.p[i]));
    for (std::size_t c = 0; c < d; ++c) {
      const std::size_t at = i * d + c;
      see(e.dx, std::fabs(static_cast<double>(out.dx[at]) - ref.direction[at]) * static_cast<double>(in.n) *
                    ref.z[i] / s);
    }
  }
  for (std::size_t j = 0; j < k; ++j) {
    double square = 0;
    for (std::size_t c = 0; c < d; ++c) square += static_cast<double>(in.w[j * d + c]) * in.w[j * d + c];
    for (std::size_t c = 0; c < d; ++c) {
      see(e.dw, std::fabs(static_cast<double>(out.dw[j * d + c]) - ref.dw[j * d + c]) *
                    static_cast<double>(in.n) * std::sqrt(square) / s);
    }
  }
  return e;
}

RefResult reference_of(const qcf_head_config& config, const Input& in) {
  RefConfig q;
  q.head = config.kind;
  q.rule = config.rule;
  q.norm = true;
  return reference_head(q, static_cast<std::size_t>(in.n), static_cast<std::size_t>(in.d),
                        static_cast<std::size_t>(in.k), {in.x.begin(), in.x.end()},
                        {in.w.begin(), in.w.end()}, in.labels, static_cast<double>(0.2f));
}

constexpr qcf_plan kPlans[] = {QCF_PLAN_MMA, QCF_PLAN_WGMMA};
constexpr qcf_type kTypes[] = {QCF_TYPE_BF16, QCF_TYPE_F16};

TEST_CASE("fused heads: as near to the reference as the chunked plan with the same operands") {
  for (int head = 0; head < 3; ++head) {
    const qcf_head_config config = norm_config(head);
    for (const auto& in : {make_head_input(11, 37, 40, 131), make_head_input(12, 70, 136, 66)}) {
      const RefResult ref = reference_of(config, in);
      for (const qcf_type type : kTypes) {
        const Errors base = errors_of(in, run_head(config, in, {QCF_PLAN_CHUNKED, type}), ref, config.s);
        // The sums differ by rounding alone, P and G by one rounding of the type relative to another shift.
        const double u = type == QCF_TYPE_BF16 ? 0x1p-8 : 0x1p-11;
        for (const qcf_plan plan : kPlans) {
          const Errors e = errors_of(in, run_head(config, in, {plan, type}), ref, config.s);
          INFO("head " << head << " type " << qcf_type_name(type) << " plan " << qcf_plan_name(plan)
                       << ": nll " << e.nll << " / " << base.nll << " p " << e.p << " / " << base.p << " dx "
                       << e.dx << " / " << base.dx << " dw " << e.dw << " / " << base.dw);
          CHECK(e.nll <= 1.05 * base.nll + 1e-4);
          CHECK(e.p <= 1.05 * base.p + 1e-4);
          CHECK(e.dx <= 1.25 * base.dx + 0.25 * u);
          CHECK(e.dw <= 1.25 * base.dw + 0.25 * u);
        }
      }
    }
  }
}

TEST_CASE(
    "fused heads: ranks and hard counts are the chunked plan's, in every mode; sums alone give the same "
    "losses") {
  const Input in = make_head_input(21, 20, 64, 200);
  const qcf_head_config config = norm_config(1);
  const Outputs base = run_head(config, in, {QCF_PLAN_CHUNKED, QCF_TYPE_F16});
  for_each_mode([&] {
    for (const qcf_plan plan : kPlans) {
      INFO("plan " << qcf_plan_name(plan));
      const Outputs out = run_head(config, in, {plan, QCF_TYPE_F16});
      REQUIRE(out.rank == base.rank);
      REQUIRE(out.hard == base.hard);
      REQUIRE(out.t == base.t);
      Request sums{plan, QCF_TYPE_F16};
      sums.dw = sums.gradients = false;
      REQUIRE(run_head(config, in, sums).losses == out.losses);
    }
  });
}

TEST_CASE("fused heads: the optimiser inside the second pass is dw followed by the optimiser") {
  const Input in = make_head_input(31, 40, 48, 150);
  const qcf_head_config config = norm_config(2);
  for (const qcf_plan plan : kPlans) {
    for (const qcf_type type : kTypes) {
      INFO("plan " << qcf_plan_name(plan) << " type " << qcf_type_name(type));
      const Outputs apart = run_head(config, in, {plan, type});
      Request request{plan, type};
      request.sgd = true;
      const Outputs fused = run_head(config, in, request);
      REQUIRE(fused.dw == apart.dw);
      request.dw = false;
      const Outputs alone = run_head(config, in, request);
      REQUIRE(alone.w == fused.w);
      REQUIRE(alone.velocity == fused.velocity);
      std::size_t different = 0;
      for (std::size_t i = 0; i < in.w.size(); ++i) {
        volatile float decay = kDecay * in.w[i];  // each operation rounded by itself
        volatile float gradient = apart.dw[i] + decay;
        volatile float kept = kMomentum * 0.5f;
        volatile float velocity = kept + gradient;
        volatile float move = kRate * velocity;
        const float w = in.w[i] - move;
        different += fused.w[i] != w || fused.velocity[i] != velocity;
      }
      REQUIRE(different == 0);
      // unit_w is what qcf_unit_rows makes of the new rows
      Input next = in;
      next.w = fused.w;
      Rank again(config, next, {plan, type});
      REQUIRE(again.unit_w.host() == fused.unit_w);
      request.skip = 1;
      const Outputs skipped = run_head(config, in, request);
      REQUIRE(skipped.w == in.w);
      REQUIRE(skipped.velocity == std::vector<float>(in.w.size(), 0.5f));
    }
  }
}

TEST_CASE("fused heads: the wgmma plan asks for every row of w and velocity ahead of its update") {
  const qcf_head_config config = norm_config(0);
  for (const std::int64_t k : {2, 64, 150}) {
    const Input in = make_head_input(32, 5, 48, k);
    for (const bool sgd : {false, true}) {
      Request request{QCF_PLAN_WGMMA, QCF_TYPE_BF16};
      request.sgd = sgd;
      const std::uint64_t before = emulation::bulk_prefetched_bytes();
      run_head(config, in, request);
      REQUIRE(emulation::bulk_prefetched_bytes() - before ==
              static_cast<std::uint64_t>(4 * in.k * in.d * (sgd ? 2 : 1)));
    }
  }
}

TEST_CASE("fused heads: bad data are told and leave the weights alone") {
  for (const qcf_plan plan : kPlans) {
    Input in = make_head_input(41, 9, 24, 150);
    in.w[77 * 24 + 5] = std::nanf("");
    for (auto& label : in.labels) label = label == 77 ? 78 : label;
    Request request{plan, QCF_TYPE_BF16};
    request.sgd = true;
    Rank rank(norm_config(1), in, request);
    INFO("plan " << qcf_plan_name(plan));
    REQUIRE(rank.step() == QCF_NOT_FINITE);
    REQUIRE(std::string(rank.context.get()->error) == "w: row 77 of 150 holds NaN or infinity");
    const Outputs out = rank.outputs();
    REQUIRE(out.velocity == std::vector<float>(in.w.size(), 0.5f));
    REQUIRE(std::memcmp(out.w.data(), in.w.data(), in.w.size() * sizeof(float)) == 0);
    REQUIRE(out.t == 0.2f);
  }
}

TEST_CASE("fused heads: two ranks that share the classes agree with one") {
  const Input in = make_head_input(51, 33, 40, 201);
  const std::size_t n = 33;
  for (const qcf_plan plan : kPlans) {
    for (int head = 0; head < 3; ++head) {
      INFO("plan " << qcf_plan_name(plan) << " head " << head);
      const qcf_head_config config = norm_config(head);
      const Outputs whole = run_head(config, in, {plan, QCF_TYPE_F16});
      Rank first(config, in, {plan, QCF_TYPE_F16}, 0, 90), second(config, in, {plan, QCF_TYPE_F16}, 90, 111);
      Rank* const ranks[2] = {&first, &second};
      qcf_head_exchange exchange[2];
      const auto all = [&](auto stage) {
        for (int r = 0; r < 2; ++r)
          ranks[r]->context.check(stage(ranks[r]->context.get(), &config, &ranks[r]->args));
      };
      all(qcf_head_prepare);
      for (int r = 0; r < 2; ++r) {
        ranks[r]->context.check(
            qcf_head_exchange_view(ranks[r]->context.get(), &config, &ranks[r]->args, &exchange[r]));
      }
      // Emulated device memory is host memory.
      const auto add = [&](double* a, double* b) {
        for (std::size_t i = 0; i < 2 * n; ++i) a[i] = b[i] = a[i] + b[i];
      };
      add(exchange[0].target, exchange[1].target);
      all(qcf_head_sums);
      add(exchange[0].counts, exchange[1].counts);
      std::vector<double> parts(exchange[0].log_sums, exchange[0].log_sums + 2 * n), sums(2 * n);
      parts.insert(parts.end(), exchange[1].log_sums, exchange[1].log_sums + 2 * n);
      qcf_log_sum_exp(parts.data(), 2, static_cast<std::int64_t>(2 * n), sums.data());
      for (const auto& e : exchange) std::copy(sums.begin(), sums.end(), e.log_sums);
      all(qcf_head_finish);
      all(qcf_head_weights);
      all(qcf_head_check);
      const Outputs a = first.outputs(), b = second.outputs();
      REQUIRE(a.rank == whole.rank);
      REQUIRE(a.hard == whole.hard);
      double worst = 0;
      for (std::size_t i = 0; i < n; ++i)
        worst = worse(worst, std::fabs(static_cast<double>(a.nll[i] - whole.nll[i])));
      REQUIRE(worst <= 1e-5);
      double largest = 0, dx = 0, dw = 0;
      for (std::size_t i = 0; i < whole.dx.size(); ++i) {
        largest = std::max(largest, std::fabs(static_cast<double>(whole.dx[i])));
        dx = worse(dx, std::fabs(static_cast<double>(a.dx[i] + b.dx[i] - whole.dx[i])));
      }
      REQUIRE(dx <= 0x1p-10 * largest);  // P is rounded relative to other shifts
      largest = 0;
      for (std::size_t i = 0; i < whole.dw.size(); ++i) {
        const float part = i < a.dw.size() ? a.dw[i] : b.dw[i - a.dw.size()];
        largest = std::max(largest, std::fabs(static_cast<double>(whole.dw[i])));
        dw = worse(dw, std::fabs(static_cast<double>(part - whole.dw[i])));
      }
      REQUIRE(dw <= 0x1p-10 * largest);
    }
  }
}

TEST_CASE("fused heads: memory bound, and refusals through the interface") {
  const qcf_head_config config = norm_config(1);
  KernelContext context(1, QCF_DEVICE_CUDA);
  context.check(qcf_cuda_open(context.get()));
  std::vector<float> dummy(16);
  for (const qcf_plan plan : kPlans) {
    context.get()->plan = plan;
    for (const std::int64_t n : {1, 64, 500, 4096, 30000}) {
      for (const std::int64_t d : {64, 128, 512}) {
        for (const std::int64_t k : {2, 100, 93431, 2000000}) {
          qcf_head_args args = make_head_args();
          args.n = n;
          args.d = d;
          args.k_loc = k;
          args.operand_type = QCF_TYPE_BF16;
          args.unit_w = dummy.data();
          args.dx = args.dw = dummy.data();
          REQUIRE(head_workspace_bytes(context, config, args) <=
                  (std::size_t{64} << 20) + 32 * static_cast<std::size_t>(n * d));
        }
      }
    }
    qcf_head_args args = make_head_args();
    args.n = 4;
    args.d = 520;
    args.k_loc = 10;
    args.operand_type = QCF_TYPE_BF16;
    args.unit_w = dummy.data();
    std::size_t bytes = 0;
    REQUIRE(qcf_head_workspace_bytes(context.get(), &config, &args, &bytes) == QCF_UNSUPPORTED);
    const std::string text = context.get()->error;
    REQUIRE(text.find(qcf_plan_name(plan)) != std::string::npos);
    REQUIRE(text.find("d <= 512") != std::string::npos);
  }
  qcf_cuda_close(context.get());
}

}  // namespace
}  // namespace qcface::test
