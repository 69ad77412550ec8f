// Scores are sorted with their labels; sums over the labels then give the counts at any place, and all that is left is to select
// where groups of equal scores end, and which of them to keep.
#include <algorithm>
#include <cstddef>
#include <limits>
#include <type_traits>
#include <vector>

#include "core/error.h"
#include "nn/scoring/cuda/cuda_scorer.h"
#include "nn/scoring/cuda/kernels.h"
#include "nn/scoring/requests.h"

namespace qcface::nn::cuda {
namespace {

constexpr std::int64_t kPointsAtOnce = 1 << 20;
static_assert(std::is_trivially_copyable_v<RocPoint>);

/// A device array's points to the host's, in pieces.
template <class Make>
void take_points(const ScoringDevice& device, std::int64_t count, std::vector<RocPoint>& to, Make make) {
  to.resize(static_cast<std::size_t>(count));
  const std::int64_t most = std::min(count, kPointsAtOnce);
  const auto points = device.array<RocPoint>(most, "points of the ROC");
  for (std::int64_t first = 0; first < count; first += most) {
    const std::int64_t some = std::min(most, count - first);
    make(first, some, points.data());
    device.download(to.data() + first, points.data(), static_cast<std::size_t>(some));
  }
  device.wait();
}

}  // namespace

RocCounts CudaScorer::roc(const RocRequest& request) {
  RocCounts counts = scoring::counted(request);
  const auto n = static_cast<std::int64_t>(request.scores.size());
  if (n == 0) return counts;
  device_.begin();
  // Scores and labels twice, the places of what is kept, a little for sorting.
  const std::size_t wanted = request.scores.size() * 23, allowed = device_.memory_bytes();
  require(n < std::numeric_limits<std::int32_t>::max() && wanted <= allowed,
          "ROC: {} scores take {} MiB of GPU memory, {} MiB are free for it; compute the scores on the CPU",
          n, wanted >> 20, allowed >> 20);
  const cudaStream_t stream = device_.stream();
  const auto keys1 = device_.array<double>(n, "scores"), keys2 = device_.array<double>(n, "scores");
  const auto labels1 = device_.array<std::uint8_t>(n, "labels"),
             labels2 = device_.array<std::uint8_t>(n, "labels");
  const auto found = device_.array<std::int64_t>(1, "a count");
  device_.upload(keys1.data(), request.scores.data(), request.scores.size());
  device_.upload(labels1.data(), reinterpret_cast<const std::uint8_t*>(request.same.data()),
                 request.same.size());
  TwoBuffers<double> keys{keys1.data(), keys2.data()};
  TwoBuffers<std::uint8_t> labels{labels1.data(), labels2.data()};
  device_.collectively([&](Scratch* scratch) { sort_descending(scratch, &keys, &labels, n, stream); });
  // The keys' other buffer is free: it holds the sums and the ends of the groups.
  auto* const sums = reinterpret_cast<std::int32_t*>(keys.other);
  std::int32_t* const ends = sums + n;
  std::uint8_t* const flags = labels.other;
  device_.collectively([&](Scratch* scratch) { count_up(scratch, labels.values, sums, n, stream); });
  flag_group_ends(keys.values, n, flags, stream);
  device_.collectively(
      [&](Scratch* scratch) { select_places(scratch, flags, n, ends, found.data(), stream); });
  const std::int64_t groups = device_.value_of(found.data());
  const SortedScores sorted{keys.values, sums, n};

  flag_kept_groups(sorted, ends, groups, request.thinned, flags, stream);
  const auto kept = device_.array<std::int32_t>(groups, "groups");
  device_.collectively(
      [&](Scratch* scratch) { select_places(scratch, flags, groups, kept.data(), found.data(), stream); });
  take_points(device_, device_.value_of(found.data()), counts.points,
              [&](std::int64_t first, std::int64_t count, RocPoint* points) {
                make_points(sorted, ends, kept.data() + first, count, points, stream);
              });

  const std::span<const std::int64_t> ranks = request.negative_ranks;
  const auto device_ranks = device_.array<std::int64_t>(static_cast<std::int64_t>(ranks.size()), "ranks");
  device_.upload(device_ranks.data(), ranks.data(), ranks.size());
  std::vector<RocPoint> of_rank;
  take_points(device_, static_cast<std::int64_t>(ranks.size()), of_rank,
              [&](std::int64_t first, std::int64_t count, RocPoint* points) {
                find_ranks(sorted, ends, groups, device_ranks.data() + first, count, points, stream);
              });
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    counts.negative_score[i] = of_rank[i].threshold;
    counts.same_above[i] = of_rank[i].true_above;
    counts.different_above[i] = of_rank[i].false_above;
  }
  return counts;
}

}  // namespace qcface::nn::cuda
