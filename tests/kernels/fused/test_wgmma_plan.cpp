// The two kernels of the wgmma plan: the same checks as for the mma plan, and what goes wrong without each of its waits
// and barriers.
#include "kernels/cuda/wgmma_sums.cuh"
#include "kernels/cuda/wgmma_weights.cuh"
#include "tests/kernels/fused/fused_checks.h"

namespace qcface::test {
namespace {

struct WgmmaPlan {
  static cudaError_t sums(const cu::FusedSums& call) { return cu::wgmma_sums(call, nullptr); }
  static cudaError_t weights(const cu::FusedWeights& call, float* out) {
    return cu::run_wgmma_weights(call, StoreRows{out, call.shape.d}, nullptr);
  }
};

TEST_CASE("wgmma plan: first pass, every remainder") { test_first_pass<WgmmaPlan>(); }
TEST_CASE("wgmma plan: second pass, every remainder") { test_second_pass<WgmmaPlan>(); }
TEST_CASE("wgmma plan: parts of the classes combine, with and without vectors") { test_parts<WgmmaPlan>(); }
TEST_CASE("wgmma plan: shifts move within a pass and rescale what was summed") {
  test_moving_shift<WgmmaPlan>();
}
TEST_CASE("wgmma plan: only the label's class, and no row at all") { test_nothing_to_sum<WgmmaPlan>(); }
TEST_CASE("wgmma plan: NaN in a class row is recorded, the first row wins") { test_bad_class<WgmmaPlan>(); }
TEST_CASE("wgmma plan: the same bits twice and in every mode") { test_same_bits<WgmmaPlan>(); }

// ---- defects ----

// Width 512 has the shortest ring, so that a place given back too early is soon written again.
using DefectShape = cu::WgmmaShape<512>;
using DefectHead = kernels::CurricularNegatives;
using DefectType = __nv_bfloat16;

template <cu::WgmmaDefect kDefect>
cudaError_t defective_sums(const cu::FusedSums& call) {
  return cu::run_wgmma_sums<DefectShape, DefectHead, DefectType, kDefect>(call, nullptr);
}

template <cu::WgmmaDefect kDefect>
cudaError_t defective_weights(const cu::FusedWeights& call, float* out) {
  return cu::launch_wgmma_weights<DefectShape, DefectHead, DefectType, kDefect>(
      call, StoreRows{out, call.shape.d}, nullptr);
}

template <cu::WgmmaDefect kDefect>
int sums_noticed() {
  const FusedInput in = make_input({20, 64, 320, QCF_HEAD_QCFACE_CUR});
  const SumsRun right = run_sums(in, defective_sums<cu::WgmmaDefect::kNone>);
  REQUIRE(compare_sums(in, right, reference_sums(in)) == "");
  const auto key = [](const SumsRun& run) { return std::make_pair(run.sum, run.vectors); };
  return modes_that_notice([&] { return key(run_sums(in, defective_sums<kDefect>)); }, key(right));
}

template <cu::WgmmaDefect kDefect>
int weights_noticed() {
  FusedInput in = make_input({300, 64, 40, QCF_HEAD_QCFACE_CUR});
  add_factors(in, reference_sums(in));
  const std::vector<float> right = run_weights(in, defective_weights<cu::WgmmaDefect::kNone>);
  return modes_that_notice([&] { return run_weights(in, defective_weights<kDefect>); }, right);
}

TEST_CASE("wgmma plan: a missing barrier or a short wait of the first pass is noticed") {
  QCFACE_SKIP_DEFECTS();
  using D = cu::WgmmaDefect;
  REQUIRE(sums_noticed<D::kNone>() == 0);
  REQUIRE(sums_noticed<D::kShortWait>() > 0);
  REQUIRE(sums_noticed<D::kNoArrival>() > 0);
  REQUIRE(sums_noticed<D::kEarlyRelease>() > 0);
  REQUIRE(sums_noticed<D::kNoMaximumBarrier>() > 0);
  REQUIRE(sums_noticed<D::kNoOperandBarrier>() > 0);
}

TEST_CASE("wgmma plan: a missing barrier or a short wait of the second pass is noticed") {
  QCFACE_SKIP_DEFECTS();
  using D = cu::WgmmaDefect;
  REQUIRE(weights_noticed<D::kNone>() == 0);
  REQUIRE(weights_noticed<D::kShortWait>() > 0);
  REQUIRE(weights_noticed<D::kNoArrival>() > 0);
  REQUIRE(weights_noticed<D::kEarlyRelease>() > 0);
  REQUIRE(weights_noticed<D::kNoOperandBarrier>() > 0);
}

}  // namespace
}  // namespace qcface::test
