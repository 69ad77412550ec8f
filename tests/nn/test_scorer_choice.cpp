// Which scorer a device gives, and how a missing one is refused.
#include <string>

#include "core/error.h"
#include "nn/scoring/scorer.h"
#include "tests/support/catch.h"

using namespace qcface;

TEST_CASE("scorers: the CPU's by default, the GPU's where there is one, else one sentence") {
  REQUIRE(std::string(nn::make_scorer()->name()) == "cpu");
  REQUIRE(std::string(nn::make_scorer({nn::DeviceKind::kCpu, 3}, 2)->name()) == "cpu");
  std::string reason;
  const nn::DeviceChoice gpu{nn::DeviceKind::kCuda, 0};
  if (nn::cuda_device_count(&reason) > 0) {
    REQUIRE(std::string(nn::make_scorer(gpu)->name()) == "cuda");
    return;
  }
  try {
    (void)nn::make_scorer(gpu);
    FAIL("a scorer without a GPU");
  } catch (const Error& error) {
    REQUIRE(error.what() == "CUDA: no usable GPU: " + reason);
  }
}
