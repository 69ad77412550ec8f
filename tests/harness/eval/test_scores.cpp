#include "harness/eval/measures/scores.h"

#include <algorithm>

#include "harness/eval/features/flip_fusion.h"
#include "tests/harness/eval/support.h"

using namespace qcface;
using namespace qcface::eval;

TEST_CASE("a zero embedding has cosine 0 and magnitude 0") {
  const std::vector<float> zero(8, 0.0f), f(8, 2.0f);
  REQUIRE(cosine(zero, f) == 0);
  REQUIRE(cosine(zero, zero) == 0);
  REQUIRE(magnitude(zero) == 0);
  REQUIRE(std::fabs(cosine(f, f) - 1) <= 1e-15);
}

TEST_CASE("scaling all embeddings changes the quality-aware score only") {
  RandomStream random(1, RandomPurpose::kTest);
  std::vector<float> f1(64), f2(64);
  for (float& value : f1) value = static_cast<float>(random.normal());
  for (float& value : f2) value = static_cast<float>(random.normal());
  std::vector<float> g1 = f1, g2 = f2;
  for (float& value : g1) value *= 4;  // a power of two: exact
  for (float& value : g2) value *= 4;
  const double s = cosine(f1, f2);
  REQUIRE(cosine(g1, g2) == s);
  const QmfConstants constants = qmf_preset("qcface/ir50");
  const double q = std::min(magnitude(f1), magnitude(f2));
  REQUIRE(std::min(magnitude(g1), magnitude(g2)) == 4 * q);
  REQUIRE(std::fabs(s) < 0.6);  // below the zero crossing, where quality counts
  REQUIRE(qmf_score(s, 4 * q, constants.alpha, constants.beta) <
          qmf_score(s, q, constants.alpha, constants.beta));
}

TEST_CASE("above the zero crossing the quality-aware score is the cosine") {
  const QmfConstants constants = qmf_preset("qcface/ir18");
  REQUIRE(qmf_score(0.8, 30, constants.alpha, constants.beta) == 0.8);
  REQUIRE(qmf_score(0.7, 30, constants.alpha, constants.beta) < 0.7);
  REQUIRE(qmf_score(0.3, 30, 0, 0) == 0.3);
}

TEST_CASE("an unknown preset or fusion names the known ones") {
  const std::string preset = test::error_of([] { qmf_preset("ir50"); });
  REQUIRE(test::contains(preset, "'ir50'"));
  REQUIRE(test::contains(preset, "qcface/ir50"));
  REQUIRE(test::contains(test::error_of([] { flip_fusion_from_name("sum"); }), "norm_weighted_avg"));
}

TEST_CASE("fusing an embedding with itself keeps it, or doubles it when added") {
  const std::vector<double> f{3, -4, 0.5};
  for (const FlipFusion fusion : {FlipFusion::kNone, FlipFusion::kAverage, FlipFusion::kNormWeighted}) {
    std::vector<double> out(3);
    fuse(fusion, f, f, out);
    for (std::size_t i = 0; i < 3; ++i) REQUIRE(std::fabs(out[i] - f[i]) <= 1e-14);
  }
  std::vector<double> sum(3);
  fuse(FlipFusion::kVectorAdd, f, f, sum);
  for (std::size_t i = 0; i < 3; ++i) REQUIRE(sum[i] == 2 * f[i]);
  std::vector<double> zero(3), wide(6);
  const std::vector<double> nothing(3, 0.0);
  fuse(FlipFusion::kAverage, nothing, nothing, zero);
  REQUIRE(zero == nothing);
  fuse(FlipFusion::kConcat, f, f, wide);
  REQUIRE(wide[0] == wide[3]);
}
