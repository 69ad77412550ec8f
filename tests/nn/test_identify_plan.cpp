// How an identification is cut into blocks that fit a GPU's memory.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "nn/scoring/cuda/identify_plan.h"
#include "nn/scoring/scorer.h"
#include "tests/support/catch.h"

using namespace qcface;

TEST_CASE("cuda identify: plans fit the memory and cover everything in even blocks") {
  nn::IdentifyRequest request;
  const float nothing = 0;
  request.top = 20;
  for (const auto& [probes, gallery, width] : {std::array<std::int64_t, 3>{19593, 3531, 512},
                                               {3728, 157871, 512},
                                               {1000000, 1000000, 512},
                                               {1, 1, 1},
                                               {100, 3000000, 513}}) {
    for (const std::int64_t memory :
         {std::int64_t{1} << 27, std::int64_t{8} << 30, std::int64_t{100} << 30}) {
      CAPTURE(probes, gallery, width, memory);
      request.probes = {probes, width, &nothing, nullptr};
      request.gallery = {gallery, width, &nothing, nullptr};
      request.impostors = 2000;
      const auto plan = nn::cuda::plan_identification(request, static_cast<std::size_t>(memory));
      REQUIRE(plan.padded_width % 2 == 0);
      REQUIRE((plan.padded_width == width || plan.padded_width == width + 1));
      REQUIRE(plan.gallery % 2 == 0);
      REQUIRE(plan.gallery_blocks * plan.gallery >= gallery);
      REQUIRE((plan.gallery_blocks - 1) * plan.gallery < gallery);
      REQUIRE(plan.probes >= 1);
      REQUIRE(plan.probes <= probes);
      const std::int64_t row = plan.padded_width * 8 + 8;
      std::int64_t bytes = plan.probes * plan.gallery * 8 + plan.probes * (row + 12 * 20);
      bytes += (plan.resident ? plan.gallery_blocks : 1) * plan.gallery * row;
      bytes += std::max(plan.probes, plan.gallery) * width * 4;
      bytes += 16 * (plan.impostors + 2 * plan.at_once);
      REQUIRE(bytes <= memory);
      if (memory > (std::int64_t{99} << 30)) REQUIRE(plan.resident);
      // Blocks of one size: the last one lacks less than a row a block, and another for an even size.
      REQUIRE(plan.gallery * plan.gallery_blocks - gallery <= 2 * plan.gallery_blocks);
    }
  }
}
