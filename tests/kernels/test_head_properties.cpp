// What math.md section 6 says holds without any vector, and what kernels.h promises about bits.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "tests/kernels/random_input.h"

namespace qcface::test {
namespace {

qcf_head_config norm_config(int head, double lambda = 1) {
  qcf_head_config config = make_head_config(static_cast<qcf_head_kind>(head));
  config.phase = QCF_PHASE_NORM;
  config.lambda = lambda;
  return config;
}

double dot(const float* a, const float* b, std::int64_t d) {
  double sum = 0;
  for (std::int64_t e = 0; e < d; ++e) sum += static_cast<double>(a[e]) * b[e];
  return sum;
}

TEST_CASE("head: lambda and phase leave the direction part and dw bit for bit") {
  QCFACE_NEEDS_BACKEND();
  for (int head = 0; head < 3; ++head) {
    const HeadInput in = random_input(static_cast<std::uint32_t>(10 + head), 19, 37, 211);
    qcf_head_config config = norm_config(head, 0);
    const HeadRun zero = run_head(config, in, 0.1f);
    for (const double lambda : {1.0, 20.0, 1e6}) {
      config.lambda = lambda;
      const HeadRun run = run_head(config, in, 0.1f);
      REQUIRE(same_bits(run.dx_direction, zero.dx_direction));
      REQUIRE(same_bits(run.dw, zero.dw));
      REQUIRE(!same_bits(run.dx_magnitude, zero.dx_magnitude));
      REQUIRE(run.losses[1] == zero.losses[1]);
      REQUIRE(run.losses[2] == zero.losses[2]);
    }
    config.phase = QCF_PHASE_ID;
    const HeadRun id = run_head(config, in, 0.1f);
    REQUIRE(same_bits(id.dx_direction, zero.dx_direction));
    REQUIRE(same_bits(id.dw, zero.dw));
    // the identity loss leaves the magnitude part exactly 0
    for (std::size_t i = 0; i < id.dx_magnitude.size(); ++i) {
      REQUIRE(id.dx_magnitude[i] == 0.0f);
      REQUIRE(zero.dx_magnitude[i] == 0.0f);
      REQUIRE(id.dx[i] == id.dx_direction[i]);
    }
    REQUIRE(id.losses[2] == 0.0);
    REQUIRE(id.losses[0] == id.losses[1]);
  }
}

TEST_CASE("head: the direction part is orthogonal to x, dw to w, the magnitude part parallel to x") {
  QCFACE_NEEDS_BACKEND();
  for (int head = 0; head < 3; ++head) {
    const HeadInput in = random_input(static_cast<std::uint32_t>(20 + head), 16, 48, 130);
    const HeadRun run = run_head(norm_config(head), in);
    for (std::int64_t i = 0; i < in.n; ++i) {
      const float* x = in.x.data() + i * in.d;
      const float* direction = run.dx_direction.data() + i * in.d;
      const float* magnitude = run.dx_magnitude.data() + i * in.d;
      const double length = std::sqrt(dot(x, x, in.d)), size = std::sqrt(dot(direction, direction, in.d));
      REQUIRE(std::fabs(dot(x, direction, in.d)) <= 1e-6 * length * size);
      REQUIRE(size > 0);
      const double along = dot(x, magnitude, in.d);
      REQUIRE(std::fabs(std::fabs(along) - length * std::sqrt(dot(magnitude, magnitude, in.d))) <=
              1e-6 * std::fabs(along));
      REQUIRE(std::fabs(along / length - static_cast<double>(run.dz[static_cast<std::size_t>(i)])) <=
              1e-6 * std::fabs(along / length));
    }
    for (std::int64_t j = 0; j < in.k; ++j) {
      const float* w = in.w.data() + j * in.d;
      const float* dw = run.dw.data() + j * in.d;
      const double unit = 64.0 / (16.0 * std::sqrt(dot(w, w, in.d)));
      REQUIRE(std::fabs(dot(w, dw, in.d)) / std::sqrt(dot(w, w, in.d)) <=
              1e-6 * (std::sqrt(dot(dw, dw, in.d)) + unit));
    }
  }
}

TEST_CASE("head: scaling by powers of two scales the gradients and nothing else") {
  QCFACE_NEEDS_BACKEND();
  for (int head = 0; head < 3; ++head) {
    const HeadInput in = random_input(static_cast<std::uint32_t>(30 + head), 9, 21, 100);
    HeadInput scaled = in;
    for (auto& v : scaled.x) v *= 4;
    for (std::int64_t e = 0; e < in.d; ++e) scaled.w[static_cast<std::size_t>(7 * in.d + e)] *= 0.25f;
    qcf_head_config config = norm_config(head);
    config.phase = QCF_PHASE_ID;
    const HeadRun a = run_head(config, in), b = run_head(config, scaled);
    REQUIRE(std::fabs(a.losses[1] - b.losses[1]) <= 1e-6 * a.losses[1]);
    for (std::size_t i = 0; i < a.dx.size(); ++i) {
      REQUIRE(std::fabs(static_cast<double>(a.dx[i]) - 4.0 * b.dx[i]) <= 1e-5);
    }
    for (std::int64_t e = 0; e < in.d; ++e) {
      const auto at = static_cast<std::size_t>(7 * in.d + e);
      REQUIRE(std::fabs(4.0 * a.dw[at] - static_cast<double>(b.dw[at])) <= 1e-4);
    }
  }
}

TEST_CASE("head: a permutation of classes or rows permutes the results") {
  QCFACE_NEEDS_BACKEND();
  for (int head = 0; head < 3; ++head) {
    const HeadInput in = random_input(static_cast<std::uint32_t>(40 + head), 12, 18, 240);
    HeadInput mixed = in;
    // 7 and 240, 5 and 12 share no factor: both are permutations
    const auto klass = [&](std::int64_t j) { return (j * 7 + 3) % in.k; };
    const auto row = [&](std::int64_t i) { return (i * 5 + 2) % in.n; };
    for (std::int64_t j = 0; j < in.k; ++j)
      std::copy_n(in.w.data() + j * in.d, in.d, mixed.w.data() + klass(j) * in.d);
    for (std::int64_t i = 0; i < in.n; ++i) {
      std::copy_n(in.x.data() + i * in.d, in.d, mixed.x.data() + row(i) * in.d);
      mixed.labels[static_cast<std::size_t>(row(i))] = klass(in.labels[static_cast<std::size_t>(i)]);
    }
    const HeadRun a = run_head(norm_config(head), in), b = run_head(norm_config(head), mixed);
    REQUIRE(std::fabs(a.losses[0] - b.losses[0]) <= 1e-5 * std::fabs(a.losses[0]));
    REQUIRE(std::fabs(a.t - b.t) <= 1e-7f);
    for (std::int64_t j = 0; j < in.k; ++j) {
      for (std::int64_t e = 0; e < in.d; ++e) {
        const double p = a.dw[static_cast<std::size_t>(j * in.d + e)];
        REQUIRE(std::fabs(p - static_cast<double>(b.dw[static_cast<std::size_t>(klass(j) * in.d + e)])) <=
                1e-4 + 1e-5 * std::fabs(p));
      }
    }
    for (std::int64_t i = 0; i < in.n; ++i) {
      REQUIRE(a.rank[static_cast<std::size_t>(i)] == b.rank[static_cast<std::size_t>(row(i))]);
      REQUIRE(std::fabs(a.nll[static_cast<std::size_t>(i)] - b.nll[static_cast<std::size_t>(row(i))]) <=
              1e-3f);
    }
  }
}

TEST_CASE("head: m = 0 is the normalised softmax with q = p; a = 1 turns mv into arc") {
  QCFACE_NEEDS_BACKEND();
  const HeadInput in = random_input(50, 14, 20, 90);
  qcf_head_config arc = norm_config(QCF_HEAD_QCFACE);
  qcf_head_config mv = norm_config(QCF_HEAD_QCFACE_MV);
  mv.mv_a = 1;
  const HeadRun a = run_head(arc, in), b = run_head(mv, in);
  for (std::size_t i = 0; i < a.dw.size(); ++i)
    REQUIRE(std::fabs(a.dw[i] - b.dw[i]) <= 1e-5f * (1 + std::fabs(a.dw[i])));
  for (std::size_t i = 0; i < a.dx.size(); ++i)
    REQUIRE(std::fabs(a.dx[i] - b.dx[i]) <= 1e-5f * (1 + std::fabs(a.dx[i])));
  arc.m = 0;
  const HeadRun soft = run_head(arc, in);
  for (std::size_t i = 0; i < 14; ++i) {
    REQUIRE(std::fabs(1.0 - soft.one_minus_q[i] - static_cast<double>(soft.p[i])) <= 1e-6);
    REQUIRE(soft.t_logit[i] == soft.c[i]);
  }
}

TEST_CASE("head: the radial slope changes sign at z0") {
  QCFACE_NEEDS_BACKEND();
  qcf_head_config config = make_head_config(QCF_HEAD_QCFACE);
  for (const double p : {0.0, 1e-6, 0.3, 0.5, 0.9, 1.0}) {
    const double k = 1e4 * 103.0 / 301.0, a = 1 + (k - 1) * p, e = 1 + (k / 1e4 - 1) * p;
    const double z0 = std::sqrt(a / e) - 1e-3;
    double slope = 0, below = 0, above = 0, zstar = 0, excess = 0;
    qcf_magnitude_loss(&config, z0, p, nullptr, &slope, nullptr);
    qcf_magnitude_loss(&config, z0 * (1 - 1e-6), p, nullptr, &below, nullptr);
    qcf_magnitude_loss(&config, z0 * (1 + 1e-6), p, nullptr, &above, nullptr);
    REQUIRE(std::fabs(slope) <= 1e-12);
    REQUIRE(below < 0);
    REQUIRE(above > 0);
    qcf_magnitude_loss(&config, 20.0, p, nullptr, nullptr, &zstar);
    qcf_magnitude_loss(&config, zstar, p, &excess, nullptr, nullptr);
    REQUIRE(excess == 0.0);
  }
  // math.md: at z = 20 the slope is -8.2 (p = 1) and +0.998 (p = 0)
  double slope = 0;
  qcf_magnitude_loss(&config, 20, 1, nullptr, &slope, nullptr);
  REQUIRE(std::fabs(slope + 8.2) <= 0.05);
  qcf_magnitude_loss(&config, 20, 0, nullptr, &slope, nullptr);
  REQUIRE(std::fabs(slope - 0.998) <= 1e-3);
  double half = 0;
  config.eps = 1e-12;
  qcf_magnitude_loss(&config, 20, 0.5, nullptr, nullptr, &half);
  REQUIRE(std::fabs(half - 50.5) <= 1e-6);
}

TEST_CASE("head: the same bits for any thread count, for staged calls and when asked twice") {
  QCFACE_NEEDS_BACKEND();
  for (int head = 0; head < 3; ++head) {
    const WithL2 cache(1 << 20);
    const HeadInput in = random_input(static_cast<std::uint32_t>(60 + head), 21, 65, 3500);
    const qcf_head_config config = norm_config(head);
    for (const qcf_isa isa : isas()) {
      const HeadRun one = run_head(config, in, 0.2f, 1, Form::kStep, isa);
      for (const int threads : kOnCuda ? std::vector<int>{1} : std::vector<int>{1, 2, 3, 5, 8}) {
        REQUIRE(same_bits(one, run_head(config, in, 0.2f, threads, Form::kStep, isa)));
      }
      REQUIRE(same_bits(one, run_head(config, in, 0.2f, 2, Form::kStaged, isa)));
    }
  }
}

TEST_CASE("head: asking for less leaves the rest bit for bit") {
  QCFACE_NEEDS_BACKEND();
  for (int head = 0; head < 3; ++head) {
    const HeadInput in = random_input(static_cast<std::uint32_t>(70 + head), 10, 33, 400);
    const qcf_head_config config = norm_config(head);
    const HeadRun full = run_head(config, in);
    TestContext context(2);
    for (int drop = 0; drop < 5; ++drop) {
      HeadRun part(in);
      qcf_head_args args = part.args(in);
      if (drop == 0) args.dw = nullptr;
      if (drop == 1) args.dx = args.dx_direction = args.row_tangent = nullptr;
      if (drop == 2) args.dx_magnitude = args.dx = nullptr;
      if (drop == 3) args.row_p = args.row_zstar = args.row_lg = nullptr;
      if (drop == 4) {
        args.losses = nullptr;
        args.row_rank = args.row_hard = nullptr;
      }
      run_args(context, config, args, Form::kStep);
      if (drop != 0) REQUIRE(same_bits(part.dw, full.dw));
      if (drop == 0 || drop > 1) REQUIRE(same_bits(part.dx_direction, full.dx_direction));
      if (drop != 2) REQUIRE(same_bits(part.dx_magnitude, full.dx_magnitude));
      REQUIRE(same_bits(part.nll, full.nll));
    }
  }
}

TEST_CASE("head: accumulate adds to dw, int32 labels, evaluation leaves t") {
  QCFACE_NEEDS_BACKEND();
  const HeadInput in = random_input(80, 10, 33, 200);
  const qcf_head_config config = norm_config(QCF_HEAD_QCFACE_CUR);
  const HeadRun full = run_head(config, in, 0.3f);
  REQUIRE(full.t != 0.3f);
  TestContext context(2);
  HeadRun added(in);
  added.t = 0.3f;
  qcf_head_args args = added.args(in);
  args.dw_mode = QCF_GRADIENT_ACCUMULATE;
  const std::vector<std::int32_t> narrow(in.labels.begin(), in.labels.end());
  args.labels = narrow.data();
  args.label_type = QCF_LABEL_I32;
  for (std::size_t i = 0; i < added.dw.size(); ++i) added.dw[i] = 8.0f;
  run_args(context, config, args, Form::kStep);
  for (std::size_t i = 0; i < added.dw.size(); ++i) {
    REQUIRE(std::fabs(added.dw[i] - (full.dw[i] + 8.0f)) <= 2e-6f * (8 + std::fabs(full.dw[i])));
  }
  REQUIRE(same_bits(added.dx, full.dx));

  qcf_head_config evaluation = config;
  evaluation.training = 0;
  HeadRun eval(in);
  eval.t = 0.3f;
  args = eval.args(in);
  args.dx = args.dx_direction = args.dx_magnitude = args.dw = args.row_tangent = nullptr;
  run_args(context, evaluation, args, Form::kStep);
  REQUIRE(eval.t == 0.3f);
  REQUIRE(same_bits(eval.c, full.c));
  REQUIRE(std::isfinite(eval.losses[0]));
}

TEST_CASE("head: a batch in two halves with batch_total adds up") {
  QCFACE_NEEDS_BACKEND();
  const HeadInput in = random_input(81, 12, 16, 70);
  const qcf_head_config config = norm_config(QCF_HEAD_QCFACE_CUR);
  const HeadRun full = run_head(config, in, 0.3f);
  double mean = 0;
  for (std::size_t i = 0; i < 12; ++i) mean += static_cast<double>(full.c[i]) / 12;
  TestContext context(1);
  double loss = 0;
  std::vector<double> dw(full.dw.size(), 0.0);
  for (int half = 0; half < 2; ++half) {
    HeadInput part = in;
    part.n = 6;
    part.x.assign(in.x.begin() + half * 6 * in.d, in.x.begin() + (half + 1) * 6 * in.d);
    part.labels.assign(in.labels.begin() + half * 6, in.labels.begin() + (half + 1) * 6);
    HeadRun run(part);
    run.t = 0.3f;
    qcf_head_args args = run.args(part);
    args.batch_total = 12;
    args.target_mean = &mean;
    run_args(context, config, args, Form::kStep);
    loss += run.losses[0];
    for (std::size_t i = 0; i < dw.size(); ++i) dw[i] += static_cast<double>(run.dw[i]);
    REQUIRE(std::fabs(run.t - full.t) <= 1e-6f);
    for (std::size_t i = 0; i < run.dx.size(); ++i) {
      const double want = full.dx[static_cast<std::size_t>(half * 6 * in.d) + i];
      REQUIRE(std::fabs(static_cast<double>(run.dx[i]) - want) <= 1e-5 * (1 + std::fabs(want)));
    }
  }
  REQUIRE(std::fabs(loss - full.losses[0]) <= 1e-5 * std::fabs(full.losses[0]));
  for (std::size_t i = 0; i < dw.size(); ++i)
    REQUIRE(std::fabs(dw[i] - static_cast<double>(full.dw[i])) <= 1e-4);
}

TEST_CASE("head: three class shards give what one rank gives") {
  QCFACE_NEEDS_BACKEND();
  for (int head = 0; head < qcf_head_count(); ++head) {
    const HeadInput in = random_input(static_cast<std::uint32_t>(90 + head), 11, 20, 310);
    const qcf_head_config config = norm_config(head);
    const HeadRun whole = run_head(config, in, 0.2f);
    const std::int64_t cut[] = {0, 1, 150, 310};
    constexpr int kRanks = 3;
    std::vector<HeadInput> inputs;
    for (int r = 0; r < kRanks; ++r) {
      HeadInput part = in;
      part.k = cut[r + 1] - cut[r];
      part.w.assign(in.w.begin() + cut[r] * in.d, in.w.begin() + cut[r + 1] * in.d);
      inputs.push_back(part);
    }
    std::vector<HeadRun> runs;
    for (int r = 0; r < kRanks; ++r) runs.emplace_back(inputs[static_cast<std::size_t>(r)]);
    TestContext context(2);
    std::vector<std::unique_ptr<CallArgs>> calls;
    std::vector<qcf_head_exchange> exchange;
    for (std::size_t r = 0; r < kRanks; ++r) {
      runs[r].t = 0.2f;
      qcf_head_args a = runs[r].args(inputs[r]);
      a.k_total = 310;
      a.class_offset = cut[r];
      a.row_tangent = nullptr;
      calls.push_back(std::make_unique<CallArgs>(context, a));
      calls.back()->add_workspace(context, config);
      head_prepare(context, config, calls[r]->args());
      exchange.push_back(head_exchange(context, config, calls[r]->args()));
    }
    const auto all_reduce = [&](auto member, std::size_t count) {
      std::vector<double> sum(count, 0.0);
      for (const auto& e : exchange) {
        const std::vector<double> part = read_array(e.*member, count);
        for (std::size_t i = 0; i < count; ++i) sum[i] += part[i];
      }
      for (const auto& e : exchange) write_array(e.*member, sum);
    };
    all_reduce(&qcf_head_exchange::target, 22);
    for (std::size_t r = 0; r < kRanks; ++r) head_sums(context, config, calls[r]->args());
    std::vector<double> gathered, combined(22);
    for (const auto& e : exchange) {
      const std::vector<double> part = read_array(e.log_sums, 22);
      gathered.insert(gathered.end(), part.begin(), part.end());
    }
    qcf_log_sum_exp(gathered.data(), kRanks, 22, combined.data());
    for (const auto& e : exchange) write_array(e.log_sums, combined);
    all_reduce(&qcf_head_exchange::counts, 22);
    for (std::size_t r = 0; r < kRanks; ++r) {
      head_finish(context, config, calls[r]->args());
      head_weights(context, config, calls[r]->args());
      context.check(qcf_head_check(context.get(), &config, &calls[r]->args()));
      REQUIRE(calls[r]->download());
      REQUIRE(runs[r].intact());
    }
    for (std::size_t r = 0; r < kRanks; ++r) {
      REQUIRE(std::fabs(runs[r].losses[0] - whole.losses[0]) <= 1e-6 * std::fabs(whole.losses[0]));
      REQUIRE(runs[r].t == whole.t);
      REQUIRE(runs[r].rank.vector() == whole.rank.vector());
      REQUIRE(runs[r].hard.vector() == whole.hard.vector());
      REQUIRE(same_bits(runs[r].dx_magnitude, runs[0].dx_magnitude));
      for (std::size_t i = 0; i < runs[r].dw.size(); ++i) {
        const double want = whole.dw[static_cast<std::size_t>(cut[r] * in.d) + i];
        REQUIRE(std::fabs(static_cast<double>(runs[r].dw[i]) - want) <= 2e-5 * (1 + std::fabs(want)));
      }
    }
    for (std::size_t i = 0; i < whole.dx.size(); ++i) {
      double sum = runs[0].dx_magnitude[i], shares = 0;
      for (const auto& run : runs) sum += static_cast<double>(run.dx_direction[i]);
      for (const auto& run : runs) shares += static_cast<double>(run.dx[i]);
      for (const double got : {sum, shares})
        REQUIRE(std::fabs(got - static_cast<double>(whole.dx[i])) <= 2e-5 * (1 + std::fabs(got)));
    }
  }
}

TEST_CASE("head: plain cosines") {
  QCFACE_NEEDS_BACKEND();
  const HeadInput in = random_input(99, 7, 19, 203);
  TestContext context(2);
  std::size_t bytes = 0;
  context.check(qcf_cosines_workspace_bytes(context.get(), 7, 19, 203, &bytes));
  qcf_head_args host = make_head_args();
  std::vector<float> out(7 * 203, -9.0f);
  host.n = 7;
  host.d = 19;
  host.k_loc = 203;
  host.x = in.x.data();
  host.w = in.w.data();
  CallArgs call(context, host), result(context, [&] {  // the output as a dw of 203 x 7 values
    qcf_head_args a = make_head_args();
    a.d = 7;
    a.k_loc = 203;
    a.dw = out.data();
    return a;
  }());
  call.add_workspace(bytes);
  context.check(qcf_cosines(context.get(), 7, 19, 203, static_cast<const float*>(call.args().x),
                            call.args().w, 64.0, result.args().dw, call.args().workspace, bytes));
  REQUIRE(call.download());
  REQUIRE(result.download());
  for (std::int64_t i = 0; i < 7; ++i) {
    for (std::int64_t j = 0; j < 203; ++j) {
      const float *x = in.x.data() + i * 19, *w = in.w.data() + j * 19;
      const double want = 64 * dot(x, w, 19) / std::sqrt(dot(x, x, 19) * dot(w, w, 19));
      REQUIRE(std::fabs(static_cast<double>(out[static_cast<std::size_t>(i * 203 + j)]) - want) <= 64e-6);
    }
  }
}

}  // namespace
}  // namespace qcface::test
