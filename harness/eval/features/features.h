// Where a protocol gets the embeddings of its pictures from.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "harness/eval/features/embedder.h"
#include "harness/eval/features/extract.h"

namespace qcface::eval {

class FeatureSource {
 public:
  virtual ~FeatureSource() = default;
  /// Embeddings of the pictures, in their order. Throws as extract_embeddings().
  virtual Embeddings of(const data::PictureSource& pictures) = 0;
  /// The same of picture files.
  Embeddings of(std::span<const std::string> files);
  /// How the pictures are prepared.
  virtual const ExtractOptions& options() const = 0;
};

/// Of a network; what is in the cache folder is taken from there, and the rest put there (feature_cache.h).
class NetworkFeatures final : public FeatureSource {
 public:
  /// `embedder` must outlive it. Without a folder nothing is kept. Throws Error naming --cache where the folder cannot be
  /// written.
  NetworkFeatures(Embedder& embedder, ExtractOptions options, std::filesystem::path cache = {});
  using FeatureSource::of;
  Embeddings of(const data::PictureSource& pictures) override;
  const ExtractOptions& options() const override { return options_; }

 private:
  Embedder& embedder_;
  ExtractOptions options_;
  std::filesystem::path cache_;
  std::string model_;  // fingerprint, once it was asked for
};

/// magnitudes.csv: path,identity,magnitude of the pictures that could be read; identity = name of the folder the picture
/// lies in. `names` are those of the pictures of the embeddings.
std::string magnitudes_csv(std::span<const std::string> names, const Embeddings& embeddings);

}  // namespace qcface::eval
