#include "harness/eval/feature_cache.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>
#include <sstream>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/npy.h"

namespace qcface::eval {
namespace {

// "root/db/imgs/12.jpg" -> 12
std::optional<std::int64_t> number_of(const std::string& name) {
  const std::size_t slash = name.find_last_of('/');
  const std::size_t begin = slash == std::string::npos ? 0 : slash + 1;
  const std::size_t end = std::min(name.find('.', begin), name.size());
  std::int64_t number = 0;
  const auto [parsed, error] = std::from_chars(name.data() + begin, name.data() + end, number);
  if (error != std::errc() || parsed != name.data() + end) return std::nullopt;
  return number;
}

// Numbers may be written as 12 or 12.0.
std::optional<std::int64_t> whole_number(const std::string& text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [parsed, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || parsed != end || value != std::floor(value) || std::fabs(value) > 9e15) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(value);
}

}  // namespace

std::int64_t FeatureCache::find(std::int64_t number) const {
  const auto it = row_of_number.find(number);
  require(it != row_of_number.end(), "{}: there is no embedding of picture {}", origin, number);
  return it->second;
}

FeatureCache read_feature_cache(const std::filesystem::path& embeddings,
                                const std::filesystem::path& filenames) {
  const NpyArray values = read_npy(embeddings);
  require(values.dtype == "<f4" && values.shape.size() == 2,
          "{}: expected float32 of shape [n, D], found {} with {} dimensions", embeddings.string(),
          values.dtype, values.shape.size());
  const NpyArray names = read_npy(filenames);
  require(names.dtype.starts_with("<U") && names.shape.size() == 1,
          "{}: expected text of shape [n], found {} with {} dimensions", filenames.string(), names.dtype,
          names.shape.size());
  require(values.shape[0] == names.shape[0], "{}: {} embeddings, but {} has {} names", embeddings.string(),
          values.shape[0], filenames.string(), names.shape[0]);
  FeatureCache cache;
  cache.count = values.shape[0];
  cache.width = values.shape[1];
  cache.origin = embeddings.string();
  cache.values.resize(static_cast<std::size_t>(values.elements()));
  if (!cache.values.empty())
    std::memcpy(cache.values.data(), values.data.data(), cache.values.size() * sizeof(float));
  cache.names = names.to_strings();
  for (std::size_t i = 0; i < cache.names.size(); ++i) {
    std::string& name = cache.names[i];
    std::replace(name.begin(), name.end(), '\\', '/');
    const std::optional<std::int64_t> number = number_of(name);
    require(number.has_value(), "{}: row {}: '{}' is not named by a number", filenames.string(), i, name);
    const bool is_new = cache.row_of_number.emplace(*number, static_cast<std::int64_t>(i)).second;
    require(is_new, "{}: row {}: picture {} is there twice", filenames.string(), i, *number);
  }
  return cache;
}

std::vector<NumberedPair> read_numbered_pairs(const std::filesystem::path& list) {
  std::istringstream lines(read_file(list));
  std::vector<NumberedPair> pairs;
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    std::istringstream fields(line);
    std::string a, b, same, rest;
    if (!(fields >> a)) continue;
    const bool three = static_cast<bool>(fields >> b >> same) && !(fields >> rest);
    require(three, "{}: line {}: expected three numbers 'a b m'", list.string(), number);
    const auto first = whole_number(a);
    const auto second = whole_number(b);
    const auto label = whole_number(same);
    require(first && second && label && (*label == 0 || *label == 1),
            "{}: line {}: expected two picture numbers and 1 (same) or 0 (different), found '{}'",
            list.string(), number, line);
    pairs.push_back({*first, *second, *label == 1});
  }
  require(!pairs.empty(), "{}: no pair is listed", list.string());
  return pairs;
}

}  // namespace qcface::eval
