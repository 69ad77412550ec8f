// Embeddings kept on disk, so that a second measurement of the same pictures by the same model runs no network
// (data-formats.md section 6). A list of pictures has four files: embeddings_<key>.npy and filenames_<key>.npy in the
// published layout, mirrored_<key>.npy where mirror images are embedded too, and features_<key>.json, which says what they
// belong to. <key> is a hash of the model, of the preparation and of the pictures' names, in no order.
//
// They are taken only if all of this is as it was: model (weights, layers, device, libraries, threads), program version,
// preparation, and size, time of change of the content and of the entry of every file that holds a picture; reading every
// picture's content would cost about as much as decoding it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/eval/features/extract.h"

namespace qcface::eval {

struct FeatureKey {
  std::string hash;                // <key>
  nlohmann::json facts;            // what has to be the same
  std::vector<std::string> files;  // names as they were asked for
  std::vector<std::string> names;  // absolute, in byte order
  std::vector<std::size_t> order;  // places of these names in files
};
FeatureKey feature_key(const std::string& model, int side, const ExtractOptions& options,
                       const data::PictureSource& pictures);

/// The embeddings in the order that was asked for, and a line in the log. Nothing, and a line that says why, where there
/// are none, they belong to something else, or a file is damaged.
std::optional<Embeddings> find_features(const std::filesystem::path& folder, const FeatureKey& key,
                                        std::int64_t width, FlipFusion flip);

/// Writes them. What cannot be written is a warning: the result does not depend on it.
void keep_features(const std::filesystem::path& folder, const FeatureKey& key, const Embeddings& embeddings);

/// embeddings_<db>.npy and filenames_<db>.npy: rows [n, D] and the picture that each belongs to, with "/" for "\".
struct FeatureRows {
  std::int64_t width = 0;
  std::vector<float> values;
  std::vector<std::string> names;
};
/// Throws Error naming the file: not f32 [n, D], not text [n], different n.
FeatureRows read_feature_rows(const std::filesystem::path& embeddings,
                              const std::filesystem::path& filenames);

}  // namespace qcface::eval
