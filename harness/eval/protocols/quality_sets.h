// Sets of pictures whose magnitudes are drawn beside each other (`eval quality --sets`).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/data/lists/picture_names.h"
#include "harness/data/sets/picture_source.h"
#include "harness/eval/features/extract.h"
#include "harness/eval/protocols/degradation.h"

namespace qcface::eval {

struct NamedSet {
  std::string name;
  std::unique_ptr<data::PictureSource> pictures;
};

/// "frontal=lists/frontal.txt,profile,lfw.bin": places, each with a name in front if its own is not to be taken.
///   folder              all pictures below it
///   .txt, .csv, .list   names of pictures under `root`, one a line
///   anything else       a verification pack, a pack or a RecordIO file
/// With `names` (embeddings from outside) a folder means the names that have it as a folder. Throws Error naming the place, and
/// line and picture of a list.
std::vector<NamedSet> open_sets(std::string_view places, const std::filesystem::path& root,
                                const data::PictureNames* names);

/// Of the readable pictures of a set; counts are those of bins of equal width that all sets share, the last one closed.
struct MagnitudeSet {
  std::string name;
  std::vector<double> magnitudes;
  std::int64_t unreadable = 0;
};
struct MagnitudeHistogram {
  std::vector<double> edges;                      // kHistogramBins + 1
  std::vector<std::vector<std::int64_t>> counts;  // by set
  std::vector<LevelStats> stats;                  // by set
};
inline constexpr int kHistogramBins = 50;
MagnitudeSet magnitude_set(std::string name, const Embeddings& embeddings);
/// At least one magnitude in every set.
MagnitudeHistogram magnitude_histogram(std::span<const MagnitudeSet> sets);

}  // namespace qcface::eval
