#include "harness/eval/features/features.h"

#include <fmt/format.h>

#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/atomic_file.h"
#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "harness/console/interrupt.h"
#include "harness/data/sets/image_folder.h"
#include "harness/eval/features/feature_store.h"
#include "harness/eval/features/spread.h"

namespace qcface::eval {

Embeddings FeatureSource::of(const data::PictureSource& pictures) {
  for (std::int64_t i = 0; i < pictures.size(); ++i) {
    data_.add(pictures.name_in_set(i));
    data_.add(static_cast<unsigned char>('\n'));
    if (!reads_pictures()) continue;
    const std::uint64_t bytes = pictures.stored_bytes(i);
    files_.add(&bytes, sizeof(bytes));
  }
  pictures_ += pictures.size();
  return embed(pictures);
}

Embeddings FeatureSource::of(std::span<const std::string> files) {
  return of(data::ImageFolder::from_files(files));
}

Embeddings FeatureSource::aside(std::span<const std::string> files) {
  return embed(data::ImageFolder::from_files(files));
}

void FeatureSource::start_measurement() {
  data_ = files_ = Fnv1a();
  pictures_ = 0;
}

nlohmann::json FeatureSource::data() const {
  nlohmann::json facts{{"fingerprint", data_.hex()}, {"pictures", pictures_}};
  if (reads_pictures()) facts["files"] = files_.hex();
  return facts;
}

NetworkFeatures::NetworkFeatures(Embedder& embedder, ExtractOptions options, std::filesystem::path cache)
    : embedder_(embedder), options_(std::move(options)), cache_(std::move(cache)) {
  if (!cache_.empty()) require_writable_folder(cache_, "--cache");
}

Embeddings NetworkFeatures::embed(const data::PictureSource& pictures) {
  if (cache_.empty()) {
    try {
      return extract_on_ranks(embedder_, pictures, options_);
    } catch (const Interrupted&) {
      log::info("nothing is kept: with --cache FOLDER a stopped extraction goes on where it was");
      throw;
    }
  }
  if (model_.empty()) model_ = embedder_.fingerprint();
  return FeatureStore(cache_, model_, options_.preparation, embedder_.side(), embedder_.width())
      .complete(embedder_, pictures, options_);
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
