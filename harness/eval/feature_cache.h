// Embeddings kept on disk in the QCFace layout (data-formats.md sections 6 and 10): embeddings_<db>.npy, f32
// [n, D], not normalised, and filenames_<db>.npy, text. Row order is directory-walk order, so rows are found
// by the number in the file name ("12.jpg" is 12, whatever the folder); "\" in names means "/".
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace qcface::eval {

struct FeatureCache {
  std::int64_t count = 0;
  std::int64_t width = 0;
  std::vector<float> values;       // [count, width]
  std::vector<std::string> names;  // with "/"
  std::map<std::int64_t, std::int64_t> row_of_number;

  std::span<const float> row(std::int64_t i) const {
    return {values.data() + i * width, static_cast<std::size_t>(width)};
  }
  /// Throws Error naming the number and the cache.
  std::int64_t find(std::int64_t number) const;
  std::string origin;  // for messages
};

/// Throws Error naming the file: not f32 [n, D], not text [n], different n, a name without a number, a number
/// twice.
FeatureCache read_feature_cache(const std::filesystem::path& embeddings,
                                const std::filesystem::path& filenames);

struct NumberedPair {
  std::int64_t a;
  std::int64_t b;
  bool same;
};
/// <db>_pairs.list: lines `a b m`; numbers may be written 12.0. Throws Error naming file and line.
std::vector<NumberedPair> read_numbered_pairs(const std::filesystem::path& list);

}  // namespace qcface::eval
