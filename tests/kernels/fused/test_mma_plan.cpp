// The two kernels of the mma plan against plain double loops over the same rounded operands: every remainder of the tiles,
// every head, both types, in the four modes; and what a missing barrier or a short wait does.
#include "kernels/cuda/mma_sums.cuh"
#include "kernels/cuda/mma_weights.cuh"
#include "tests/kernels/fused/fused_case.h"
#include "tests/support/emulation_modes.h"

namespace qcface::test {
namespace {

std::string check_sums(const FusedCase& c) {
  const FusedInput in = make_input(c);
  const SumsRun run = run_sums(in, [](const cu::FusedSums& call) { return cu::mma_sums(call, nullptr); });
  REQUIRE(run.error == cu::kNoError);
  return compare_sums(in, run, reference_sums(in));
}

std::string check_weights(const FusedCase& c) {
  FusedInput in = make_input(c);
  add_factors(in, reference_sums(in));
  const std::vector<float> h = run_weights(in, [&](const cu::FusedWeights& call, float* out) {
    return cu::run_mma_weights(call, StoreRows{out, c.d}, nullptr);
  });
  std::vector<double> want, size;
  reference_weights(in, &want, &size);
  return compare_weights(in, h, want, size);
}

/// Heads, types and settings by turns over the shapes.
FusedCase vary(FusedCase c, std::uint32_t i) {
  c.seed = 100 + i;
  c.kind = static_cast<qcf_head_kind>(i % 3);
  c.type = i / 3 % 2 == 0 ? QCF_TYPE_BF16 : QCF_TYPE_F16;
  c.plain = i % 4 != 0;
  return c;
}

const std::vector<FusedCase>& shapes() {
  static const std::vector<FusedCase> list = [] {
    std::vector<FusedCase> v;
    for (std::int64_t n : {1, 2, 15, 33, 63, 64, 65, 130}) v.push_back({n, 40, 70});  // row tiles
    for (std::int64_t d : {8, 16, 24, 120, 128, 136, 248, 256, 264, 504, 512})
      v.push_back({9, d, 70});  // widths
    for (std::int64_t k : {2, 3, 31, 32, 33, 63, 64, 65, 127, 129, 200})
      v.push_back({5, 24, k});  // class tiles
    for (std::int64_t k : {31, 33, 65, 97}) v.push_back({5, 264, k});
    return v;
  }();
  return list;
}

TEST_CASE("mma plan: first pass, every remainder") {
  for_each_mode([] {
    std::uint32_t i = 0;
    for (const FusedCase& shape : shapes()) {
      FusedCase c = vary(shape, i++);
      INFO("n " << c.n << " d " << c.d << " k " << c.k << " head " << c.kind << " type " << c.type);
      REQUIRE(check_sums(c) == "");
    }
  });
}

TEST_CASE("mma plan: second pass, every remainder") {
  for_each_mode([] {
    std::uint32_t i = 1;
    for (const FusedCase& shape : shapes()) {
      FusedCase c = vary(shape, i++);
      if (i % 5 == 0) c.batch = 4096;  // a whole batch of other ranks' rows: small factors
      INFO("n " << c.n << " d " << c.d << " k " << c.k << " head " << c.kind << " type " << c.type);
      REQUIRE(check_weights(c) == "");
    }
  });
}

TEST_CASE("mma plan: parts of the classes combine, with and without vectors") {
  for_each_mode([] {
    std::uint32_t i = 0;
    for (int parts : {2, 3, 5}) {
      FusedCase c = vary({67, 48, 330}, i++);
      c.parts = parts;
      c.vectors = parts != 3;
      INFO("parts " << parts);
      REQUIRE(check_sums(c) == "");
    }
    FusedCase c = vary({3, 16, 129}, 4);
    c.parts = 3;  // the last part holds one class
    REQUIRE(check_sums(c) == "");
  });
}

TEST_CASE("mma plan: shifts move within a pass and rescale what was summed") {
  for (const qcf_type type : {QCF_TYPE_BF16, QCF_TYPE_F16}) {
    for (int head = 0; head < 3; ++head) {
      FusedCase c{20, 16, 300};
      c.kind = static_cast<qcf_head_kind>(head);
      c.type = type;
      c.s = 128;  // logits from -128 to 256
      c.t = 0.9f;
      FusedInput in = make_input(c);
      // Class rows by rising likeness to row 0: the shift has to follow.
      const SumsReference ref = reference_sums(in);
      const SumsRun run = run_sums(in, [](const cu::FusedSums& call) { return cu::mma_sums(call, nullptr); });
      REQUIRE(compare_sums(in, run, ref) == "");
      int moved = 0;
      for (std::int64_t i = 0; i < c.n; ++i) {
        double first = -1e300, all = -1e300;
        for (std::int64_t j = 0; j < c.k; ++j) {
          double logit, slope;
          bool hard;
          in.logit(i, j, &logit, &slope, &hard);
          if (j == in.label[static_cast<std::size_t>(i)]) continue;
          if (j < 64) first = std::max(first, c.s * logit);
          all = std::max(all, c.s * logit);
        }
        moved += all > first + (type == QCF_TYPE_F16 ? 5 : 41);
      }
      INFO("head " << head << " type " << type);
      REQUIRE(moved > 0);
    }
  }
}

TEST_CASE("mma plan: only the label's class, and no row at all") {
  FusedCase c{4, 16, 1};
  FusedInput in = make_input(c);
  in.label = {0, -1, 0, 0};
  const SumsRun run = run_sums(in, [](const cu::FusedSums& call) { return cu::mma_sums(call, nullptr); });
  REQUIRE(compare_sums(in, run, reference_sums(in)) == "");
  FusedCase none{0, 16, 70};
  REQUIRE(check_sums(none) == "");
  FusedInput empty = make_input(none);
  const std::vector<float> h = run_weights(empty, [&](const cu::FusedWeights& call, float* out) {
    return cu::run_mma_weights(call, StoreRows{out, none.d}, nullptr);
  });
  int other = 0;
  for (const float v : h) other += !(v == 0.0f);
  REQUIRE(other == 0);
}

TEST_CASE("mma plan: NaN in a class row is recorded, the first row wins") {
  FusedCase c{6, 24, 150};
  c.parts = 2;
  FusedInput in = make_input(c);
  for (const std::size_t row : {140u, 77u, 90u}) in.w[row * 24 + 3] = 0x7FFF;
  const SumsRun run = run_sums(in, [](const cu::FusedSums& call) { return cu::mma_sums(call, nullptr); });
  REQUIRE(run.error == (static_cast<unsigned long long>(cu::ErrorTensor::kW) << 56 | 77));
}

TEST_CASE("mma plan: the same bits twice and in every mode") {
  FusedCase c{70, 40, 200, QCF_HEAD_QCFACE_CUR};
  c.parts = 2;
  FusedInput in = make_input(c);
  add_factors(in, reference_sums(in));
  std::vector<SumsRun> sums;
  std::vector<std::vector<float>> weights;
  for_each_mode([&] {
    sums.push_back(run_sums(in, [](const cu::FusedSums& call) { return cu::mma_sums(call, nullptr); }));
    weights.push_back(run_weights(in, [&](const cu::FusedWeights& call, float* out) {
      return cu::run_mma_weights(call, StoreRows{out, c.d}, nullptr);
    }));
  });
  for (std::size_t i = 1; i < sums.size(); ++i) {
    REQUIRE(sums[i].sum == sums[0].sum);
    REQUIRE(sums[i].shift == sums[0].shift);
    REQUIRE(sums[i].vectors == sums[0].vectors);
    REQUIRE(weights[i] == weights[0]);
  }
}

// ---- defects -----------------------------------------------------------------------------------------------------------

/// Number of modes in which `run` gives something else than `right`, or an error of the emulator.
template <class Run, class Result>
int modes_that_notice(const Run& run, const Result& right) {
  int noticed = 0;
  for (const emulation::Mode& mode : emulation::kModes) {
    const emulation::Options before = emulation::options();
    emulation::options() = mode.options;
    try {
      noticed += run() != right;
    } catch (const emulation::Error&) {
      ++noticed;
    }
    emulation::options() = before;
  }
  return noticed;
}

template <cu::MmaDefect kDefect>
cudaError_t defective_sums(const cu::FusedSums& call) {
  using Shape = cu::MmaShape<128>;
  using T = __nv_bfloat16;
  const int d = static_cast<int>(call.shape.d);
  const cu::MmaSums<T> args{{static_cast<const T*>(call.unit_x), call.shape.n, d},
                            {static_cast<const T*>(call.unit_w), call.shape.k_loc, d},
                            call.s,
                            call.mv_a,
                            call.t,
                            call.margin,
                            call.target_c,
                            call.label,
                            call.plain,
                            call.vectors,
                            call.parts,
                            call.partials,
                            call.errors};
  const dim3 grid(static_cast<unsigned>((call.shape.n + 63) / 64), static_cast<unsigned>(call.parts));
  const cudaError_t error =
      qcface::cuda::launch(cu::mma_sums_kernel<Shape, kernels::QcfaceCurHead, T, kDefect>, grid,
                           Shape::kThreads, Shape::kBytes, nullptr, args);
  return error != cudaSuccess ? error : cu::fused_combine(call, nullptr);
}

template <cu::MmaDefect kDefect>
cudaError_t defective_weights(const cu::FusedWeights& call, float* out) {
  using Shape = cu::MmaShape<128>;
  using T = __nv_bfloat16;
  const int d = static_cast<int>(call.shape.d);
  const cu::MmaWeights<T, StoreRows> args{{static_cast<const T*>(call.unit_w), call.shape.k_loc, d},
                                          {static_cast<const T*>(call.unit_x), call.shape.n, d},
                                          call.s,
                                          call.mv_a,
                                          static_cast<float>(64.0 / call.batch),
                                          call.t,
                                          call.rows,
                                          StoreRows{out, call.shape.d}};
  const cudaError_t error = cu::fused_rows(call, nullptr);
  if (error != cudaSuccess) return error;
  return qcface::cuda::launch(cu::mma_weights_kernel<Shape, kernels::QcfaceCurHead, T, StoreRows, kDefect>,
                              static_cast<unsigned>((call.shape.k_loc + 63) / 64), Shape::kThreads,
                              Shape::kBytes, nullptr, args);
}

template <cu::MmaDefect kDefect>
int sums_noticed() {
  FusedCase c{70, 128, 300, QCF_HEAD_QCFACE_CUR};
  const FusedInput in = make_input(c);
  const SumsRun right = run_sums(in, defective_sums<cu::MmaDefect::kNone>);
  REQUIRE(compare_sums(in, right, reference_sums(in)) == "");
  const auto key = [](const SumsRun& run) { return std::make_pair(run.sum, run.vectors); };
  return modes_that_notice([&] { return key(run_sums(in, defective_sums<kDefect>)); }, key(right));
}

template <cu::MmaDefect kDefect>
int weights_noticed() {
  FusedCase c{200, 128, 100, QCF_HEAD_QCFACE_CUR};
  FusedInput in = make_input(c);
  add_factors(in, reference_sums(in));
  const std::vector<float> right = run_weights(in, defective_weights<cu::MmaDefect::kNone>);
  return modes_that_notice([&] { return run_weights(in, defective_weights<kDefect>); }, right);
}

TEST_CASE("mma plan: a missing barrier or a short wait of the first pass is noticed") {
  REQUIRE(sums_noticed<cu::MmaDefect::kNone>() == 0);
  REQUIRE(sums_noticed<cu::MmaDefect::kShortWait>() > 0);
  REQUIRE(sums_noticed<cu::MmaDefect::kNoArrivalBarrier>() > 0);
  REQUIRE(sums_noticed<cu::MmaDefect::kNoMaximumBarrier>() > 0);
  REQUIRE(sums_noticed<cu::MmaDefect::kNoOperandBarrier>() > 0);
}

TEST_CASE("mma plan: a missing barrier or a short wait of the second pass is noticed") {
  REQUIRE(weights_noticed<cu::MmaDefect::kNone>() == 0);
  REQUIRE(weights_noticed<cu::MmaDefect::kShortWait>() > 0);
  REQUIRE(weights_noticed<cu::MmaDefect::kNoArrivalBarrier>() > 0);
  REQUIRE(weights_noticed<cu::MmaDefect::kNoOperandBarrier>() > 0);
}

}  // namespace
}  // namespace qcface::test
