// Embeddings kept on disk, picture by picture, so that a second measurement runs no network for a picture that any protocol
// met before, and a stopped one goes on where it was (data-formats.md section 6). They stand in files of some thousand rows:
// features_<key>_<sum>.npy (float32 [n, D] or [n, 2, D]) and features_<key>_<sum>.txt (a name a row), which are what
// `--features` and `--names` take, and features_<key>_<sum>.json, which says what they belong to. <key> is a hash of the model
// and of the preparation, <sum> one of the content.
//
// A row is taken only if all of this is as it was: model (weights, layers, device, libraries, threads), program version,
// preparation, and name, reading, size, time of change of the content and of the entry of the file that holds the picture;
// reading every picture's content would cost about as much as decoding it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "harness/eval/features/embedder.h"
#include "harness/eval/features/extract.h"

namespace qcface::eval {

class FeatureStore {
 public:
  FeatureStore(std::filesystem::path folder, const std::string& model, const data::Preparation& preparation,
               int side, std::int64_t width);

  /// The embeddings of the pictures: those that are kept, and the rest by the network, kept as they are made, about once a
  /// minute. What cannot be written is a warning: the result does not depend on it. A damaged file is left aside with a
  /// warning. Of several ranks (ExtractOptions::ranks) the leader alone reads and writes the folder; all embed. Throws as
  /// extract_embeddings().
  Embeddings complete(Embedder& embedder, const data::PictureSource& pictures, const ExtractOptions& options);

 private:
  /// Fills in the rows that are kept; returns the places of the others.
  std::vector<std::int64_t> take(const data::PictureSource& pictures, std::span<const std::uint64_t> states,
                                 Embeddings& into) const;
  void keep(const data::PictureSource& pictures, std::span<const std::uint64_t> states,
            std::span<const std::int64_t> places, const Embeddings& made);

  std::filesystem::path folder_;
  nlohmann::json facts_;  // what has to be the same
  std::string key_;
  std::int64_t width_;
  bool writable_ = true;  // false once writing failed
};

}  // namespace qcface::eval
