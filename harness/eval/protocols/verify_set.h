// A pair list with its pictures: what every verification protocol measures.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "harness/data/lists/pairs.h"
#include "harness/data/sets/picture_source.h"
#include "harness/eval/features/features.h"

namespace qcface::eval {

struct VerifySet {
  std::string name;            // "lfw"
  std::filesystem::path list;  // or the pack
  data::PairList pairs;
  std::unique_ptr<data::PictureSource> pictures;  // those of pairs.images
};

/// `place`: a folder of the pictures that `list` names (read_pairs()), or a verification pack, which has its own pairs.
VerifySet open_verify_set(const std::filesystem::path& place, const std::filesystem::path& list,
                          const data::PairOptions& options = {});

/// The embeddings of its pictures; the pairs become part of the data's fingerprint.
Embeddings embed_set(FeatureSource& features, const VerifySet& set);

}  // namespace qcface::eval
