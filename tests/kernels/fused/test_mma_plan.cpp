// The two kernels of the mma plan against plain double loops over the same rounded operands: every remainder of the tiles,
// every head, both types, in the four modes; and what a missing barrier or a short wait does.
#include "kernels/cuda/mma_sums.cuh"
#include "kernels/cuda/mma_weights.cuh"
#include "tests/kernels/fused/fused_checks.h"

namespace qcface::test {
namespace {

struct MmaPlan {
  static cudaError_t sums(const cu::FusedSums& call) { return cu::mma_sums(call, nullptr); }
  static cudaError_t weights(const cu::FusedWeights& call, float* out) {
    return cu::run_mma_weights(call, StoreRows{out, call.shape.d}, nullptr);
  }
};

TEST_CASE("mma plan: first pass, every remainder") { test_first_pass<MmaPlan>(); }
TEST_CASE("mma plan: second pass, every remainder") { test_second_pass<MmaPlan>(); }
TEST_CASE("mma plan: parts of the classes combine, with and without vectors") { test_parts<MmaPlan>(); }
TEST_CASE("mma plan: shifts move within a pass and rescale what was summed") { test_moving_shift<MmaPlan>(); }
TEST_CASE("mma plan: only the label's class, and no row at all") { test_nothing_to_sum<MmaPlan>(); }
TEST_CASE("mma plan: NaN in a class row is recorded, the first row wins") { test_bad_class<MmaPlan>(); }
TEST_CASE("mma plan: the same bits twice and in every mode") { test_same_bits<MmaPlan>(); }

// ---- defects ----

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
      qcface::cuda::launch(cu::mma_sums_kernel<Shape, kernels::CurricularNegatives, T, kDefect>, grid,
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
  return qcface::cuda::launch(
      cu::mma_weights_kernel<Shape, kernels::CurricularNegatives, T, StoreRows, kDefect>,
      static_cast<unsigned>((call.shape.k_loc + 63) / 64), Shape::kThreads, Shape::kBytes, nullptr, args);
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
  QCFACE_SKIP_DEFECTS();
  REQUIRE(sums_noticed<cu::MmaDefect::kNone>() == 0);
  REQUIRE(sums_noticed<cu::MmaDefect::kShortWait>() > 0);
  REQUIRE(sums_noticed<cu::MmaDefect::kNoArrivalBarrier>() > 0);
  REQUIRE(sums_noticed<cu::MmaDefect::kNoMaximumBarrier>() > 0);
  REQUIRE(sums_noticed<cu::MmaDefect::kNoOperandBarrier>() > 0);
}

TEST_CASE("mma plan: a missing barrier or a short wait of the second pass is noticed") {
  QCFACE_SKIP_DEFECTS();
  REQUIRE(weights_noticed<cu::MmaDefect::kNone>() == 0);
  REQUIRE(weights_noticed<cu::MmaDefect::kShortWait>() > 0);
  REQUIRE(weights_noticed<cu::MmaDefect::kNoArrivalBarrier>() > 0);
  REQUIRE(weights_noticed<cu::MmaDefect::kNoOperandBarrier>() > 0);
}

}  // namespace
}  // namespace qcface::test
