// `qcface embed` without flag parsing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "harness/data/sets/left_out.h"
#include "harness/eval/features/features.h"

namespace qcface::eval {

struct EmbedResult {
  std::int64_t pictures = 0;  // rows written: unreadable pictures are left out
  std::int64_t width = 0;
  std::vector<data::CorruptPicture> corrupt;
  data::LeftOut left_out;  // entries of the folder that were not tried; said in a warning before the work
  double magnitude_min = 0, magnitude_mean = 0, magnitude_max = 0;
};
/// `images` is read recursively, in byte order of relative paths. To `out`: embeddings.npy f32 [n, D] (not normalised),
/// filenames.npy <U [n] (relative to images), magnitudes.csv (path,identity,magnitude); the three change together. Of several ranks
/// (ExtractOptions::ranks) the leader writes.
EmbedResult run_embed(FeatureSource& features, const std::filesystem::path& images,
                      const std::filesystem::path& out);

}  // namespace qcface::eval
