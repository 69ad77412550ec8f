#include "nn/scoring/cuda/identify_plan.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "nn/scoring/cuda/largest_scores.h"

namespace qcface::nn::cuda {
namespace {

constexpr std::int64_t kMostScores = 1 << 28;  // of a block: 2 GiB, and some milliseconds of a large GPU
constexpr std::int64_t kMostProbes = 1 << 16;  // of a block
constexpr std::int64_t kGoodProbes = 1024;  // enough for the product to pay, where the gallery need not move
constexpr std::int64_t kMostAtOnce = 1 << 24;
constexpr std::int64_t kLeast = 16;  // of either side, whatever the memory is

std::int64_t divided_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

}  // namespace

IdentifyPlan plan_identification(const IdentifyRequest& request, std::size_t memory_bytes) {
  const auto memory = static_cast<std::int64_t>(memory_bytes);
  const std::int64_t probes = request.probes.count, gallery = request.gallery.count;
  IdentifyPlan plan;
  plan.padded_width = divided_up(request.probes.width, 2) * 2;
  plan.impostors = std::min(request.impostors, probes * gallery);
  plan.at_once = std::min(std::clamp<std::int64_t>(memory / 8 / 32, 64, kMostAtOnce),
                          std::max<std::int64_t>(probes * (gallery + 2), 64));
  const std::int64_t for_impostors = LargestScores::bytes(plan.impostors, plan.at_once);
  require(for_impostors <= memory / 2 && for_impostors / 16 < (std::int64_t{1} << 31),
          "identification: the {} largest scores of impostors take {} MiB of GPU memory, {} MiB are free for "
          "them; "
          "compute them on the CPU",
          plan.impostors, for_impostors >> 20, memory / 2 >> 20);

  // Rows in double and as they come; a probe's best rows and a few numbers beside.
  const std::int64_t row_bytes = plan.padded_width * 16 + 64;
  const std::int64_t probe_bytes =
      row_bytes + 12 * (request.top + static_cast<std::int64_t>(request.parts.size()));
  std::int64_t left = memory - for_impostors;
  const std::int64_t whole_gallery = gallery * (plan.padded_width * 8 + 16);
  plan.resident = whole_gallery <= left / 2;
  if (plan.resident) left -= whole_gallery;
  const std::int64_t scores = std::clamp<std::int64_t>(left / 2 / 8, 2 * kLeast * kLeast, kMostScores);
  // A gallery that stays costs nothing again for the next probes, so wide blocks are best: none is cut but the largest. One
  // that comes over the bus each time wants as many probes as rows.
  const std::int64_t good_probes =
      plan.resident
          ? std::min(probes, kGoodProbes)
          : std::max(kGoodProbes, static_cast<std::int64_t>(std::sqrt(static_cast<double>(scores))));
  const std::int64_t most_rows =
      std::max(std::min(scores / std::max<std::int64_t>(good_probes, 1), left / 8 / row_bytes), 2 * kLeast);
  plan.gallery_blocks = divided_up(gallery, most_rows);
  plan.gallery = divided_up(divided_up(gallery, plan.gallery_blocks), 2) * 2;
  plan.gallery_blocks = divided_up(gallery, plan.gallery);
  const std::int64_t most_probes =
      std::max(std::min({scores / plan.gallery, left / 8 / probe_bytes, kMostProbes}), kLeast);
  plan.probes = divided_up(probes, divided_up(probes, most_probes));
  return plan;
}

}  // namespace qcface::nn::cuda
