// The choice among the algorithms that cuDNN's older functions list for one pass. Pure, so that lists which no GPU here
// gives can be tested.
#pragma once

#include <functional>
#include <optional>
#include <span>

namespace qcface::nn::cuda {

struct LegacyOffer {
  int algorithm = 0;
  bool usable = false;         // cuDNN's own verdict
  bool deterministic = false;  // the same bits every time
  int math = 0;
};

struct LegacyChoice {
  int algorithm = 0;
  std::size_t bytes = 0;
};

/// The first offer that keeps every promise (the list is sorted by expected time). Lists are heuristic: where none does,
/// `last_resort`, which is algorithm 1 of each kind and known to be reproducible, if cuDNN can size it. `size` gives the
/// workspace of an offer, nothing where cuDNN refuses it.
inline std::optional<LegacyChoice> choose_legacy(
    std::span<const LegacyOffer> offers, const LegacyOffer& last_resort, std::size_t limit,
    const std::function<std::optional<std::size_t>(const LegacyOffer&)>& size) {
  const auto take = [&](const LegacyOffer& offer) -> std::optional<LegacyChoice> {
    const std::optional<std::size_t> bytes = size(offer);
    if (!bytes || *bytes > limit) return std::nullopt;
    return LegacyChoice{offer.algorithm, *bytes};
  };
  for (const LegacyOffer& offer : offers) {
    if (!offer.usable || !offer.deterministic) continue;
    if (const auto choice = take(offer)) return choice;
  }
  return take(last_resort);
}

}  // namespace qcface::nn::cuda
