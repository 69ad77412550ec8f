#include "harness/eval/features/features.h"

#include <fmt/format.h>

#include <filesystem>
#include <iterator>
#include <optional>
#include <utility>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/text.h"
#include "harness/data/sets/image_folder.h"
#include "harness/eval/features/feature_cache.h"
#include "harness/eval/result.h"

namespace qcface::eval {

NetworkFeatures::NetworkFeatures(Embedder& embedder, ExtractOptions options, std::filesystem::path cache)
    : embedder_(embedder), options_(std::move(options)), cache_(std::move(cache)) {
  if (!cache_.empty()) require_writable_folder(cache_, "--cache");
}

Embeddings FeatureSource::of(std::span<const std::string> files) {
  return of(data::ImageFolder::from_files(files));
}

Embeddings NetworkFeatures::of(const data::PictureSource& pictures) {
  if (cache_.empty()) return extract_embeddings(embedder_, pictures, options_);
  if (model_.empty()) model_ = embedder_.fingerprint();
  // Before a picture is read: one that changes meanwhile is not taken for what was embedded.
  const FeatureKey key = feature_key(model_, embedder_.side(), options_, pictures);
  if (std::optional<Embeddings> kept = find_features(cache_, key, embedder_.width(), options_.flip)) {
    return std::move(*kept);
  }
  Embeddings embeddings = extract_embeddings(embedder_, pictures, options_);
  keep_features(cache_, key, embeddings);
  return embeddings;
}

std::string magnitudes_csv(std::span<const std::string> names, const Embeddings& embeddings) {
  require(names.size() == embeddings.magnitudes.size(), "magnitudes: {} names for {} embeddings",
          names.size(), embeddings.magnitudes.size());
  std::string csv = "path,identity,magnitude\n";
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (!embeddings.valid[i]) continue;
    const std::string identity = std::filesystem::path(names[i]).parent_path().filename().string();
    fmt::format_to(std::back_inserter(csv), "{},{},{:.9g}\n", csv_field(names[i]), csv_field(identity),
                   embeddings.magnitudes[i]);
  }
  return csv;
}

}  // namespace qcface::eval
