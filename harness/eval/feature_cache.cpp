#include "harness/eval/feature_cache.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "core/error.h"
#include "core/npy.h"
#include "core/text.h"
#include "harness/data/list_text.h"

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
  const data::ListText text(list);
  std::vector<NumberedPair> pairs;
  for (const data::ListLine& line : text.lines()) {
    const auto fields = data::split_fields(line.text, data::Separator::kBlanksOrComma);
    require(fields && fields->size() == 3, "{}: line {}: expected three numbers 'a b m'", list.string(),
            line.number);
    const auto first = data::whole_number((*fields)[0]);
    const auto second = data::whole_number((*fields)[1]);
    const auto label = data::whole_number((*fields)[2]);
    require(first && second && label && (*label == 0 || *label == 1),
            "{}: line {}: expected two picture numbers and 1 (same) or 0 (different), found '{}'",
            list.string(), line.number, printable(line.text, 200));
    pairs.push_back({*first, *second, *label == 1});
  }
  require(!pairs.empty(), "{}: no pair is listed", list.string());
  return pairs;
}

}  // namespace qcface::eval
