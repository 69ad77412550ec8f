// How an identification is cut so that it fits into the memory that it may take.
#pragma once

#include <cstddef>
#include <cstdint>

#include "nn/scoring/scorer.h"

namespace qcface::nn::cuda {

struct IdentifyPlan {
  std::int64_t padded_width = 0;  // of rows in double, a multiple of 2
  std::int64_t probes = 0;        // of a block
  std::int64_t gallery = 0;       // rows of a block, a multiple of 2
  std::int64_t gallery_blocks = 0;
  bool resident = false;       // the whole gallery stays on the device, in double
  std::int64_t impostors = 0;  // of request.impostors, as many as there can be
  std::int64_t at_once = 0;    // scores in which impostors are looked for together
};

/// Throws Error where more impostors are asked for than fit.
IdentifyPlan plan_identification(const IdentifyRequest& request, std::size_t memory_bytes);

}  // namespace qcface::nn::cuda
