// What kernels.h offers beside the plain step, for every head: sampled classes, 16-bit embeddings, accumulated gradients,
// labels of other ranks, the state of AdaFace, the slope of InsightFace's ArcFace.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "tests/kernels/random_input.h"

namespace qcface::test {
namespace {

qcf_head_config config_of(int head) {
  qcf_head_config config = make_head_config(static_cast<qcf_head_kind>(head));
  config.phase = QCF_PHASE_NORM;
  return config;
}

/// Every third class, and those of the labels.
std::vector<std::int64_t> sample_of(const HeadInput& in) {
  std::vector<std::int64_t> rows = in.labels;
  for (std::int64_t j = 0; j < in.k; j += 3) rows.push_back(j);
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  return rows;
}

/// The head that has the sampled classes only.
HeadInput reduced(const HeadInput& in, const std::vector<std::int64_t>& rows) {
  HeadInput out = in;
  out.k = static_cast<std::int64_t>(rows.size());
  out.w.clear();
  for (const std::int64_t row : rows)
    out.w.insert(out.w.end(), in.w.begin() + row * in.d, in.w.begin() + (row + 1) * in.d);
  for (std::int64_t& label : out.labels)
    label = std::lower_bound(rows.begin(), rows.end(), label) - rows.begin();
  return out;
}

template <class Call>
void expect_text(const std::string& text, const Call& call) {
  std::string found = "no error";
  try {
    call();
  } catch (const KernelError& error) {
    found = error.what();
  }
  INFO("expected " << text << ", found " << found);
  REQUIRE(found.find(text) != std::string::npos);
}

TEST_CASE("head interface: sampled classes give the head that has only them, bit for bit") {
  QCFACE_NEEDS_BACKEND();
  for (int head = 0; head < qcf_head_count(); ++head) {
    for (const std::int64_t d : {19, 24}) {
      INFO("head " << head << ", d " << d);
      const HeadInput in = random_input(static_cast<std::uint32_t>(300 + head), 13, d, 700);
      const std::vector<std::int64_t> rows = sample_of(in);
      const HeadInput small = reduced(in, rows);
      const HeadRun want = run_head(config_of(head), small, 0.2f);
      HeadRun got(small);
      got.t = 0.2f;
      qcf_head_args args = got.args(in);
      args.sampled = rows.data();
      args.sampled_count = static_cast<std::int64_t>(rows.size());
      TestContext context(2);
      run_args(context, config_of(head), args, Form::kStep);
      REQUIRE(got.intact());
      REQUIRE(same_bits(got, want));
    }
  }
}

TEST_CASE("head interface: the optimiser touches sampled rows only") {
  QCFACE_NEEDS_BACKEND();
  const HeadInput in = random_input(320, 9, 16, 260);
  const std::vector<std::int64_t> rows = sample_of(in);
  std::vector<float> w = in.w, velocity(w.size(), 0.25f);
  const float lr = 0.1f;
  const qcf_optimiser sgd{sizeof(sgd), w.data(), {velocity.data()}, &lr, nullptr, 0.9f, 5e-4f};
  HeadRun run(reduced(in, rows));
  qcf_head_args args = run.args(in);
  args.w = w.data();
  args.optimiser = &sgd;
  args.sampled = rows.data();
  args.sampled_count = static_cast<std::int64_t>(rows.size());
  TestContext context(2);
  run_args(context, config_of(QCF_HEAD_QCFACE), args, Form::kStep);
  REQUIRE(run.intact());
  std::size_t at = 0;
  for (std::int64_t j = 0; j < in.k; ++j) {
    const bool sampled = at < rows.size() && rows[at] == j;
    for (std::int64_t e = 0; e < in.d; ++e) {
      const auto i = static_cast<std::size_t>(j * in.d + e);
      if (!sampled) {
        REQUIRE(w[i] == in.w[i]);
        REQUIRE(velocity[i] == 0.25f);
        continue;
      }
      const double g =
          static_cast<double>(run.dw[at * static_cast<std::size_t>(in.d) + static_cast<std::size_t>(e)]);
      const double v = 0.9f * 0.25 + g + static_cast<double>(5e-4f) * static_cast<double>(in.w[i]);
      REQUIRE(std::fabs(static_cast<double>(velocity[i]) - v) <= 1e-6 * (1 + std::fabs(v)));
      const double moved = static_cast<double>(in.w[i]) - static_cast<double>(lr) * v;
      REQUIRE(std::fabs(static_cast<double>(w[i]) - moved) <= 1e-6 * (1 + std::fabs(moved)));
    }
    at += sampled;
  }
}

std::uint16_t bf16_bits(float v) {  // towards zero: any 16-bit value serves
  std::uint32_t bits;
  std::memcpy(&bits, &v, sizeof bits);
  return static_cast<std::uint16_t>(bits >> 16);
}
float bf16_value(std::uint16_t bits) {
  const std::uint32_t wide = static_cast<std::uint32_t>(bits) << 16;
  float v;
  std::memcpy(&v, &wide, sizeof v);
  return v;
}
/// The fp16 number nearest below |v| < 65504 as bits, and its value.
std::uint16_t f16_bits(float v) {
  const float size = std::fabs(v);
  const std::uint16_t sign = std::signbit(v) ? 0x8000 : 0;
  if (size < 0x1p-14f) return static_cast<std::uint16_t>(sign | static_cast<int>(size * 0x1p24f));
  const int exponent = std::ilogb(size);
  const int mantissa = static_cast<int>((std::ldexp(size, -exponent) - 1.0f) * 1024.0f);
  return static_cast<std::uint16_t>(sign | (exponent + 15) << 10 | mantissa);
}
float f16_value(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  const float size = exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -24)
                                   : std::ldexp(1.0f + static_cast<float>(mantissa) / 1024.0f, exponent - 15);
  return (bits & 0x8000) != 0 ? -size : size;
}

TEST_CASE("head interface: 16-bit embeddings give what their fp32 values give") {
  QCFACE_NEEDS_BACKEND();
  for (const qcf_type type : {QCF_TYPE_BF16, QCF_TYPE_F16}) {
    HeadInput in = random_input(330, 11, 21, 150);
    in.x[5] = 3e-6f;  // subnormal in fp16
    in.x[6] = -0.0f;
    std::vector<std::uint16_t> narrow;
    for (float& v : in.x) {
      narrow.push_back(type == QCF_TYPE_BF16 ? bf16_bits(v) : f16_bits(v));
      v = type == QCF_TYPE_BF16 ? bf16_value(narrow.back()) : f16_value(narrow.back());
    }
    const HeadRun want = run_head(config_of(QCF_HEAD_MAGFACE), in);
    HeadRun got(in);
    qcf_head_args args = got.args(in);
    args.x = narrow.data();
    args.x_type = type;
    TestContext context(2);
    run_args(context, config_of(QCF_HEAD_MAGFACE), args, Form::kStep);
    REQUIRE(got.intact());
    REQUIRE(same_bits(got, want));
  }
  // infinity and NaN are found, whatever the type
  for (const std::uint16_t bad : {0x7C00, 0xFC00, 0x7E01}) {
    const HeadInput in = random_input(331, 3, 8, 20);
    std::vector<std::uint16_t> narrow(in.x.size(), 0x3C00);
    narrow[9] = bad;
    HeadRun run(in);
    qcf_head_args args = run.args(in);
    args.x = narrow.data();
    args.x_type = QCF_TYPE_F16;
    TestContext context(2);
    expect_text("x: row 1 of 3", [&] { run_args(context, config_of(0), args, Form::kStep); });
  }
}

TEST_CASE("head interface: accumulated dx") {
  QCFACE_NEEDS_BACKEND();
  const HeadInput in = random_input(340, 8, 30, 90);
  const HeadRun fresh = run_head(config_of(QCF_HEAD_MAGFACE), in);
  HeadRun added(in);
  for (auto* matrix : {&added.dx, &added.dx_direction, &added.dx_magnitude}) {
    for (std::size_t i = 0; i < matrix->size(); ++i) (*matrix)[i] = 0.5f;
  }
  qcf_head_args args = added.args(in);
  args.dx_mode = QCF_GRADIENT_ACCUMULATE;
  TestContext context(2);
  run_args(context, config_of(QCF_HEAD_MAGFACE), args, Form::kStep);
  REQUIRE(added.intact());
  for (std::size_t i = 0; i < fresh.dx.size(); ++i) {
    const auto near = [](float got, float want) {
      return std::fabs(got - want) <= 1e-6f * (1 + std::fabs(want));
    };
    REQUIRE(near(added.dx[i], fresh.dx[i] + 0.5f));
    REQUIRE(near(added.dx_direction[i], fresh.dx_direction[i] + 0.5f));
    REQUIRE(near(added.dx_magnitude[i], fresh.dx_magnitude[i] + 0.5f));
  }
}

TEST_CASE("head interface: -1 is a class of another rank") {
  QCFACE_NEEDS_BACKEND();
  HeadInput in = random_input(350, 7, 12, 80);
  HeadInput elsewhere = in;
  for (std::size_t i = 0; i < 7; i += 2) {
    in.labels[i] = 100 + static_cast<std::int64_t>(i);  // another rank's, by its number
    elsewhere.labels[i] = -1;
  }
  const auto run = [](const HeadInput& input) {
    HeadRun out(input);
    qcf_head_args args = out.args(input);
    args.k_total = 200;
    args.dx = args.row_tangent = nullptr;
    TestContext context(2);
    run_args(context, config_of(QCF_HEAD_QCFACE_MV), args, Form::kStaged);
    return out;
  };
  const HeadRun a = run(in), b = run(elsewhere);
  REQUIRE(same_bits(a.nll, b.nll));
  REQUIRE(same_bits(a.dx_direction, b.dx_direction));
  REQUIRE(same_bits(a.dw, b.dw));
}

TEST_CASE("head interface: AdaFace's state") {
  QCFACE_NEEDS_BACKEND();
  qcf_head_config config = config_of(QCF_HEAD_ADAFACE);
  config.ada_momentum = 0.25;
  const HeadInput in = random_input(360, 10, 14, 60);
  const std::array<float, 2> start{12.0f, 3.0f};
  const HeadRun run = run_head(config, in, 0, 2, Form::kStep, QCF_ISA_AUTO, start);
  double mean = 0, square = 0;
  const auto clipped = [&](std::size_t i) { return std::clamp(static_cast<double>(run.z[i]), 1e-3, 100.0); };
  for (std::size_t i = 0; i < 10; ++i) mean += clipped(i) / 10;
  for (std::size_t i = 0; i < 10; ++i) square += std::pow(clipped(i) - mean, 2);
  const double deviation = std::sqrt(square / 9);
  REQUIRE(std::fabs(static_cast<double>(run.length_stats[0]) - (0.25 * mean + 0.75 * 12)) <= 1e-5 * mean);
  REQUIRE(std::fabs(static_cast<double>(run.length_stats[1]) - (0.25 * deviation + 0.75 * 3)) <=
          1e-5 * deviation);
  for (std::size_t i = 0; i < run.dz.size(); ++i) REQUIRE(run.dz[i] == 0.0f);  // the length is detached

  config.training = 0;
  REQUIRE(run_head(config, in, 0, 2, Form::kStep, QCF_ISA_AUTO, start).length_stats == start);
  config.training = 1;
  HeadInput one = in;
  one.n = 1;
  one.x.resize(14);
  one.labels.resize(1);
  const HeadRun alone = run_head(config, one, 0, 2, Form::kStep, QCF_ISA_AUTO, start);
  REQUIRE(alone.length_stats[0] != start[0]);
  REQUIRE(alone.length_stats[1] == start[1]);

  // a batch on two ranks, told the moments of the whole
  const double moments[2] = {mean, deviation};
  HeadInput half = in;
  half.n = 5;
  half.x.resize(5 * 14);
  half.labels.resize(5);
  HeadRun part(half);
  part.length_stats = start;
  qcf_head_args args = part.args(half);
  args.batch_total = 10;
  args.length_moments = moments;
  TestContext context(2);
  run_args(context, config, args, Form::kStep);
  for (std::size_t i = 0; i < 2; ++i)
    REQUIRE(std::fabs(part.length_stats[i] - run.length_stats[i]) <= 1e-5f * run.length_stats[i]);
  for (std::size_t i = 0; i < 5; ++i) REQUIRE(std::fabs(part.t_logit[i] - run.t_logit[i]) <= 1e-6f);
}

TEST_CASE("head interface: unit slope keeps the loss and takes InsightFace's gradient") {
  QCFACE_NEEDS_BACKEND();
  const HeadInput in = random_input(370, 6, 18, 40);
  qcf_head_config config = config_of(QCF_HEAD_ARCFACE);
  config.rule = QCF_RULE_NONE;
  const HeadRun exact = run_head(config, in);
  config.unit_slope = 1;
  const HeadRun unit = run_head(config, in);
  REQUIRE(unit.losses[0] == exact.losses[0]);
  REQUIRE(same_bits(unit.nll, exact.nll));
  REQUIRE(!same_bits(unit.dx, exact.dx));
  // G_i = (s / N)(1 - q)(sum_{j != y} softmax_j wh_j - wh_y), projected off xh_i, over z_i
  const auto d = static_cast<std::size_t>(in.d);
  for (std::size_t i = 0; i < 6; ++i) {
    const auto y = static_cast<std::size_t>(in.labels[i]);
    double z = 0;
    for (std::size_t e = 0; e < d; ++e) z += std::pow(static_cast<double>(in.x[i * d + e]), 2);
    z = std::sqrt(z);
    std::vector<double> weight(40), vector(d, 0.0);
    double total = 0;
    std::vector<std::vector<double>> wh(40, std::vector<double>(d));
    for (std::size_t j = 0; j < 40; ++j) {
      double length = 0, c = 0;
      for (std::size_t e = 0; e < d; ++e) length += std::pow(static_cast<double>(in.w[j * d + e]), 2);
      for (std::size_t e = 0; e < d; ++e) {
        wh[j][e] = static_cast<double>(in.w[j * d + e]) / std::sqrt(length);
        c += wh[j][e] * static_cast<double>(in.x[i * d + e]) / z;
      }
      weight[j] = j == y ? 0 : std::exp(64 * (c - 1));
      total += weight[j];
    }
    double along = 0;
    for (std::size_t e = 0; e < d; ++e) {
      for (std::size_t j = 0; j < 40; ++j) vector[e] += weight[j] / total * wh[j][e];
      vector[e] -= wh[y][e];
      along += vector[e] * static_cast<double>(in.x[i * d + e]) / z;
    }
    const double scale = 64.0 / 6 * static_cast<double>(unit.one_minus_q[i]) / z;
    for (std::size_t e = 0; e < d; ++e) {
      const double want = scale * (vector[e] - along * static_cast<double>(in.x[i * d + e]) / z);
      REQUIRE(std::fabs(static_cast<double>(unit.dx[i * d + e]) - want) <= 5e-5 * (std::fabs(want) + scale));
    }
  }
}

TEST_CASE("head interface: what is wrong with the new arguments is named") {
  QCFACE_NEEDS_BACKEND();
  const HeadInput in = random_input(380, 4, 8, 50);
  const auto throws = [&](const std::string& text, const auto& change) {
    HeadRun run(in);
    run.length_stats = {20, 100};
    qcf_head_args args = run.args(in);
    qcf_head_config config = config_of(QCF_HEAD_ADAFACE);
    std::vector<std::int64_t> rows(in.labels);
    std::sort(rows.begin(), rows.end());
    rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
    args.sampled = rows.data();
    args.sampled_count = static_cast<std::int64_t>(rows.size());
    change(config, args, rows, run);
    TestContext context(2);
    expect_text(text, [&] { run_args(context, config, args, Form::kStep); });
    REQUIRE(run.intact());
  };
  using C = qcf_head_config;
  using A = qcf_head_args;
  using R = std::vector<std::int64_t>;
  throws("sampled[1]", [](C&, A&, R& rows, HeadRun&) { std::swap(rows[0], rows[1]); });
  throws("ascending rows of w below 50", [](C&, A&, R& rows, HeadRun&) { rows.back() = 50; });
  throws("sampled_count = 51", [](C&, A& a, R& rows, HeadRun&) {
    rows.resize(51);  // the backend copies as many rows as the count says
    a.sampled = rows.data();
    a.sampled_count = 51;
  });
  throws("sampled_count = 1", [](C&, A& a, R&, HeadRun&) { a.sampled = nullptr, a.sampled_count = 1; });
  throws("is not in `sampled`", [](C&, A& a, R&, HeadRun&) { --a.sampled_count; });
  throws("length_stats[1]",
         [](C&, A&, R&, HeadRun& run) { run.length_stats[1] = std::numeric_limits<float>::quiet_NaN(); });
  throws("length_stats is NULL", [](C&, A& a, R&, HeadRun&) { a.length_stats = nullptr; });
  throws("dx_mode = 7", [](C&, A& a, R&, HeadRun&) { a.dx_mode = static_cast<qcf_gradient_mode>(7); });
  throws("x_type = 9", [](C&, A& a, R&, HeadRun&) { a.x_type = static_cast<qcf_type>(9); });
  throws("mag_ua", [](C& c, A&, R&, HeadRun&) { c.mag_ua = 1; });
  throws("ada_momentum", [](C& c, A&, R&, HeadRun&) { c.ada_momentum = -1; });
}

}  // namespace
}  // namespace qcface::test
