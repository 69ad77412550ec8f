// Pictures and pairs that the constants of the quality-aware score are fitted on (protocols.md section 7).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "harness/data/lists/picture_names.h"
#include "harness/eval/features/features.h"
#include "harness/eval/measures/qmag_fit.h"
#include "harness/eval/measures/scores.h"

namespace qcface::eval {

struct FitSet {
  std::vector<std::string> files;  // only those that a pair has
  std::vector<std::pair<int, int>> pairs;
  std::vector<char> same;
  std::string source;  // "fitted on faces/train, seed 0"
};

/// Pairs drawn from people: draw_training_pairs() of these labels.
FitSet drawn_fit_set(std::span<const std::string> files, std::span<const std::int64_t> labels,
                     const std::string& folder, std::uint64_t seed);
/// The same of an image folder (a folder a person); with `names` of those of them that lie in FOLDER/PERSON.
FitSet folder_fit_set(const std::filesystem::path& folder, std::uint64_t seed,
                      const data::PictureNames* names = nullptr);
/// A pair list over a folder. Throws Error: pairs of one kind only.
FitSet list_fit_set(const std::filesystem::path& list, const std::filesystem::path& folder,
                    const data::PictureNames* names = nullptr);

/// Throws Error as fit_qmag().
QmfConstants fit_constants(FeatureSource& features, const FitSet& set, QmagSpace space,
                           std::optional<QmagFit>& fit);

}  // namespace qcface::eval
