// Where a protocol gets the embeddings of its pictures from: a network, or a file that another program wrote.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/hash.h"
#include "core/npy.h"
#include "harness/data/lists/picture_names.h"
#include "harness/eval/features/embedder.h"
#include "harness/eval/features/extract.h"

namespace qcface::eval {

class FeatureSource {
 public:
  FeatureSource() = default;
  FeatureSource(const FeatureSource&) = delete;
  FeatureSource& operator=(const FeatureSource&) = delete;
  virtual ~FeatureSource() = default;

  /// Embeddings of the pictures, in their order. Throws as extract_embeddings().
  Embeddings of(const data::PictureSource& pictures);
  /// The same of picture files.
  Embeddings of(std::span<const std::string> files);
  /// The same of picture files that the figures do not rest on: constants are fitted on them. No part of data().
  Embeddings aside(std::span<const std::string> files);
  /// What a measurement rests on beside the pictures: the pairs of a list, say. Part of the data's fingerprint.
  void add_data(const void* bytes, std::size_t count) { data_.add(bytes, count); }

  /// How the pictures are prepared; of embeddings from elsewhere the flip alone has a meaning.
  virtual const ExtractOptions& options() const = 0;
  /// A hash of the model: of its weights, or of the file of embeddings.
  virtual std::string model() const = 0;
  /// Begins a measurement: data() says nothing of what was asked for before.
  void start_measurement();
  /// Of all that was asked for since: "fingerprint" (a hash of the pictures' names in their order, and of add_data()),
  /// "pictures" (how many) and, where there are pictures, "files" (a hash of their stored sizes).
  nlohmann::json data() const;

 protected:
  virtual Embeddings embed(const data::PictureSource& pictures) = 0;
  virtual bool reads_pictures() const = 0;

 private:
  Fnv1a data_, files_;
  std::int64_t pictures_ = 0;
};

/// Of a network; what is in the cache folder is taken from there, and the rest put there as it is made (feature_store.h).
class NetworkFeatures final : public FeatureSource {
 public:
  /// `embedder` must outlive it. Without a folder nothing is kept. Throws Error naming --cache where the folder cannot be
  /// written.
  NetworkFeatures(Embedder& embedder, ExtractOptions options, std::filesystem::path cache = {});
  const ExtractOptions& options() const override { return options_; }
  std::string model() const override { return embedder_.model_hash(); }

 private:
  Embeddings embed(const data::PictureSource& pictures) override;
  bool reads_pictures() const override { return true; }

  Embedder& embedder_;
  ExtractOptions options_;
  std::filesystem::path cache_;
  std::string model_;  // fingerprint, once it was asked for
};

/// Of a file that any program wrote: float32 [n, D], or [n, 2, D] with the embeddings of pictures and of their mirror images,
/// not normalised, and the names of its rows. The pictures need not be there.
class FileFeatures final : public FeatureSource {
 public:
  /// `flip`: as the user asked; nothing: `usual`, where there are mirror images, else none. Throws Error naming the file: no
  /// such array, another number of rows than names, a flip without mirror images.
  FileFeatures(const std::filesystem::path& features, const std::filesystem::path& names,
               std::optional<FlipFusion> flip, FlipFusion usual = FlipFusion::kNone);
  const ExtractOptions& options() const override { return options_; }
  std::string model() const override;
  const data::PictureNames& names() const { return names_; }
  std::int64_t width() const { return width_; }

 private:
  /// Throws Error: a picture without a name, a name that two pictures would share, a value that is not finite.
  Embeddings embed(const data::PictureSource& pictures) override;
  bool reads_pictures() const override { return false; }

  std::string path_;
  NpyArray rows_;
  data::PictureNames names_;
  std::int64_t width_ = 0;
  bool mirrored_ = false;
  ExtractOptions options_;
};

/// magnitudes.csv: path,identity,magnitude of the pictures that could be read; identity = name of the folder the picture
/// lies in. `names` are those of the pictures of the embeddings.
std::string magnitudes_csv(std::span<const std::string> names, const Embeddings& embeddings);

}  // namespace qcface::eval
